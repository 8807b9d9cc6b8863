"""Exact folding: a batch normalisation and a step become one integer threshold.

A neuron outputs ``[scale * (acc - mean) / sqrt(variance) + shift >= 0]`` for an integer sum
``acc``. Every number here is rational (a float is one) except the square root, which is compared by
squaring; so no rounding can change a bit.
"""

from bisect import bisect_left
from dataclasses import dataclass
from fractions import Fraction


@dataclass(frozen=True)
class Normalisation:
    """What batch normalisation does to one neuron's sum, in exact numbers.

    ``variance`` is above 0 and includes the normalisation's epsilon.
    """

    mean: Fraction
    variance: Fraction
    scale: Fraction
    shift: Fraction

    def fires(self, acc: int) -> bool:
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
