"""Truth tables executed."""

from typing import Any

import numpy as np
import numpy.typing as npt

from htaflow.model.integer.golden.kernel import Kernel, prepare
from htaflow.model.integer.golden.planes import ONES, Planes
from htaflow.model.integer.golden.popcount import NEURONS_AT_ONCE, slices
from htaflow.model.integer.layers.base import IntArray, Values
from htaflow.model.integer.layers.lookup import Lookup


@prepare.register
def _(layer: Lookup, incoming: Values) -> Kernel:
    """The bits of truth tables, as planes ``[out, words]``."""
    sources = layer.source.T

    def step(planes: npt.NDArray[Any], count: int) -> Planes:
        out = np.empty((len(layer.tables), planes.shape[1]), np.uint64)
        for part in slices(len(out), NEURONS_AT_ONCE):
            out[part] = look_up(layer.tables[part], planes[sources[:, part]])
        return out

    return step


def look_up(tables: IntArray, inputs: Planes) -> Planes:
    """Return the planes ``[out, words]`` of tables ``[out, 2**K]`` on inputs ``[K, out, words]``.

    The highest input selects between the halves of the table, and so on down to single entries.
    """
    return _select(np.where(tables, ONES, np.uint64(0)), inputs)


def _select(entries: Planes, inputs: Planes) -> Planes:
    """Do what :func:`look_up` does, on tables whose entries are whole words."""
    select: Planes = inputs[-1]
    half = entries.shape[1] // 2
    if half == 1:
        mixed: Planes = select & (entries[:, :1] ^ entries[:, 1:])
        mixed ^= entries[:, :1]
        return mixed
    low = _select(entries[:, :half], inputs[:-1])
    result = _select(entries[:, half:], inputs[:-1])
    result ^= low
    result &= select
    result ^= low
    return result
