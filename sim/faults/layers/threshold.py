"""Faults of levels."""

from dataclasses import replace

import numpy as np

from htaflow.model.integer.network import Threshold, Values
from htaflow.sim.faults.layers.operators import Change, Operators, Site, operators
from htaflow.sim.faults.layers.weights import any_threshold, shifted


def _shift(step: int) -> Change:
    return lambda layer, at: replace(
        layer, thresholds=shifted(layer.thresholds, at["channel"], at.get("level"), step)
    )


def _channel(rng: np.random.Generator, layer: Threshold) -> Site:
    return any_threshold(rng, layer.thresholds, "channel")


THRESHOLD: Operators = {
    "threshold one up": (_channel, _shift(1)),
    "threshold one down": (_channel, _shift(-1)),
}


@operators.register
def _(layer: Threshold, fed: Values) -> Operators:
    return THRESHOLD
