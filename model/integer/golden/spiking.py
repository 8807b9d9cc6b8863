"""Spiking neurons executed: membranes of many frames, step after step."""

from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt

from htaflow.model.integer.golden.dense import sums
from htaflow.model.integer.golden.kernel import Kernel, prepare
from htaflow.model.integer.golden.planes import Planes, pack
from htaflow.model.integer.golden.popcount import NEURONS_AT_ONCE, slices
from htaflow.model.integer.layers.base import IntArray, Values
from htaflow.model.integer.layers.spiking import Spiking


@prepare.register
def _(layer: Spiking, incoming: Values) -> Kernel:
    """The spikes of every step, as planes ``[out, words]``."""
    steps = incoming.steps or 1
    # What all neurons sum in all steps, before anything fires, would take much memory.
    parts = [
        (part, sums(replace(layer.sums, weights=layer.weights[part])))
        for part in slices(len(layer.weights), NEURONS_AT_ONCE)
    ]

    def step(planes: npt.NDArray[Any], count: int) -> Planes:
        out = np.empty((len(layer.weights), planes.shape[1]), np.uint64)
        for part, summed in parts:
            by_step = summed(planes, count).T.reshape(len(out[part]), steps, -1)
            out[part] = pack(_spikes(layer, part, by_step).reshape(len(out[part]), -1))
        return out

    return step


def _spikes(layer: Spiking, neurons: slice, sums: IntArray) -> npt.NDArray[np.bool_]:
    """Return which of ``neurons`` spike in which step, as the docstring of ``layer`` says.

    ``sums`` are their ``acc``, ``[neurons, steps, frames]``, and so is the result.
    """
    currents = sums.astype(np.int64) << layer.fraction
    if layer.biases is not None:
        currents += layer.biases[neurons].astype(np.int64)[:, None, None]
    thresholds = layer.thresholds[neurons].astype(np.int64)[:, None]
    membranes = np.zeros_like(currents[:, 0])
    spiked = np.zeros(membranes.shape, np.bool_)
    fired = np.empty(currents.shape, np.bool_)
    for step in range(currents.shape[1]):
        membranes = layer.rest(membranes, spiked, neurons) + currents[:, step]
        spiked = fired[:, step] = membranes >= thresholds
    return fired
