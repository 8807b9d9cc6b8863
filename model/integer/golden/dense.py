"""Weighted sums executed, with thresholds and without."""

from typing import Any

import numpy as np
import numpy.typing as npt

from htaflow.model.integer.golden.kernel import Kernel, prepare
from htaflow.model.integer.golden.levels import levels_reached
from htaflow.model.integer.golden.planes import Planes, pack
from htaflow.model.integer.golden.popcount import at_least, exact_float, numbers, popcount_groups
from htaflow.model.integer.layers.base import IntArray, Values
from htaflow.model.integer.layers.dense import Dense


@prepare.register
def _(layer: Dense, incoming: Values) -> Kernel:
    if not incoming.is_bits:
        return weigh(layer, incoming.high)
    if layer.levels == 1:
        return _compare(layer)
    return sums(layer) if layer.thresholds is None else _count_levels(layer, layer.thresholds)


def weigh(layer: Dense, high: int) -> Kernel:
    """Return the kernel of a layer that sums numbers ``[..., in]`` from 0 to ``high``.

    It yields numbers ``[..., out]``, bits as 0 and 1 too.
    """
    exact = exact_float(layer, high)
    weights = layer.weights.T.astype(exact)

    def step(values: npt.NDArray[Any], count: int) -> npt.NDArray[Any]:
        sums = values.astype(exact, copy=False) @ weights
        if layer.thresholds is None:
            return np.asarray(sums.astype(np.int32))
        return levels_reached(sums, layer.thresholds)

    return step


def _count_levels(layer: Dense, thresholds: IntArray) -> Kernel:
    """Return the kernel of a layer of several levels fed with bits, ``[frames, out]``."""
    summed = sums(layer)

    def step(planes: npt.NDArray[Any], count: int) -> npt.NDArray[Any]:
        return levels_reached(summed(planes, count), thresholds)

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
