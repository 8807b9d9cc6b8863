"""Spiking neurons executed: membranes of many frames, step after step."""

import numpy as np
import numpy.typing as npt

from htaflow.model.integer.network import IntArray, Spiking


def spikes(layer: Spiking, neurons: slice, sums: IntArray) -> npt.NDArray[np.bool_]:
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
