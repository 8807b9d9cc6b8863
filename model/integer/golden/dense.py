"""Weighted sums executed, with thresholds and without."""

from typing import Any

import numpy as np
import numpy.typing as npt

from htaflow.model.integer.golden.kernel import Kernel, prepare
from htaflow.model.integer.golden.planes import Planes, pack
from htaflow.model.integer.golden.popcount import at_least, exact_float, numbers, popcount_groups
from htaflow.model.integer.layers.base import IntArray, Values
from htaflow.model.integer.layers.dense import Dense


@prepare.register
def _(layer: Dense, incoming: Values) -> Kernel:
    if not incoming.is_bits:
        return _weigh(layer, incoming.high)
    return sums(layer) if layer.thresholds is None else _compare(layer)


def _weigh(layer: Dense, high: int) -> Kernel:
    """Return the kernel of a layer that sums numbers ``[frames, in]`` from 0 to ``high``."""
    exact = exact_float(layer, high)
    weights = layer.weights.T.astype(exact)

    def step(values: npt.NDArray[Any], count: int) -> npt.NDArray[Any]:
        sums = values.astype(exact) @ weights
        if layer.thresholds is None:
            return np.asarray(sums.astype(np.int64))
        return pack((sums >= layer.thresholds).T)

    return step


def _compare(layer: Dense) -> Kernel:
    """Return the kernel of a thresholded layer, as planes ``[out, words]``."""
    thresholds = layer.popcount_thresholds
    groups = popcount_groups(layer)

    def step(planes: npt.NDArray[Any], count: int) -> Planes:
        out = np.empty((len(layer.weights), planes.shape[1]), np.uint64)
        for neurons, popcounts in groups:
            counted = popcounts(planes, count)
            needed = thresholds[neurons]
            if isinstance(counted, list):
                out[neurons] = at_least(counted, needed)
            else:
                out[neurons] = pack(counted >= needed[:, None])
        return out

    return step


def sums(layer: Dense) -> Kernel:
    """Return the kernel that sums the wires of each neuron, ``[frames, out]``."""
    groups = popcount_groups(layer)
    magnitude, negative = layer.magnitude.astype(np.int32), layer.negative.astype(np.int32)

    def step(planes: npt.NDArray[Any], count: int) -> IntArray:
        popcounts = np.empty((len(layer.weights), count), np.int32)
        for neurons, group in groups:
            counted = group(planes, count)
            popcounts[neurons] = numbers(counted, count) if isinstance(counted, list) else counted
        if layer.inputs == "bipolar":
            return np.asarray(2 * popcounts.T - magnitude)
        return np.asarray(popcounts.T - negative)

    return step
