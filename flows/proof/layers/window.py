"""Convolutions and pooling: the windows of an image, then the logic that each is fed to."""

import numpy as np

from htaflow.flows.proof.bdd import Bdd
from htaflow.flows.proof.layers.stage import prove_stage
from htaflow.flows.proof.prover.layer_proof import LayerProof
from htaflow.flows.proof.prover.prover import Prover, prove_layer
from htaflow.flows.proof.prover.relation import Relation
from htaflow.flows.proof.prover.stream import FRAMES, follow, frames_of
from htaflow.model.integer.network import Values, Windowed


@prove_layer.register
def _(layer: Windowed, prover: Prover, values: Values, proof: LayerProof) -> None:
    _prove_windows(layer, prover, values, proof)
    window = layer.window(values)
    prover.relation = Relation.none(window.count * window.width)
    # The latency that the interface gives is that of the windows, too, so it says nothing here.
    yielded = prover.network.values[layer.name]
    widths = [yielded.width] * yielded.shape[0]
    prove_stage(layer, prover, window, proof, widths=widths, registers=None)


def _prove_windows(layer: Windowed, prover: Prover, values: Values, proof: LayerProof) -> None:
    """Prove that the windows of an image are what they should be."""
    bdd = Bdd()
    width = values.width
    padding = [layer.pad_bit >> place & 1 for place in range(width)]
    pixels = values.shape[1] * values.shape[2]
    frames, expected = [], []
    for bits in frames_of(prover, bdd, values, proof):
        numbers = np.array([*bits, *padding], dtype=object).reshape(-1, width)
        frames.append([list(numbers[p:-1:pixels].flat) for p in range(pixels)])
        expected.append([list(window.flat) for window in numbers[layer.taps(values)]])
    variables = FRAMES * values.count * width
    follow(prover, f"core.{layer.name}", bdd, frames, expected, proof, width, variables)
