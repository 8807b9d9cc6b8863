"""Windows of images executed: side by side they are but more frames."""

from typing import Any

import numpy as np
import numpy.typing as npt

from htaflow.model.integer.golden.kernel import Kernel, prepare
from htaflow.model.integer.golden.planes import ONES, Planes
from htaflow.model.integer.layers.base import Values
from htaflow.model.integer.layers.conv import Convolution
from htaflow.model.integer.layers.window import MaxPool2d, Windowed

_WORDS = 1024
"""Words of 64 frames at once: bounds memory, whatever the number of windows."""


@prepare.register
def _(layer: Convolution, incoming: Values) -> Kernel:
    neurons = prepare(layer.neurons, layer.window(incoming))
    return _over_windows(layer, incoming, neurons)


@prepare.register
def _(layer: MaxPool2d, incoming: Values) -> Kernel:
    """The OR of each channel in each window."""

    def largest(seen: npt.NDArray[Any], count: int) -> Planes:
        pixels = seen.reshape(incoming.shape[0], -1, seen.shape[1])
        return np.asarray(np.bitwise_or.reduce(pixels, axis=1))

    return _over_windows(layer, incoming, largest)


def _over_windows(layer: Windowed, values: Values, neurons: Kernel) -> Kernel:
    """Return the kernel that does ``neurons`` on each window of images ``values``."""
    taps = layer.taps(values).T  # [bits of a window, windows]
    pad = np.uint64(layer.pad_bit) * ONES

    def step(planes: npt.NDArray[Any], count: int) -> Planes:
        words = planes.shape[1]
        padded = np.concatenate([planes, np.full((1, words), pad)])
        at_once = max(1, _WORDS // max(1, words))
        found = []
        for start in range(0, taps.shape[1], at_once):
            seen = padded[taps[:, start : start + at_once]]  # [bits of a window, windows, words]
            bits = neurons(seen.reshape(len(seen), -1), 64 * seen.shape[1] * words)
            found.append(bits.reshape(len(bits), -1, words))
        channels = np.concatenate(found, axis=1)
        return channels.reshape(-1, words)

    return step
