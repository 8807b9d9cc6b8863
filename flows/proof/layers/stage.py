"""Layers that are a stage of combinational logic: every output bit is a function of the inputs."""

from collections.abc import Callable, Sequence

from htaflow.flows.proof.bdd import Bdd
from htaflow.flows.proof.definition import define
from htaflow.flows.proof.prover.chain import through_stage
from htaflow.flows.proof.prover.comparison import compare_numbers
from htaflow.flows.proof.prover.layer_proof import LayerProof
from htaflow.flows.proof.prover.prover import Prover, prove_layer
from htaflow.flows.proof.prover.relation import Relation
from htaflow.model.integer.network import (
    ArgMax,
    Concepts,
    Dense,
    GroupSum,
    Layer,
    Lookup,
    Scale,
    Threshold,
    Values,
)


def prove_stage(
    layer: Layer,
    prover: Prover,
    values: Values,
    proof: LayerProof,
    *,
    widths: Sequence[int],
    registers: int | None,
    order: Callable[[int], int] | None = None,
) -> None:
    """Prove a stage of combinational logic in a chain; the first arguments are ``prove_layer``'s.

    Its payload holds numbers of ``widths``, and ``registers`` are in and behind it, any number if
    that is None. ``order`` gives the variable of an input bit, by default its index.
    """
    bdd = Bdd()
    fed = prover.inputs(bdd, values.count * values.width, order)
    proof.assumed = prover.relation.text
    got = through_stage(prover, bdd, layer.name, fed, registers)
    defined = define(layer, bdd, values, fed)
    back = None if order is None else {order(bit): bit for bit in range(len(fed))}
    compare_numbers(bdd, proof, defined, got, widths, back)
    prover.relation = Relation.of(defined)


@prove_layer.register(Dense)
@prove_layer.register(Lookup)
@prove_layer.register(GroupSum)
@prove_layer.register(Concepts)
def _(layer: Layer, prover: Prover, values: Values, proof: LayerProof) -> None:
    yielded = prover.network.values[layer.name]
    widths = [yielded.width] * yielded.count
    registers = int(prover.stages[layer.name]["latency_cycles"])
    prove_stage(layer, prover, values, proof, widths=widths, registers=registers)


@prove_layer.register(Threshold)
@prove_layer.register(Scale)
def _(layer: Threshold | Scale, prover: Prover, values: Values, proof: LayerProof) -> None:
    """Of an image, each pixel alone, in a transfer of its own."""
    pixel = values.pixel
    widths = [layer.output(pixel).width] * pixel.count
    registers = None
    if pixel == values:
        registers = int(prover.stages[layer.name]["latency_cycles"])
    prove_stage(layer, prover, pixel, proof, widths=widths, registers=registers)


@prove_layer.register
def _(layer: ArgMax, prover: Prover, values: Values, proof: LayerProof) -> None:
    count, width = values.count, values.width

    def highest_bits_first(bit: int) -> int:
        """Return the variable of a score's bit: only which scores are still in is remembered."""
        return (width - 1 - bit % width) * count + bit // width

    prove_stage(
        layer,
        prover,
        values,
        proof,
        # The scores go on beside the class.
        widths=[prover.network.values[layer.name].width, *[width] * count],
        registers=int(prover.stages[layer.name]["latency_cycles"]),
        order=highest_bits_first,
    )
