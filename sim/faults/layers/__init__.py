"""The faults that each kind of layer can have, and what its parts yield of a frame."""

from htaflow.sim.faults.layers import (  # each registers what it has of its layers
    dense,
    encode,
    image,
    lookup,
    scale,
    spiking,
    steps,
    structure,
    threshold,
    weights,
    window,
)
from htaflow.sim.faults.layers.operators import Change, Draw, Operators, operators
from htaflow.sim.faults.layers.transfers import Surroundings, Transfers, transfers

__all__ = [
    "Change",
    "Draw",
    "Operators",
    "Surroundings",
    "Transfers",
    "dense",
    "encode",
    "image",
    "lookup",
    "operators",
    "scale",
    "spiking",
    "steps",
    "structure",
    "threshold",
    "transfers",
    "weights",
    "window",
]
