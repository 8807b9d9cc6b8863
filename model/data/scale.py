"""Numbers with fractions as integer features, and back.

Of each feature, ``level = floor((value - offset) / step + 0.5)``, in double precision, clipped to
0..2^bits - 1; and ``value = offset + level * step``. Scaling what this gives yields the same level
again. Offset and step come from the training data alone: its least value is level 0, its largest
the highest one. A feature of whole numbers that have levels enough is moved, not scaled: its step
is 1. Values outside the range of the training data become the lowest or the highest level.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from htaflow.model.integer.network import IntArray
from htaflow.model.support.errors import BadInputError

LARGEST = 1e30
"""What the numbers that are scaled must stay below, up or down."""

_PART = 1 << 20  # numbers scaled at once: as float64 they may take eight times the memory


@dataclass(frozen=True, eq=False)
class Scale:
    """Offset and step of each feature, float64 ``[features]``, for levels of ``bits`` bits."""

    bits: int
    offset: npt.NDArray[np.float64]
    step: npt.NDArray[np.float64]

    @property
    def high(self) -> int:
        """The highest level; the lowest is 0."""
        return (1 << self.bits) - 1

    def encode(self, values: npt.ArrayLike) -> IntArray:
        """Return the levels of ``values``, ``[N, features]``, as int32 of the same shape.

        Raises ``BadInputError`` for a value that is not finite.
        """
        return self.encode_and_count(values)[0]

    def encode_and_count(self, values: npt.ArrayLike) -> tuple[IntArray, int]:
        """Return what :meth:`encode` does, and how many values were clipped."""
        given = np.asarray(values)
        levels = np.empty(given.shape, np.int32)
        clipped = 0
        rows = max(1, _PART // max(1, len(self.offset)))
        for start in range(0, len(given), rows):
            part = given[start : start + rows].astype(np.float64)
            if not np.isfinite(part).all():
                raise BadInputError("a value to be scaled is not finite; replace it")
            with np.errstate(over="ignore"):
                exact = np.floor((part - self.offset) / self.step + 0.5)
            clipped += int(np.count_nonzero((exact < 0) | (exact > self.high)))
            levels[start : start + rows] = np.clip(exact, 0, self.high)
        return levels, clipped

    def decode(self, levels: npt.ArrayLike) -> npt.NDArray[np.float64]:
        """Return the values that ``levels``, ``[N, features]``, stand for."""
        found: npt.NDArray[np.float64] = self.offset + np.asarray(levels) * self.step
        return found


def fit_scale(x_train: npt.NDArray[Any], bits: int, shared: int = 1) -> Scale:
    """Return the scale that takes the range of each feature of ``x_train`` to ``bits`` bits.

    Args:
        x_train: finite numbers ``[N, features]`` below :data:`LARGEST`.
        bits: of a level, 1 or more.
        shared: how many neighbouring features, such as the pixels of a channel, share a scale.
    """
    groups = (-1, shared)
    low = x_train.min(axis=0).reshape(groups).min(axis=1).astype(np.float64)
    high = x_train.max(axis=0).reshape(groups).max(axis=1).astype(np.float64)
    whole = _whole(x_train).reshape(groups).all(axis=1)
    levels = (1 << bits) - 1
    # Below this, neighbouring levels would not be told apart beside the offset.
    least = 8 * np.spacing(np.maximum(abs(low), abs(high)))
    step = np.where(whole & (high - low <= levels), 1.0, (high - low) / levels)
    step = np.maximum(np.where(high > low, step, 1.0), least)
    return Scale(bits, np.repeat(low, shared), np.repeat(step, shared))


def _whole(x: npt.NDArray[Any]) -> npt.NDArray[np.bool_]:
    """Return which features, ``[features]``, have whole numbers only."""
    found = np.ones(x.shape[1], np.bool_)
    if x.dtype.kind == "f":
        rows = max(1, _PART // max(1, x.shape[1]))
        for start in range(0, len(x), rows):
            part = x[start : start + rows]
            found &= (part == np.floor(part)).all(axis=0)
    return found
