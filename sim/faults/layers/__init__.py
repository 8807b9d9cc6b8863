"""The faults that each kind of layer can have."""

from htaflow.sim.faults.layers import (  # each registers the faults of its layers
    dense,
    encode,
    lookup,
    scale,
    spiking,
    structure,
    threshold,
    weights,
    window,
)
from htaflow.sim.faults.layers.operators import Change, Draw, Operators, operators

__all__ = [
    "Change",
    "Draw",
    "Operators",
    "dense",
    "encode",
    "lookup",
    "operators",
    "scale",
    "spiking",
    "structure",
    "threshold",
    "weights",
    "window",
]
