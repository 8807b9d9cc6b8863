"""Layers that hold no numbers: their faults are of the parts that they become."""

from htaflow.model.integer.network import (
    Accumulate,
    ArgMax,
    Concepts,
    Flatten,
    GroupSum,
    Layer,
    Quantise,
    Steps,
    SumPool2d,
    Unflatten,
    Values,
)
from htaflow.sim.faults.layers.operators import Operators, operators


def _none(layer: Layer, fed: Values) -> Operators:
    """Return no fault; :mod:`htaflow.sim.faults.part_faults` has those of its hardware."""
    return {}


for _type in (
    Quantise,
    Unflatten,
    Flatten,
    SumPool2d,
    Steps,
    Accumulate,
    Concepts,
    GroupSum,
    ArgMax,
):
    operators.register(_type)(_none)
