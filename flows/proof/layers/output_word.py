"""The output word: the numbers of the last layer, each in its place."""

from htaflow.flows.proof.prover.layer_proof import LayerProof, NotProvedError
from htaflow.flows.proof.prover.prover import Prover
from htaflow.model.integer.network import Concepts


def prove_output_word(prover: Prover, proof: LayerProof) -> None:
    """Prove that the output word holds the numbers of the last layer, each in its place."""
    word = prover.signal("core.output__payload")
    if prover.gates.outputs.get("m_axis_tdata", word) != word:
        raise NotProvedError("m_axis_tdata is not what the core yields")
    bits = list(prover.payload)
    last = prover.network.layers[-1].name
    probe = str(prover.stages[last]["probe"]).removesuffix("__payload")
    if not isinstance(prover.network.layers[-1], Concepts):
        bits += prover.gates.signals.get(f"{probe}__carried", [])
    at = 0
    for place in prover.interface["outputs"]:
        for number in range(place["count"]):
            proof.items += 1
            own = bits[at : at + place["width"]]
            at += place["width"]
            fill = own[-1] if place["signed"] and own else 0
            start = place["offset"] + number * place["element_bits"]
            shown = word[start : start + place["element_bits"]]
            if shown == own + [fill] * (place["element_bits"] - len(own)):
                proof.proved += 1
            else:
                proof.failures.append({"neuron": number, "output": place["name"]})
    if at != len(bits):
        raise NotProvedError(f"{len(bits)} bits leave, but the outputs have {at}")
