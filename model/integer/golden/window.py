"""Convolution and pooling in golden: windows side by side are but more frames."""

from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt

from htaflow.model.integer.network import Values, Windowed

Planes = npt.NDArray[np.uint64]
WindowKernel = Callable[[npt.NDArray[Any], int], npt.NDArray[Any]]
"""As in :mod:`htaflow.model.integer.golden`: (bit planes, number of frames) to bit planes."""

_WORDS = 1024
"""Words of 64 frames at once: bounds memory, whatever the number of windows."""


def over_windows(layer: Windowed, values: Values, neurons: WindowKernel) -> WindowKernel:
    """Return the step that does ``neurons`` on each window of images ``values``."""
    taps = layer.taps(values).T  # [bits of a window, windows]
    pad = np.uint64(layer.pad_bit) * ~np.uint64(0)

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


def pool(layer: Windowed, values: Values) -> WindowKernel:
    """Return the step that takes the OR of each channel in each window of images ``values``."""

    def largest(seen: npt.NDArray[Any], count: int) -> Planes:
        pixels = seen.reshape(values.shape[0], -1, seen.shape[1])
        return np.asarray(np.bitwise_or.reduce(pixels, axis=1))

    return over_windows(layer, values, largest)
