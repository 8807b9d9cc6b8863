"""Faults of the network itself: weights, wires, thresholds, tables, leaks.

The mutant is an integer network like any other, and its hardware is generated as every network's
is. Faults that hardware cannot even have (a weight of 9 bits) are refused by the network's own
checks, and so are those that would change what leaves a layer, and with it the ports.
"""

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from htaflow.model.integer.network import (
    Conv2d,
    Convolution,
    Dense,
    Encode,
    IntArray,
    Layer,
    Lookup,
    LookupConv2d,
    MaxPool2d,
    Network,
    Spiking,
)
from htaflow.model.support.errors import BadInputError
from htaflow.sim.faults.fault import Fault, FaultError, pick

Site = dict[str, int | str]
Draw = Callable[[np.random.Generator, Any], Site | None]
"""Draws a place for the fault in a layer; None if there is none this time."""

Change = Callable[[Any, Mapping[str, Any]], Layer]
"""Returns the layer with the fault at a place."""


def _with(array: IntArray, place: Any, value: int) -> IntArray:
    """Return ``array`` with another value at ``place``."""
    changed = array.astype(np.int64)
    changed[place] = value
    return changed


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
    weights = _with(layer.weights, (at["neuron"], at["input"]), value)
    changed: Layer = replace(layer, weights=weights)
    return changed


def _old(layer: Any, at: Mapping[str, Any]) -> int:
    return int(layer.weights[at["neuron"], at["input"]])


def _moved(layer: Any, at: Mapping[str, Any]) -> Layer:
    weights = _with(layer.weights, (at["neuron"], at["to"]), _old(layer, at))
    weights[at["neuron"], at["input"]] = 0
    changed: Layer = replace(layer, weights=weights)
    return changed


def _neuron(rng: np.random.Generator, layer: Any) -> Site:
    return {"neuron": pick(rng, len(layer.weights))}


def _threshold(rng: np.random.Generator, layer: Any) -> Site | None:
    return None if layer.thresholds is None else _neuron(rng, layer)


def _shift(step: int) -> Change:
    """Return the change of a threshold to the next that hardware can tell from it.

    Sums of bipolar inputs are all even or all odd, so that one more is often no other threshold.
    """

    def change(layer: Any, at: Mapping[str, Any]) -> Layer:
        even = layer.inputs == "bipolar" and not isinstance(layer, Spiking)
        n = at["neuron"]
        value = int(layer.thresholds[n]) + step * (2 if even else 1)
        changed: Layer = replace(layer, thresholds=_with(layer.thresholds, n, value))
        return changed

    return change


def _bit(rng: np.random.Generator, layer: Encode) -> Site:
    return {"bit": pick(rng, len(layer.source))}


def _shift_bit(step: int) -> Change:
    def change(layer: Encode, at: Mapping[str, Any]) -> Layer:
        value = int(layer.threshold[at["bit"]]) + step
        return replace(layer, threshold=_with(layer.threshold, at["bit"], value))

    return change


def _other_feature(rng: np.random.Generator, layer: Encode) -> Site | None:
    site, feature = _bit(rng, layer), pick(rng, layer.features)
    if feature == layer.source[int(site["bit"])]:
        return None
    return {**site, "to": feature}


def _entry(rng: np.random.Generator, layer: Any) -> Site:
    neurons, entries = layer.tables.shape
    return {"neuron": pick(rng, neurons), "entry": pick(rng, entries)}


def _flip_entry(layer: Any, at: Mapping[str, Any]) -> Layer:
    place = at["neuron"], at["entry"]
    tables = _with(layer.tables, place, 1 - int(layer.tables[place]))
    changed: Layer = replace(layer, tables=tables)
    return changed


def _other_source(
    rng: np.random.Generator, layer: Lookup | LookupConv2d, inputs: int
) -> Site | None:
    neurons, width = layer.source.shape
    neuron, place, to = pick(rng, neurons), pick(rng, width), pick(rng, inputs)
    if to == layer.source[neuron, place]:
        return None
    return {"neuron": neuron, "input": place, "to": to}


def _new_source(layer: Any, at: Mapping[str, Any]) -> Layer:
    source = _with(layer.source, (at["neuron"], at["input"]), at["to"])
    changed: Layer = replace(layer, source=source)
    return changed


def _padded(rng: np.random.Generator, layer: Convolution) -> Site | None:
    return {} if any(layer.padding) else None


def _as_convolution(layer: MaxPool2d, channels: int) -> Conv2d:
    """Return the convolution that does what a pooling does: OR is a sum of at least 1."""
    pixels = layer.kernel[0] * layer.kernel[1]
    weights = np.kron(np.eye(channels, dtype=np.int64), np.ones((1, pixels), np.int64))
    return Conv2d(
        layer.name,
        layer.kernel,
        weights,
        np.ones(channels, np.int64),
        "unipolar",
        stride=layer.stride,
        padding=layer.padding,
    )


_WEIGHTS: dict[str, tuple[Draw, Change]] = {
    "weight sign": (_wire, lambda layer, at: _weight(layer, at, -_old(layer, at))),
    "wire dropped": (_wire, lambda layer, at: _weight(layer, at, 0)),
    "wire added": (_new_wire, lambda layer, at: _weight(layer, at, at["weight"])),
    "wire moved": (_move, _moved),
    "weight off by one": (_wide, lambda layer, at: _weight(layer, at, _old(layer, at) + at["by"])),
    "threshold one up": (_threshold, _shift(1)),
    "threshold one down": (_threshold, _shift(-1)),
}


def _tables(inputs: int) -> dict[str, tuple[Draw, Change]]:
    return {
        "table entry": (_entry, _flip_entry),
        "wire moved": (lambda rng, layer: _other_source(rng, layer, inputs), _new_source),
    }


_PADDING: dict[str, tuple[Draw, Change]] = {
    "padding bit": (_padded, lambda layer, at: replace(layer, pad_bit=1 - layer.pad_bit)),
}

_ENCODE: dict[str, tuple[Draw, Change]] = {
    "threshold one up": (_bit, _shift_bit(1)),
    "threshold one down": (_bit, _shift_bit(-1)),
    "wire moved": (
        _other_feature,
        lambda layer, at: replace(layer, source=_with(layer.source, at["bit"], at["to"])),
    ),
}


def _leak(rng: np.random.Generator, layer: Spiking) -> Site | None:
    choices = (1, 2) if layer.leak is None else (layer.leak - 1, layer.leak + 1)
    return {"to": choices[pick(rng, 2)]}


def _bias(rng: np.random.Generator, layer: Spiking) -> Site | None:
    return {**_neuron(rng, layer), "by": (-1, 1)[pick(rng, 2)]}


def _drop(rng: np.random.Generator, layer: Spiking) -> Site | None:
    return _bias(rng, layer) if layer.reset == "subtract" else None


def _new_bias(layer: Spiking, at: Mapping[str, Any]) -> Layer:
    biases = np.zeros(len(layer.weights), np.int64) if layer.biases is None else layer.biases
    n = at["neuron"]
    return replace(layer, biases=_with(biases, n, int(biases[n]) + at["by"]))


def _new_drop(layer: Spiking, at: Mapping[str, Any]) -> Layer:
    n = at["neuron"]
    return replace(layer, drops=_with(layer.resets, n, int(layer.resets[n]) + at["by"]))


def _other_reset(layer: Spiking, at: Mapping[str, Any]) -> Layer:
    if layer.reset == "zero":
        return replace(layer, reset="subtract")
    return replace(layer, reset="zero", drops=None)


_SPIKING: dict[str, tuple[Draw, Change]] = {
    "leak": (_leak, lambda layer, at: replace(layer, leak=at["to"])),
    "bias off by one": (_bias, _new_bias),
    "reset off by one": (_drop, _new_drop),
    "reset rule": (lambda rng, layer: {}, _other_reset),
}


_POOL = ("wire dropped", "wire moved", "threshold one up")


def _of_pool(draw: Draw, change: Change, channels: int) -> tuple[Draw, Change]:
    """Return the fault of a convolution as one of a pooling."""
    return (
        lambda rng, layer: draw(rng, _as_convolution(layer, channels)),
        lambda layer, at: change(_as_convolution(layer, channels), at),
    )


def _operators(network: Network, layer: Layer) -> dict[str, tuple[Draw, Change]]:
    """Return the faults that ``layer`` can have, by kind."""
    fed = dict(
        zip(
            (one.name for one in network.layers),
            [network.input, *network.values.values()],
            strict=False,
        )
    )[layer.name]
    if isinstance(layer, Encode):
        return _ENCODE
    if isinstance(layer, Dense):
        return _WEIGHTS
    if isinstance(layer, Spiking):
        return _WEIGHTS | _SPIKING
    if isinstance(layer, Lookup):
        return _tables(fed.count)
    if isinstance(layer, LookupConv2d):
        return _tables(layer.window(fed).count) | _PADDING
    if isinstance(layer, Conv2d):
        return _WEIGHTS | _PADDING
    if isinstance(layer, MaxPool2d):
        return {kind: _of_pool(*_WEIGHTS[kind], fed.shape[0]) for kind in _POOL}
    return {}


def kinds(network: Network) -> list[tuple[str, str]]:
    """Return every (kind, layer) of fault that ``network`` may have; some may have no place."""
    return [(kind, layer.name) for layer in network.layers for kind in _operators(network, layer)]


def draw(rng: np.random.Generator, network: Network, kind: str, name: str) -> Fault | None:
    """Draw a place for a fault; None if there is none, or it makes no network of equal ports."""
    layer = _find(network, name)
    site = _operators(network, layer)[kind][0](rng, layer)
    if site is None:
        return None
    fault = Fault(kind, name, site)
    try:
        mutant = apply(network, fault)
    except BadInputError:
        return None
    return fault if mutant.values == network.values else None


def apply(network: Network, fault: Fault) -> Network:
    """Return the network with the fault.

    Raises ``BadInputError`` if that is no network, ``FaultError`` if it is the same network.
    """
    layer = _find(network, fault.layer)
    changed = _operators(network, layer)[fault.kind][1](layer, fault.site)
    layers = tuple(changed if one is layer else one for one in network.layers)
    mutant = Network(network.name, layers)
    if mutant.digest == network.digest:
        raise FaultError(f"the fault '{fault}' changes nothing in the network")
    return mutant


def _find(network: Network, name: str) -> Layer:
    return next(layer for layer in network.layers if layer.name == name)
