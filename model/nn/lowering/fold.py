"""Exact folding: a batch normalisation and a step become one integer threshold.

A neuron outputs ``[scale * (acc - mean) / sqrt(variance) + shift >= 0]`` for an integer sum
``acc``. Every number here is rational (a float is one) except the square root, which is compared by
squaring; so no rounding can change a bit. Whole layers are folded in floating point where its error
bound leaves no doubt, and by the exact numbers where it does.
"""

from bisect import bisect_left
from dataclasses import dataclass
from fractions import Fraction

import numpy as np
import numpy.typing as npt

from htaflow.model.integer.network import IntArray

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Normalisation:
    """What batch normalisation does to one neuron's sum, in exact numbers.

    ``variance`` is above 0 and includes the normalisation's epsilon.
    """

    mean: Fraction
    variance: Fraction
    scale: Fraction
    shift: Fraction

    @classmethod
    def of(
        cls, mean: float, variance: float, epsilon: float, scale: float, shift: float
    ) -> "Normalisation":
        """Return the normalisation with these floats, each the number that it is."""
        total = Fraction(variance) + Fraction(epsilon)
        return cls(Fraction(mean), total, Fraction(scale), Fraction(shift))

    def fires(self, acc: int | Fraction) -> bool:
        """Whether ``scale * (acc - mean) / sqrt(variance) + shift >= 0``, decided exactly."""
        # Multiplied by the root, which is positive: left + shift * root >= 0.
        left = self.scale * (acc - self.mean)
        if left >= 0 and self.shift >= 0:
            return True
        if left < 0 and self.shift < 0:
            return False
        squares = left * left - self.shift * self.shift * self.variance
        return squares >= 0 if left >= 0 else squares <= 0

    @property
    def negated(self) -> "Normalisation":
        """The same decision as a function of ``-acc``."""
        return Normalisation(-self.mean, self.variance, -self.scale, self.shift)


def fold(normalisation: Normalisation, low: int, high: int) -> tuple[int, bool]:
    """Return the (threshold, flip) that decide as ``normalisation`` for each sum in [low, high].

    Without flip, the neuron fires exactly when ``acc >= threshold``, and the threshold is within
    ``[low, high + 1]``. With flip, it fires exactly when ``-acc >= threshold``: the weights are to
    be negated, and the threshold is within ``[-high, -low + 1]``. A scale of 0 gives a constant.
    """
    flip = normalisation.scale < 0
    if flip:
        normalisation, low, high = normalisation.negated, -high, -low
    sums = range(low, high + 1)
    return low + bisect_left(sums, True, key=normalisation.fires), flip


def fold_layer(
    mean: Floats,
    variance: Floats,
    epsilon: float,
    scale: Floats,
    shift: Floats,
    low: IntArray,
    high: IntArray,
) -> tuple[IntArray, npt.NDArray[np.bool_]]:
    """Return the (thresholds, flips) that :func:`fold` returns for each neuron of a layer.

    All arrays are ``[neurons]``; the numbers are finite, and ``variance + epsilon`` is above 0.
    """
    flips = scale < 0
    ends = np.where(flips, -high, low), np.where(flips, -low, high) + 1
    with np.errstate(all="ignore"):  # what overflows or divides by 0 is found to be in doubt
        product = shift * np.sqrt(variance + epsilon)
        moved = product / scale
        border = mean - moved
        # Each of the five roundings errs by at most 2**-53 of its result, and so all of them by
        # less than this, unless a number was too small to be held in full.
        margin = (np.abs(mean) + np.abs(moved)) * 2.0**-49
        whole = ((shift == 0) | (np.abs(product) > 1e-290)) & (
            (moved == 0) | (np.abs(moved) > 1e-290)
        )
        certain = whole & (np.abs(border - np.rint(border)) > margin)
        found = np.ceil(np.where(flips, -border, border))
        thresholds = np.clip(np.where(certain, found, 0), *ends).astype(np.int64)
    for n in np.flatnonzero(~certain).tolist():
        exact = Normalisation.of(mean[n], variance[n], epsilon, scale[n], shift[n])
        thresholds[n], _ = fold(exact, int(low[n]), int(high[n]))
    return thresholds, flips
