"""Faults of the first layer."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from htaflow.hw.layers.encode import BeatEncoder, FrameEncoder, encode_logic
from htaflow.model.integer.network import Encode, Layer, Values
from htaflow.sim.faults.fault import pick
from htaflow.sim.faults.inline import inline
from htaflow.sim.faults.layers.operators import Change, Operators, Site, changed_at, operators
from htaflow.sim.faults.layers.transfers import Surroundings, Transfers, transfers


def _bit(rng: np.random.Generator, layer: Encode) -> Site:
    return {"bit": pick(rng, len(layer.source))}


def _shift_bit(step: int) -> Change:
    def change(layer: Encode, at: Mapping[str, Any]) -> Layer:
        value = int(layer.threshold[at["bit"]]) + step
        return replace(layer, threshold=changed_at(layer.threshold, at["bit"], value))

    return change


def _other_feature(rng: np.random.Generator, layer: Encode) -> Site | None:
    site, feature = _bit(rng, layer), pick(rng, layer.features)
    if feature == layer.source[int(site["bit"])]:
        return None
    return {**site, "to": feature}


ENCODE: Operators = {
    "threshold one up": (_bit, _shift_bit(1)),
    "threshold one down": (_bit, _shift_bit(-1)),
    "wire moved": (
        _other_feature,
        lambda layer, at: replace(layer, source=changed_at(layer.source, at["bit"], at["to"])),
    ),
}


@operators.register
def _(layer: Encode, fed: Values) -> Operators:
    return ENCODE


@transfers.register
def _(part: FrameEncoder, taken: Transfers, around: Surroundings) -> Transfers:
    return [inline(part.logic, around.logic, bits) for bits in taken]


@transfers.register
def _(part: BeatEncoder, taken: Transfers, around: Surroundings) -> Transfers:
    logic = encode_logic(part.layer, around.layout)
    return [inline(logic, around.logic, bits) for bits in taken]
