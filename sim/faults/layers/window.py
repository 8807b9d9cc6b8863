"""Faults of layers that look at an image through a window."""

from dataclasses import replace

import numpy as np

from htaflow.hw.layers.window import Windows
from htaflow.model.integer.network import (
    Conv2d,
    Convolution,
    LookupConv2d,
    MaxPool2d,
    Values,
    Windowed,
)
from htaflow.sim.faults.layers.lookup import tables
from htaflow.sim.faults.layers.operators import Change, Draw, Operators, Site, operators
from htaflow.sim.faults.layers.transfers import (
    Surroundings,
    Transfers,
    image,
    joined,
    transfers,
)
from htaflow.sim.faults.layers.weights import WEIGHTS


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


def padding(fed: Values) -> Operators:
    """Return the fault of a convolution that pads with another value of ``fed``."""

    def other(rng: np.random.Generator, layer: Convolution) -> Site | None:
        if not any(layer.padding):
            return None
        return {"to": fed.high if layer.pad_bit != fed.high else fed.low}

    return {"padding bit": (other, lambda layer, at: replace(layer, pad_bit=at["to"]))}


_POOL = ("wire dropped", "threshold one up")


def _of_pool(draw: Draw, change: Change, channels: int) -> tuple[Draw, Change]:
    """Return the fault of a convolution as one of a pooling."""
    return (
        lambda rng, layer: draw(rng, _as_convolution(layer, channels)),
        lambda layer, at: change(_as_convolution(layer, channels), at),
    )


@operators.register
def _(layer: Conv2d, fed: Values) -> Operators:
    return WEIGHTS | padding(fed)


@operators.register
def _(layer: LookupConv2d, fed: Values) -> Operators:
    return tables(layer.window(fed).count) | padding(fed)


@operators.register
def _(layer: MaxPool2d, fed: Values) -> Operators:
    if not fed.is_bits:  # the largest of numbers is no sum
        return {}
    return {kind: _of_pool(*WEIGHTS[kind], fed.shape[0]) for kind in _POOL}


@transfers.register
def _(part: Windows, taken: Transfers, around: Surroundings) -> Transfers:
    layer, fed = around.layers[part.name], around.fed[part.name]
    assert isinstance(layer, Windowed)
    numbers = image(taken, fed.width)
    numbers.append([layer.pad_bit >> place & 1 for place in range(fed.width)])
    return [joined(numbers[tap] for tap in window) for window in layer.taps(fed).tolist()]
