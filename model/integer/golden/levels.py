"""Thresholds executed: how many of them numbers reach."""

from typing import Any

import numpy as np
import numpy.typing as npt

from htaflow.model.integer.golden.kernel import Kernel, prepare
from htaflow.model.integer.golden.planes import as_rows
from htaflow.model.integer.layers.base import IntArray, Values
from htaflow.model.integer.layers.threshold import Threshold

_FEW = 12
"""Up to this many levels, comparing with each beats searching."""


def levels_reached(numbers: npt.NDArray[Any], thresholds: IntArray) -> npt.NDArray[np.uint8]:
    """Return how many ``thresholds``, ``[out, levels]`` or ``[out]``, ``numbers`` reach.

    ``numbers`` is ``[..., out]``, and so is the result.
    """
    rows = thresholds.reshape(len(thresholds), -1)
    if rows.shape[1] <= _FEW:
        reached = np.zeros(numbers.shape, np.uint8)
        for k in range(rows.shape[1]):
            reached += numbers >= rows[:, k].astype(numbers.dtype)
        return reached
    flat = numbers.reshape(-1, len(rows))
    reached = np.empty(flat.shape, np.uint8)
    for n, row in enumerate(rows):
        reached[:, n] = np.searchsorted(row, flat[:, n], side="right")
    return reached.reshape(numbers.shape)


@prepare.register
def _(layer: Threshold, incoming: Values) -> Kernel:
    """The levels of numbers, ``[frames, count]``; a channel's values follow one another."""
    channels = incoming.shape[0]
    thresholds = layer.rows(channels)

    def step(values: npt.NDArray[Any], count: int) -> npt.NDArray[np.uint8]:
        rows = as_rows(values, count)
        by_channel = np.moveaxis(rows.reshape(len(rows), channels, -1), 1, 2)
        reached = levels_reached(by_channel.astype(np.int32), thresholds)
        return np.ascontiguousarray(np.moveaxis(reached, 2, 1)).reshape(rows.shape)

    return step
