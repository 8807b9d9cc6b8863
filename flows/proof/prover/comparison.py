"""What is defined against what the Verilog gives, number by number."""

from collections.abc import Mapping, Sequence

from htaflow.flows.proof.bdd import FALSE, Bdd, Edge
from htaflow.flows.proof.prover.layer_proof import MOST_FAILURES, LayerProof, NotProvedError


def compare_numbers(
    bdd: Bdd,
    proof: LayerProof,
    defined: Sequence[Edge],
    got: Sequence[Edge],
    widths: Sequence[int],
    back: Mapping[int, int] | None = None,
    care: Sequence[Edge] | None = None,
) -> set[int]:
    """Note for each number, of ``widths`` bits, whether it is as defined.

    ``back`` maps variables to input bits; ``care`` says for each number when it counts. Returns
    the numbers that are not.
    """
    wrong = set()
    if len(defined) != len(got):
        raise NotProvedError(f"it yields {len(got)} bits, not {len(defined)}")
    at = 0
    for item, width in enumerate(widths):
        proof.items += 1
        ours, theirs = defined[at : at + width], got[at : at + width]
        at += width
        if list(ours) == list(theirs):
            proof.proved += 1
            continue
        differ = bdd.disj_all(bdd.xor(one, two) for one, two in zip(ours, theirs, strict=True))
        if care is not None:
            differ = bdd.conj(differ, care[item])
        if differ == FALSE:
            proof.proved += 1
            continue
        wrong.add(item)
        if len(proof.failures) >= MOST_FAILURES:
            continue
        example = bdd.example(differ)
        proof.failures.append(
            {
                "neuron": item,
                "inputs_that_are_1": sorted(
                    back[var] if back else var for var, one in example.items() if one
                ),
                "defined": value_of(bdd, ours, example),
                "verilog": value_of(bdd, theirs, example),
            }
        )
    return wrong


def value_of(bdd: Bdd, bits: Sequence[Edge], example: Mapping[int, bool]) -> int:
    """Return the number that ``bits`` are where variables are as in ``example``, else 0."""
    values = [bdd.value(bit, lambda var: example.get(var, False)) for bit in bits]
    return sum(value << place for place, value in enumerate(values))
