"""Every value that a membrane can have, as intervals."""

from typing import Any

import numpy as np
import numpy.typing as npt

from htaflow.model.integer.network import Spiking


def stays_within(layer: Spiking, steps: int, low: Any, high: Any) -> bool:
    """Follow every value that each membrane can have, for ``steps`` steps; return if all fit.

    Values are followed as intervals, of which there are few however wide a membrane is, and none is
    lost: whatever a leak leaves of an interval is an interval (:func:`_leaves_no_gap`), a reset
    moves it or takes it to 0, and what is added is taken to be any value in an interval. Only the
    threshold parts one.
    """
    if not _leaves_no_gap(layer):
        return False
    least, most = layer.currents
    for n in range(len(least)):
        bottom, top = int(low[n]), int(high[n])
        if not bottom <= 0 <= top:  # where a frame begins
            return False
        threshold = int(layer.thresholds[n])
        reached, spiked = np.zeros((1, 2), np.int64), np.zeros(1, np.bool_)
        for _ in range(steps):
            fired = np.repeat(spiked, 2)
            rest = layer.rest(reached.reshape(-1), fired, slice(n, n + 1)).reshape(-1, 2)
            found = _joined(rest + np.stack([least[n], most[n]]))
            if found[0, 0] < bottom or found[-1, 1] > top:
                return False
            silent, firing = found[found[:, 0] < threshold], found[found[:, 1] >= threshold]
            silent = np.minimum(silent, threshold - 1)
            firing = np.maximum(firing, threshold)
            reached = np.concatenate([silent, firing])
            spiked = np.arange(len(reached)) >= len(silent)
    return True


def _leaves_no_gap(layer: Spiking) -> bool:
    """Tell whether leak and reset take any interval of membranes to one with the same ends.

    It is so if of a membrane larger by 1 there is left as much, or 1 more. What a leak takes is 1
    more every ``2**leak`` membranes: so as many are tried, and all others behave as they do.
    """
    period = np.arange((1 << (layer.leak or 0)) + 1)
    for spiked in (False, True):
        rest = layer.rest(period, np.full(len(period), spiked), slice(0, 1))
        if not np.isin(np.diff(rest), (0, 1)).all():
            return False
    return True


def _joined(intervals: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    """Return ``intervals``, rows of least and most, ascending and as few as they can be."""
    found: list[list[int]] = []
    for first, last in sorted(intervals.tolist()):
        if found and first <= found[-1][1] + 1:
            found[-1][1] = max(found[-1][1], last)
        else:
            found.append([first, last])
    return np.array(found, np.int64)
