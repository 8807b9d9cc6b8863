"""Bits of a design as functions of what a layer is fed."""

from collections.abc import Mapping, Sequence
from functools import partial

from htaflow.flows.proof.bdd import FALSE, TRUE, Bdd, Edge
from htaflow.flows.proof.gates import Bit, Gates
from htaflow.flows.proof.prover.layer_proof import NotProvedError

_SCRATCH_NODES = 300_000


def evaluate(gates: Gates, bdd: Bdd, roots: Sequence[Bit], values: dict[Bit, Edge]) -> list[Edge]:
    """Return functions of bits that may depend on ``values`` alone.

    What is computed on the way is large, and goes with a manager of its own now and then.
    """
    found: list[Edge] = []
    scratch = Bdd(0)
    for root in roots:
        if not found or len(scratch) > _SCRATCH_NODES:
            scratch = Bdd()
            there: dict[Edge, Edge] = {}
            back: dict[Edge, Edge] = {}
            known = {
                bit: scratch.copy(bdd, edge, there)
                for bit, edge in values.items()
                if edge <= TRUE or bit in gates.gates  # others are copied if needed
            }
            other = partial(_copied, gates, scratch, bdd, values, there)
        (edge,) = gates.evaluate(scratch, [root], known, other)
        found.append(bdd.copy(scratch, edge, back))
    return found


def taken(
    gates: Gates, bdd: Bdd, payload: Sequence[Bit], enable: Bit, edges: Mapping[Bit, Edge]
) -> list[Edge]:
    """Return what registers take when enabled; check that they hold otherwise."""
    data = [gates.flops[bit].data for bit in payload]
    held = Bdd()
    for bit, source in zip(payload, data, strict=True):
        kept = {enable: FALSE, bit: held.var(0)}
        found = gates.evaluate(held, [source], kept, lambda _: held.var(1))
        if found != [held.var(0)]:
            raise NotProvedError(f"{gates.name_of(bit)} does not hold while it must wait")
    return evaluate(gates, bdd, data, {**edges, enable: TRUE})


def _copied(
    gates: Gates,
    scratch: Bdd,
    bdd: Bdd,
    values: Mapping[Bit, Edge],
    there: dict[Edge, Edge],
    bit: Bit,
) -> Edge:
    """Return the function of a bit that no gate drives, in manager ``scratch``."""
    if bit not in values:
        raise NotProvedError(f"it depends on {gates.name_of(bit)}, which is no input of it")
    return scratch.copy(bdd, values[bit], there)
