"""Faults of scaling."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from htaflow.model.integer.network import Layer, Scale, Values
from htaflow.sim.faults.fault import pick
from htaflow.sim.faults.layers.operators import Change, Draw, Operators, Site, changed_at, operators


def _channel(rng: np.random.Generator, layer: Scale) -> Site:
    return {"channel": pick(rng, len(layer.offsets)), "by": (-1, 1)[pick(rng, 2)]}


def _off_by_one(field: str) -> tuple[Draw, Change]:
    def change(layer: Scale, at: Mapping[str, Any]) -> Layer:
        numbers = getattr(layer, field)
        value = int(numbers[at["channel"]]) + at["by"]
        changed: dict[str, Any] = {field: changed_at(numbers, at["channel"], value)}
        return replace(layer, **changed)

    return _channel, change


SCALE: Operators = {
    "multiplier off by one": _off_by_one("multipliers"),
    "offset off by one": _off_by_one("offsets"),
}


@operators.register
def _(layer: Scale, fed: Values) -> Operators:
    return SCALE
