"""Images: the values of a frame pixel by pixel, and pixels as one frame again."""

from collections.abc import Sequence

from htaflow.flows.proof.bdd import Bdd, Edge
from htaflow.flows.proof.prover.layer_proof import LayerProof
from htaflow.flows.proof.prover.prover import Prover, prove_layer
from htaflow.flows.proof.prover.relation import Relation
from htaflow.flows.proof.prover.stream import FRAMES, follow, frames_of
from htaflow.model.integer.network import Flatten, Unflatten, Values


@prove_layer.register
def _(layer: Unflatten, prover: Prover, values: Values, proof: LayerProof) -> None:
    bdd = Bdd()
    frames, expected = [], []
    width = values.width
    for bits in frames_of(prover, bdd, values, proof):
        frames.append([bits])
        expected.append(_pixels(bits, layer.shape, width))
    component = f"core.{layer.name}"
    variables = FRAMES * values.count * width
    follow(prover, component, bdd, frames, expected, proof, width, variables)
    prover.relation = Relation.none(len(prover.payload))


@prove_layer.register
def _(layer: Flatten, prover: Prover, values: Values, proof: LayerProof) -> None:
    bdd = Bdd()
    frames, expected = [], []
    width = values.width
    for bits in frames_of(prover, bdd, values, proof):
        frames.append(_pixels(bits, values.shape, width))
        expected.append([bits])
    component = f"core.{layer.name}"
    variables = FRAMES * values.count * width
    follow(prover, component, bdd, frames, expected, proof, width, variables)
    prover.relation = Relation.none(len(prover.payload))


def _pixels(bits: Sequence[Edge], shape: Sequence[int], width: int) -> list[Sequence[Edge]]:
    """Return the channels of each pixel of an image of ``shape``, each of ``width`` bits."""
    pixels = shape[1] * shape[2]
    values = [bits[at : at + width] for at in range(0, len(bits), width)]
    return [[bit for value in values[pixel::pixels] for bit in value] for pixel in range(pixels)]
