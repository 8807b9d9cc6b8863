"""Faults of weighted sums."""

from htaflow.model.integer.network import Dense, Values
from htaflow.sim.faults.layers.operators import Operators, operators
from htaflow.sim.faults.layers.weights import WEIGHTS


@operators.register
def _(layer: Dense, fed: Values) -> Operators:
    return WEIGHTS
