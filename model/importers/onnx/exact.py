"""Numbers of a graph as exact fractions."""

import math
from collections.abc import Iterable, Sequence
from fractions import Fraction
from typing import Any

import numpy as np
import numpy.typing as npt

Numbers = tuple[Fraction, ...]
"""One number for all channels, or one for each."""

_ROOT_BITS = 256


def exact(values: npt.ArrayLike) -> Numbers:
    """Return ``values``, flattened, as fractions: each is exactly what its float is."""
    return tuple(Fraction(float(value)) for value in np.asarray(values).reshape(-1))


def root(value: Fraction) -> Fraction:
    """Return the square root of ``value``: exact if it is rational, else to some 250 bits.

    A threshold that is no rational number lies between two integers either way.
    """
    numerator, denominator = math.isqrt(value.numerator), math.isqrt(value.denominator)
    if numerator**2 == value.numerator and denominator**2 == value.denominator:
        return Fraction(numerator, denominator)
    scale = 1 << _ROOT_BITS
    return Fraction(math.isqrt(value.numerator * scale**2 // value.denominator), scale)


def each(numbers: Numbers, channel: int) -> Fraction:
    """Return what holds for a channel."""
    return numbers[0] if len(numbers) == 1 else numbers[channel]


def combine(one: Numbers, other: Numbers, how: Any) -> Numbers:
    """Return ``how(a, b)`` for each channel."""
    size = max(len(one), len(other))
    return tuple(how(each(one, c), each(other, c)) for c in range(size))


def unified(numbers: Sequence[Fraction]) -> Numbers:
    """Return one number if all are equal, else all of them."""
    return tuple(numbers[:1] if len(set(numbers)) == 1 else numbers)


def repeated(numbers: Numbers, times: int) -> Numbers:
    """Return what holds if each channel becomes ``times`` channels."""
    if len(numbers) == 1:
        return numbers
    return tuple(number for number in numbers for _ in range(times))


def common_divisor(numbers: Iterable[Fraction]) -> Fraction:
    """Return the largest number of which all ``numbers`` are whole multiples, 0 if all are 0."""
    result = Fraction(0)
    for number in numbers:
        numerator = math.gcd(
            result.numerator * number.denominator, number.numerator * result.denominator
        )
        result = Fraction(numerator, result.denominator * number.denominator)
    return result
