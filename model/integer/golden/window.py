"""Windows of images executed: side by side they are but more frames."""

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt

from htaflow.model.integer.golden.dense import weigh
from htaflow.model.integer.golden.kernel import Kernel, prepare
from htaflow.model.integer.golden.planes import ONES, Planes, as_rows
from htaflow.model.integer.golden.popcount import exact_float
from htaflow.model.integer.layers.base import Values
from htaflow.model.integer.layers.conv import Conv2d, Convolution
from htaflow.model.integer.layers.window import MaxPool2d, SumPool2d, Windowed

_WORDS = 1024
"""Words of 64 frames at once, which bounds memory."""

_NUMBERS = 1 << 24
"""Numbers in windows at once, which bounds memory."""

_OnWindows = Callable[[npt.NDArray[Any]], npt.NDArray[Any]]
"""Windows ``[frames, windows, values of a window]`` to ``[frames, windows, channels]``."""


@prepare.register
def _(layer: Convolution, incoming: Values) -> Kernel:
    neurons = prepare(layer.neurons, layer.window(incoming))
    return _over_windows(layer, incoming, neurons)


@prepare.register
def _(layer: Conv2d, incoming: Values) -> Kernel:
    if incoming.is_bits:
        return _over_windows(layer, incoming, prepare(layer.neurons, layer.window(incoming)))
    neurons = weigh(layer.neurons, incoming.high)
    exact = exact_float(layer.neurons, incoming.high)
    return _over_number_windows(layer, incoming, lambda seen: neurons(seen, 0), exact)


@prepare.register
def _(layer: MaxPool2d, incoming: Values) -> Kernel:
    """The largest value, or of bits the OR, of each channel in each window."""
    if not incoming.is_bits:
        return _pool(layer, incoming, np.max)

    def largest(seen: npt.NDArray[Any], count: int) -> Planes:
        pixels = seen.reshape(incoming.shape[0], -1, seen.shape[1])
        return np.asarray(np.bitwise_or.reduce(pixels, axis=1))

    return _over_windows(layer, incoming, largest)


@prepare.register
def _(layer: SumPool2d, incoming: Values) -> Kernel:
    """The sum of each channel in each window."""
    return _pool(layer, incoming, np.sum)


def _pool(layer: Windowed, values: Values, reduce: Callable[..., npt.NDArray[Any]]) -> Kernel:
    """Return the kernel that reduces each channel of each window to one number."""
    channels = values.shape[0]

    def of_channels(seen: npt.NDArray[Any]) -> npt.NDArray[Any]:
        return reduce(seen.reshape(*seen.shape[:2], channels, -1), axis=3)

    return _over_number_windows(layer, values, of_channels, np.int32)


def _over_windows(layer: Windowed, values: Values, neurons: Kernel) -> Kernel:
    """Return the kernel that does ``neurons`` on each window of images of bits, ``values``."""
    taps = layer.taps(values).T  # [bits of a window, windows]
    pad = np.uint64(layer.pad_bit) * ONES

    def step(planes: npt.NDArray[Any], count: int) -> npt.NDArray[Any]:
        words = planes.shape[1]
        padded = np.concatenate([planes, np.full((1, words), pad)])
        at_once = max(1, _WORDS // max(1, words))
        found = []
        for start in range(0, taps.shape[1], at_once):
            seen = padded[taps[:, start : start + at_once]]  # [bits of a window, windows, words]
            some = neurons(seen.reshape(len(seen), -1), 64 * seen.shape[1] * words)
            if some.dtype == np.uint64:
                found.append(some.reshape(len(some), -1, words))
            else:  # numbers [windows * frames, channels]
                of_window = some.reshape(-1, 64 * words, some.shape[1])
                found.append(of_window[:, :count].transpose(2, 0, 1))
        channels = np.concatenate(found, axis=1)
        if channels.dtype == np.uint64:
            return channels.reshape(-1, words)
        return np.ascontiguousarray(channels.reshape(-1, count).T)

    return step


def _over_number_windows(
    layer: Windowed, values: Values, on_windows: _OnWindows, dtype: npt.DTypeLike
) -> Kernel:
    """Return the kernel that does ``on_windows`` on all windows of images of numbers, ``values``.

    The numbers that it is given are of ``dtype``.
    """
    taps = layer.taps(values)
    at_once = max(1, _NUMBERS // max(1, math.prod(taps.shape)))

    def step(images: npt.NDArray[Any], count: int) -> npt.NDArray[Any]:
        rows = as_rows(images, count)
        found = []
        for start in range(0, max(1, len(rows)), at_once):
            some = rows[start : start + at_once].astype(dtype)
            padding = np.full((len(some), 1), layer.pad_bit, dtype)
            seen = np.concatenate([some, padding], axis=1)[:, taps]
            channels = on_windows(seen).transpose(0, 2, 1)
            found.append(channels.reshape(len(some), -1))
        return np.concatenate(found)

    return step
