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
    prover.relation = Relation.none(window.count)
    # The latency that the interface gives is that of the windows, too, so it says nothing here.
    channels = prover.network.values[layer.name].shape[0]
    prove_stage(layer, prover, window, proof, widths=[1] * channels, registers=None)


def _prove_windows(layer: Windowed, prover: Prover, values: Values, proof: LayerProof) -> None:
    """Prove that the windows of an image are what they should be."""
    bdd = Bdd()
    count = values.count
    pixels = values.shape[1] * values.shape[2]
    frames, expected = [], []
    for bits in frames_of(prover, bdd, count, proof):
        frames.append([bits[p::pixels] for p in range(pixels)])
        seen = np.array([*bits, int(layer.pad_bit)], dtype=object)
        expected.append([list(window) for window in seen[layer.taps(values)]])
    follow(prover, f"core.{layer.name}", bdd, frames, expected, proof, 1, FRAMES * count)
