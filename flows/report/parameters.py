"""A layer's own parameters and a network's kind, in words, as the report tells them."""

from functools import singledispatch

import numpy as np

from htaflow.flows.summary import counted
from htaflow.hw.layers.spiking import membrane_widths
from htaflow.model.integer import golden
from htaflow.model.integer.network import (
    Accumulate,
    ArgMax,
    Concepts,
    Conv2d,
    Convolution,
    Dense,
    Encode,
    FirstLayer,
    Flatten,
    GroupSum,
    IntArray,
    Layer,
    Lookup,
    MaxPool2d,
    Network,
    Quantise,
    Scale,
    Spiking,
    Steps,
    SumPool2d,
    Threshold,
    Unflatten,
    Values,
    Windowed,
)

COUNTED = 1000
"""Frames of which spikes are counted, at most: the first of the test set."""


def kind(network: Network) -> str:
    """Return what kind of network it is, by its layers."""
    layers = network.layers
    kinds = {
        "deep Heaviside network": any(map(_is_heaviside, layers)),
        "spiking network": any(isinstance(layer, Spiking) for layer in layers),
        "concept bottleneck": network.concepts is not None,
        "network of several levels": any(map(_has_levels, layers)),
    }
    found = [name for name, is_one in kinds.items() if is_one] or ["binary network"]
    if any(isinstance(layer, Convolution) for layer in layers):
        found.append("convolutional")
    return ", ".join(found)


def _is_heaviside(layer: Layer) -> bool:
    """Whether neurons compare sums of bits 0 and 1, or of weights beyond -1, 0 and 1."""
    if isinstance(layer, Conv2d):
        layer = layer.neurons
    if not isinstance(layer, Dense) or layer.thresholds is None:
        return False
    return layer.inputs == "unipolar" or not layer.is_ternary


def _has_levels(layer: Layer) -> bool:
    """Whether neurons or channels have several thresholds each."""
    if isinstance(layer, Conv2d):
        layer = layer.neurons
    return isinstance(layer, Dense | Threshold) and layer.levels > 1


@singledispatch
def parameters(layer: Layer, fed: Values) -> dict[str, str]:
    """Return the parameters of ``layer`` by name, in words; ``fed`` is what comes in.

    Left out is what follows from the layer's type or from what it yields. Raises
    ``NotImplementedError`` for a type that nothing is registered for.
    """
    raise NotImplementedError(f"no parameters are known of a {layer.type}")


def _none(layer: Layer, fed: Values) -> dict[str, str]:
    """Return nothing: the type and what the layer yields say it all."""
    return {}


for _type in (Unflatten, Flatten, Accumulate, Concepts, ArgMax):
    parameters.register(_type)(_none)


@parameters.register
def _(layer: Encode, fed: Values) -> dict[str, str]:
    each = np.bincount(layer.source)[np.unique(layer.source)]
    return {"features": _features(layer), "thresholds a feature": _range(each)}


@parameters.register
def _(layer: Quantise, fed: Values) -> dict[str, str]:
    return {"features": _features(layer), "keeps": f"the top {counted(layer.bits, 'bit')} of each"}


@parameters.register
def _(layer: Dense, fed: Values) -> dict[str, str]:
    found = {"inputs": _inputs(layer, fed), "weights": _weights(layer.weights)}
    found["thresholds"] = _thresholds(layer.thresholds)
    return found


@parameters.register
def _(layer: Threshold, fed: Values) -> dict[str, str]:
    return {
        "inputs": f"integers {fed.low} to {fed.high}",
        "thresholds": _thresholds(layer.thresholds),
    }


@parameters.register
def _(layer: Scale, fed: Values) -> dict[str, str]:
    return {"multipliers": _range(layer.multipliers), "offsets": _range(layer.offsets)}


@parameters.register
def _(layer: Lookup, fed: Values) -> dict[str, str]:
    return {"truth tables": f"{layer.tables.shape[1]} entries each"}


@parameters.register
def _(layer: Convolution, fed: Values) -> dict[str, str]:
    return _windows(layer, fed) | parameters(layer.neurons, layer.window(fed))


@parameters.register(MaxPool2d)
@parameters.register(SumPool2d)
def _(layer: MaxPool2d | SumPool2d, fed: Values) -> dict[str, str]:
    return _windows(layer, fed)


@parameters.register
def _(layer: Steps, fed: Values) -> dict[str, str]:
    codings = {"direct": "the whole frame in each", "split": "the next run of its bits in each"}
    return {"steps": f"{layer.steps}, {codings[layer.coding]} ({layer.coding})"}


@parameters.register
def _(layer: Spiking, fed: Values) -> dict[str, str]:
    found = {"inputs": _inputs(layer.sums, fed), "weights": _weights(layer.weights)}
    found["thresholds"] = _range(layer.thresholds)
    if layer.biases is not None:
        found["biases"] = _range(layer.biases)
    found["leak"] = "none"
    if layer.leak is not None:
        found["leak"] = f"1/{1 << layer.leak} a step (beta {1 - 2.0**-layer.leak:.5g})"
    found["reset"] = "to zero"
    if layer.reset == "subtract":
        taken = "the threshold" if layer.drops is None else _range(layer.drops)
        found["reset"] = f"by subtracting {taken}"
    found["fraction"] = counted(layer.fraction, "bit")
    held = membrane_widths(layer, fed.steps or 1)
    low, high = min(each.low for each in held), max(each.high for each in held)
    widths = np.array([each.width for each in held])
    found["membranes"] = f"{low} to {high}, {_range(widths)} bits each, {widths.sum()} in all"
    return found


@parameters.register
def _(layer: GroupSum, fed: Values) -> dict[str, str]:
    return {"groups": f"{layer.groups} of {counted(fed.count // layer.groups, 'bit')}"}


def spikes(network: Network, frames: IntArray) -> dict[str, str]:
    """Return in words how many neurons of each spiking layer spike in a step, by layer name.

    That is the average over ``frames``, the first :data:`COUNTED` of them.
    """
    names = [layer.name for layer in network.layers if isinstance(layer, Spiking)]
    if not names or not len(frames):
        return {}
    seen = frames[:COUNTED]
    values = golden.trace(network, seen)  # [frames, steps, neurons]
    over = f"a step, on average over {counted(len(seen), 'test frame')}"
    return {
        name: f"{values[name].sum(axis=2).mean():.1f} of {values[name].shape[2]} neurons {over}"
        for name in names
    }


def _features(layer: FirstLayer) -> str:
    sign = "signed" if layer.signed else "unsigned"
    return f"{layer.features} of {layer.feature_bits} bits, {sign}"


def _windows(layer: Windowed, fed: Values) -> dict[str, str]:
    found = {"kernel": _by(layer.kernel), "stride": _by(layer.stride), "padding": "none"}
    if any(layer.padding):
        what = "bit" if fed.is_bits else "value"
        found["padding"] = f"{_by(layer.padding)} of {what} {layer.pad_bit}"
    found["windows"] = _by(layer.grid(fed))
    return found


def _inputs(layer: Dense, fed: Values) -> str:
    """Return how what comes in counts."""
    if not fed.is_bits:
        return f"integers {fed.low} to {fed.high}"
    return "bits as -1 and +1 (bipolar)" if layer.inputs == "bipolar" else "bits (unipolar)"


def _weights(weights: IntArray) -> str:
    """Return how many bits the weights have, two's complement, and their range."""
    low, high = int(weights.min()), int(weights.max())
    return f"{Values((1,), min(low, -1), high).width} bits, {_range(weights)}"


def _thresholds(thresholds: IntArray | None) -> str:
    """Return how many thresholds a neuron or channel has, if several, and their range."""
    if thresholds is None:
        return "none"
    if thresholds.ndim == 1:
        return _range(thresholds)
    return f"{thresholds.shape[1]} each, {_range(thresholds)}"


def _range(numbers: IntArray) -> str:
    low, high = int(numbers.min()), int(numbers.max())
    return str(low) if low == high else f"{low} to {high}"


def _by(pair: tuple[int, int]) -> str:
    return f"{pair[0]} x {pair[1]}"
