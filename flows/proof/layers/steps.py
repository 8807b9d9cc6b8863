"""Time steps: a frame is shown again in each, or a part of it."""

from htaflow.flows.proof.bdd import Bdd
from htaflow.flows.proof.prover.layer_proof import LayerProof
from htaflow.flows.proof.prover.prover import Prover, prove_layer
from htaflow.flows.proof.prover.relation import Relation
from htaflow.flows.proof.prover.stream import FRAMES, follow, frames_of, without_unread
from htaflow.model.integer.network import Steps, Values


@prove_layer.register
def _(layer: Steps, prover: Prover, values: Values, proof: LayerProof) -> None:
    bdd = Bdd()
    size = layer.output(values).count
    behind_beats = layer is prover.network.layers[1] and prover.interface["beats"] > 1
    frames, expected = [], []
    for bits in frames_of(prover, bdd, values, proof):
        read = without_unread(prover, bits, proof) if behind_beats else bits
        frames.append([bits])
        expected.append(
            [
                read[step * size :][:size] if layer.coding == "split" else read
                for step in range(layer.steps)
            ]
        )
    component = f"core.{layer.name}"
    follow(prover, component, bdd, frames, expected, proof, 1, FRAMES * values.count)
    if layer.coding != "direct":  # what is known of a frame's bits holds in each step
        prover.relation = Relation.none(len(prover.payload))
