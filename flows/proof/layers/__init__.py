"""Every neuron and vote of the generated Verilog against its integer definition, for all inputs.

The Verilog is read as gates; the register in front of a layer stands for its inputs, which are
variables, and so each output bit becomes a decision diagram. The definition
(:mod:`htaflow.flows.proof.definition`) becomes another over the same variables, and equal functions
are the same diagram. Where hardware has left out what cannot matter, because inputs of the layer
are constant or equal to one another, the proof assumes no more than the definition of the layer
before has been shown to guarantee.
"""

from htaflow.flows.proof.layers import (  # each registers the proofs of its layers
    accumulate,
    encode,
    image,
    spiking,
    stage,
    steps,
    window,
)
from htaflow.flows.proof.layers.walk import prove_layers
from htaflow.flows.proof.prover.layer_proof import LayerProof
from htaflow.flows.proof.prover.prover import prove_layer

__all__ = [
    "LayerProof",
    "accumulate",
    "encode",
    "image",
    "prove_layer",
    "prove_layers",
    "spiking",
    "stage",
    "steps",
    "window",
]
