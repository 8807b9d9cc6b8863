"""Scaling executed."""

from typing import Any

import numpy as np
import numpy.typing as npt

from htaflow.model.integer.golden.kernel import Kernel, prepare
from htaflow.model.integer.golden.planes import as_rows
from htaflow.model.integer.layers.base import IntArray, Values
from htaflow.model.integer.layers.scale import Scale


@prepare.register
def _(layer: Scale, incoming: Values) -> Kernel:
    """The scaled numbers, ``[frames, count]``; a channel's values follow one another."""
    each = incoming.count // incoming.shape[0]
    factors = np.repeat(layer.multipliers.astype(np.int64), each)
    shifts = np.repeat(layer.offsets.astype(np.int64), each)

    def step(values: npt.NDArray[Any], count: int) -> IntArray:
        return np.asarray(as_rows(values, count) * factors + shifts)

    return step
