"""Faults of truth tables."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from htaflow.model.integer.network import Layer, Lookup, Values
from htaflow.sim.faults.fault import pick
from htaflow.sim.faults.layers.operators import Operators, Site, changed_at, operators


def _entry(rng: np.random.Generator, layer: Any) -> Site:
    neurons, entries = layer.tables.shape
    return {"neuron": pick(rng, neurons), "entry": pick(rng, entries)}


def _flip_entry(layer: Any, at: Mapping[str, Any]) -> Layer:
    place = at["neuron"], at["entry"]
    tables = changed_at(layer.tables, place, 1 - int(layer.tables[place]))
    changed: Layer = replace(layer, tables=tables)
    return changed


def _other_source(rng: np.random.Generator, layer: Any, inputs: int) -> Site | None:
    neurons, width = layer.source.shape
    neuron, place, to = pick(rng, neurons), pick(rng, width), pick(rng, inputs)
    if to == layer.source[neuron, place]:
        return None
    return {"neuron": neuron, "input": place, "to": to}


def _new_source(layer: Any, at: Mapping[str, Any]) -> Layer:
    source = changed_at(layer.source, (at["neuron"], at["input"]), at["to"])
    changed: Layer = replace(layer, source=source)
    return changed


def tables(inputs: int) -> Operators:
    """Return the faults of truth tables that look at some of ``inputs`` bits."""
    return {
        "table entry": (_entry, _flip_entry),
        "wire moved": (lambda rng, layer: _other_source(rng, layer, inputs), _new_source),
    }


@operators.register
def _(layer: Lookup, fed: Values) -> Operators:
    return tables(fed.count)
