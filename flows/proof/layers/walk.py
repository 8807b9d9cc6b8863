"""The layers of a network one after another, and the output word."""

import time
from collections.abc import Iterator, Mapping
from typing import Any

from htaflow.flows.proof.bdd import TooManyNodesError
from htaflow.flows.proof.gates import GateError, Gates
from htaflow.flows.proof.layers.output_word import prove_output_word
from htaflow.flows.proof.prover.layer_proof import LayerProof, NotProvedError
from htaflow.flows.proof.prover.prover import Prover, prove_layer
from htaflow.flows.proof.streams.sequences import SequenceError
from htaflow.model.integer.network import Network
from htaflow.model.support.progress import Progress, silent


def prove_layers(
    gates: Gates, network: Network, interface: Mapping[str, Any], progress: Progress = silent
) -> Iterator[LayerProof]:
    """Yield a proof for each layer of ``network``, and one for the output word.

    ``gates`` are those of its ``top``, ``interface`` what ``rtl/top.json`` says.
    """
    prover = Prover(gates, network, interface)
    for index, layer in enumerate(network.layers):
        proof = LayerProof(layer.name, layer.type)
        begun = time.monotonic()
        progress(f"prove: layer {layer.name} ({layer.type})")
        try:
            prove_layer(layer, prover, prover.fed(index), proof)
        except (NotProvedError, SequenceError, TooManyNodesError, GateError, KeyError) as error:
            proof.open = f"not proved: layer {layer.name} ({layer.type}): {error}"
            prover.skip(layer)
        proof.seconds = round(time.monotonic() - begun, 3)
        yield proof
    proof = LayerProof("result", "output word")
    try:
        prove_output_word(prover, proof)
    except (NotProvedError, KeyError) as error:
        proof.open = f"not proved: the output word: {error}"
    yield proof
