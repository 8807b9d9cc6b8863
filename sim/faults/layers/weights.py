"""Faults of weights, wires and thresholds, which several types of layers have."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from htaflow.model.integer.network import IntArray, Layer, Spiking
from htaflow.sim.faults.fault import pick
from htaflow.sim.faults.layers.operators import Change, Operators, Site, changed_at


def _wire(rng: np.random.Generator, layer: Any) -> Site:
    rows, columns = np.nonzero(layer.weights)
    at = pick(rng, len(rows))
    return {"neuron": int(rows[at]), "input": int(columns[at])}


def _free(rng: np.random.Generator, layer: Any, neuron: int) -> int | None:
    free = np.flatnonzero(layer.weights[neuron] == 0)
    return int(free[pick(rng, len(free))]) if len(free) else None


def _new_wire(rng: np.random.Generator, layer: Any) -> Site | None:
    neuron = pick(rng, len(layer.weights))
    free = _free(rng, layer, neuron)
    if free is None:
        return None
    return {"neuron": neuron, "input": free, "weight": (-1, 1)[pick(rng, 2)]}


def _move(rng: np.random.Generator, layer: Any) -> Site | None:
    site = _wire(rng, layer)
    free = _free(rng, layer, int(site["neuron"]))
    return None if free is None else {**site, "to": free}


def _wide(rng: np.random.Generator, layer: Any) -> Site | None:
    rows, columns = np.nonzero(np.abs(layer.weights.astype(np.int64)) > 1)
    if not len(rows):
        return None
    at = pick(rng, len(rows))
    return {
        "neuron": int(rows[at]),
        "input": int(columns[at]),
        "by": (-1, 1)[pick(rng, 2)],
    }


def _weight(layer: Any, at: Mapping[str, Any], value: int) -> Layer:
    weights = changed_at(layer.weights, (at["neuron"], at["input"]), value)
    changed: Layer = replace(layer, weights=weights)
    return changed


def _old(layer: Any, at: Mapping[str, Any]) -> int:
    return int(layer.weights[at["neuron"], at["input"]])


def _moved(layer: Any, at: Mapping[str, Any]) -> Layer:
    weights = changed_at(layer.weights, (at["neuron"], at["to"]), _old(layer, at))
    weights[at["neuron"], at["input"]] = 0
    changed: Layer = replace(layer, weights=weights)
    return changed


def any_neuron(rng: np.random.Generator, layer: Any) -> Site:
    """Draw a neuron."""
    return {"neuron": pick(rng, len(layer.weights))}


def _threshold(rng: np.random.Generator, layer: Any) -> Site | None:
    return None if layer.thresholds is None else any_threshold(rng, layer.thresholds, "neuron")


def any_threshold(rng: np.random.Generator, thresholds: IntArray, what: str) -> Site:
    """Draw a threshold, of ``[out]`` or ``[out, levels]``; ``what`` is what has a row."""
    site: Site = {what: pick(rng, len(thresholds))}
    return site if thresholds.ndim == 1 else {**site, "level": pick(rng, thresholds.shape[1])}


def shifted(thresholds: IntArray, row: int, level: int | None, step: int) -> IntArray:
    """Return ``thresholds`` with one of them changed by ``step``, still in order."""
    changed = thresholds.astype(np.int64)
    changed[row if level is None else (row, level)] += step
    return changed if level is None else np.sort(changed, axis=1)


def _shift(step: int) -> Change:
    """Return the change of a threshold to the next that hardware can tell from it.

    Sums of bipolar inputs are all even or all odd, so that one more is often no other threshold.
    """

    def change(layer: Any, at: Mapping[str, Any]) -> Layer:
        even = layer.inputs == "bipolar" and not isinstance(layer, Spiking)
        by = step * (2 if even else 1)
        thresholds = shifted(layer.thresholds, at["neuron"], at.get("level"), by)
        changed: Layer = replace(layer, thresholds=thresholds)
        return changed

    return change


WEIGHTS: Operators = {
    "weight sign": (_wire, lambda layer, at: _weight(layer, at, -_old(layer, at))),
    "wire dropped": (_wire, lambda layer, at: _weight(layer, at, 0)),
    "wire added": (_new_wire, lambda layer, at: _weight(layer, at, at["weight"])),
    "wire moved": (_move, _moved),
    "weight off by one": (_wide, lambda layer, at: _weight(layer, at, _old(layer, at) + at["by"])),
    "threshold one up": (_threshold, _shift(1)),
    "threshold one down": (_threshold, _shift(-1)),
}
