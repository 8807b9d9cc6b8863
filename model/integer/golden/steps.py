"""Time steps executed: all frames of the first, padded to whole words, then of the second."""

from typing import Any

import numpy as np
import numpy.typing as npt

from htaflow.model.integer.golden.kernel import Kernel, prepare
from htaflow.model.integer.golden.planes import Planes, as_rows
from htaflow.model.integer.layers.base import IntArray, Values
from htaflow.model.integer.layers.steps import Accumulate, Steps


@prepare.register
def _(layer: Steps, incoming: Values) -> Kernel:
    """The planes of each step, one step's words after another's."""

    def step(planes: npt.NDArray[Any], count: int) -> Planes:
        if layer.coding == "direct":
            return np.tile(planes, (1, layer.steps))
        size, words = len(planes) // layer.steps, planes.shape[1]
        runs = planes.reshape(layer.steps, size, words).transpose(1, 0, 2)
        return np.ascontiguousarray(runs).reshape(size, layer.steps * words)

    return step


@prepare.register
def _(layer: Accumulate, incoming: Values) -> Kernel:
    """The sums over the steps, ``[frames, ...]``; some frames more, which fill a word."""
    steps = incoming.steps or 1

    def step(values: npt.NDArray[Any], count: int) -> IntArray:
        rows = as_rows(values, count)
        by_step = rows.reshape(steps, count // steps, *rows.shape[1:])
        return np.asarray(by_step.sum(axis=0, dtype=np.int32))

    return step
