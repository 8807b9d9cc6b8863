"""Levels: how many of a row of ascending thresholds a sum reaches."""

from collections.abc import Iterator

import numpy as np

from htaflow.model.integer.layers.base import IntArray

MAX_LEVELS = 255
"""Thresholds of one neuron or channel, at most: an output has at most 8 bits."""


def levels_of(thresholds: IntArray | None) -> int:
    """Return how many thresholds each row has: 1 for ``[out]``, 0 for ``None``."""
    if thresholds is None:
        return 0
    return 1 if thresholds.ndim == 1 else int(thresholds.shape[1])


def level_problems(thresholds: IntArray, rows: int, what: str) -> Iterator[tuple[str, str]]:
    """Yield (what is wrong, what to do) with ``thresholds``, ``[rows]`` or ``[rows, levels]``.

    ``what`` is what has a row, as "neuron".
    """
    shape = list(thresholds.shape)
    if thresholds.ndim not in (1, 2) or thresholds.shape[0] != rows:
        yield (
            f"thresholds have shape {shape}",
            f"use [{rows}], one a {what}, or [{rows}, levels]",
        )
        return
    if thresholds.ndim == 1:
        return
    if not 2 <= thresholds.shape[1] <= MAX_LEVELS:
        yield (
            f"thresholds have shape {shape}",
            f"use [{rows}] for one level, [{rows}, levels] for 2 to {MAX_LEVELS}",
        )
        return
    for n in np.flatnonzero((np.diff(thresholds.astype(np.int64), axis=1) < 0).any(axis=1)):
        k = int(np.argmax(np.diff(thresholds[n].astype(np.int64)) < 0))
        yield (
            f"{what} {n}: threshold {k + 1}, {thresholds[n, k + 1]}, is below threshold {k}, "
            f"{thresholds[n, k]}",
            "sort them, the lowest first",
        )
