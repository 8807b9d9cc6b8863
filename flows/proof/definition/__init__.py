"""What each layer computes, as its integer definition says, in decision diagrams.

Nothing of :mod:`htaflow.hw` is used here: this is the other side of the proof. A value is a list of
functions, its bits, the low one first; values follow one another.
"""

from htaflow.flows.proof.definition import (  # each registers the definitions of its layers
    concepts,
    dense,
    encode,
    lookup,
    scale,
    threshold,
    vote,
    window,
)
from htaflow.flows.proof.definition.arithmetic import at_least, number
from htaflow.flows.proof.definition.define import Bits, computes, define
from htaflow.flows.proof.definition.spiking import define_step
from htaflow.flows.proof.definition.steps import define_total

__all__ = [
    "Bits",
    "at_least",
    "computes",
    "concepts",
    "define",
    "define_step",
    "define_total",
    "dense",
    "encode",
    "lookup",
    "number",
    "scale",
    "threshold",
    "vote",
    "window",
]
