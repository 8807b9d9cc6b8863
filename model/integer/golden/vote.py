"""Decisions executed: votes counted, and the class of the largest score."""

from typing import Any

import numpy as np
import numpy.typing as npt

from htaflow.model.integer.golden.kernel import Kernel, prepare
from htaflow.model.integer.golden.planes import as_rows
from htaflow.model.integer.golden.popcount import count_bits, numbers
from htaflow.model.integer.layers.base import IntArray, Values
from htaflow.model.integer.layers.vote import ArgMax, GroupSum


@prepare.register
def _(layer: GroupSum, incoming: Values) -> Kernel:
    """The popcount of each group, ``[frames, groups]``."""

    def step(planes: npt.NDArray[Any], count: int) -> IntArray:
        size = len(planes) // layer.groups
        members = planes.reshape(layer.groups, size, planes.shape[1]).transpose(1, 0, 2)
        return np.ascontiguousarray(numbers(count_bits(members), count).T)

    return step


@prepare.register
def _(layer: ArgMax, incoming: Values) -> Kernel:
    """The index of each frame's largest score, ``[frames, 1]``; scores of one bit are planes."""

    def step(scores: npt.NDArray[Any], count: int) -> IntArray:
        found = as_rows(scores, count).argmax(axis=1, keepdims=True)
        return np.asarray(found.astype(np.int32))

    return step
