"""Functions of one number each, which do not fall or do not rise, and where they reach a level.

A step is applied to every value of a tensor, for each channel with its own numbers. What a chain of
steps does to an integer is asked backwards: for which integers is the result at least so large?
Everything is computed in fractions, so that no threshold is rounded.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from fractions import Fraction

from htaflow.model.importers.onnx.exact import Numbers, each, repeated


@dataclass(frozen=True)
class Bound:
    """The numbers from ``value`` on, or with ``below`` those up to it; ``strict`` leaves it out."""

    value: Fraction
    strict: bool = False
    below: bool = False

    def holds(self, number: Fraction) -> bool:
        """Return whether ``number`` is one of them."""
        if number == self.value:
            return not self.strict
        return (number < self.value) == self.below

    @property
    def complement(self) -> "Bound":
        """All other numbers."""
        return Bound(self.value, not self.strict, not self.below)

    @property
    def integer(self) -> int:
        """The least integer within, or with ``below`` the largest."""
        if self.below:
            return math.ceil(self.value) - 1 if self.strict else math.floor(self.value)
        return math.floor(self.value) + 1 if self.strict else math.ceil(self.value)


class Step:
    """Base of steps."""

    def back(self, bound: Bound, channel: int) -> Bound | bool:
        """Return for which numbers the result is within ``bound``; True for all, False for none."""
        raise NotImplementedError

    def forth(self, number: Fraction, channel: int) -> Fraction:
        """Return the result for ``number``."""
        raise NotImplementedError

    @property
    def size(self) -> int:
        """How many channels differ; 1 if all are alike."""
        return 1

    def spread(self, times: int) -> "Step":
        """Return the step if each channel becomes ``times`` channels."""
        return self


@dataclass(frozen=True)
class Affine(Step):
    """``scale * number + offset``."""

    scale: Numbers
    offset: Numbers

    def back(self, bound: Bound, channel: int) -> Bound | bool:
        """Divide; a negative scale turns the bound round, and one of 0 leaves a constant."""
        scale, offset = each(self.scale, channel), each(self.offset, channel)
        if scale == 0:
            return bound.holds(offset)
        return Bound((bound.value - offset) / scale, bound.strict, bound.below != (scale < 0))

    def forth(self, number: Fraction, channel: int) -> Fraction:
        """Multiply and add."""
        return each(self.scale, channel) * number + each(self.offset, channel)

    @property
    def size(self) -> int:
        """How many channels differ."""
        return max(len(self.scale), len(self.offset))

    def spread(self, times: int) -> Step:
        """Repeat the numbers of each channel."""
        return Affine(repeated(self.scale, times), repeated(self.offset, times))


@dataclass(frozen=True)
class Clamp(Step):
    """At least ``low`` and at most ``high``; None for no end."""

    low: Fraction | None = None
    high: Fraction | None = None

    def back(self, bound: Bound, channel: int) -> Bound | bool:
        """Return the bound itself, unless an end is within it, or the other is not."""
        near, far = (self.high, self.low) if bound.below else (self.low, self.high)
        if near is not None and bound.holds(near):
            return True
        if far is not None and not bound.holds(far):
            return False
        return bound

    def forth(self, number: Fraction, channel: int) -> Fraction:
        """Return the nearest number within the ends."""
        if self.low is not None:
            number = max(number, self.low)
        return number if self.high is None else min(number, self.high)


class Staircase(Step):
    """Base of steps whose results are integers."""

    def reaches(self, level: int, channel: int) -> Bound | bool:
        """Return for which numbers the result is at least ``level``."""
        raise NotImplementedError

    def back(self, bound: Bound, channel: int) -> Bound | bool:
        """Return where the first integer within the bound is reached, or is no longer."""
        if not bound.below:
            return self.reaches(bound.integer, channel)
        above = self.reaches(bound.integer + 1, channel)
        return not above if isinstance(above, bool) else above.complement


ROUNDING = ("ROUND", "HALF_EVEN", "HALF_UP", "HALF_DOWN", "CEIL", "FLOOR", "UP", "DOWN")
"""Modes, as QONNX calls them; ROUND is HALF_EVEN, and UP and DOWN are away from and towards 0."""


@dataclass(frozen=True)
class Round(Staircase):
    """To the nearest integer, or up or down, as ``mode``, one of :data:`ROUNDING`, says."""

    mode: str = "ROUND"

    def reaches(self, level: int, channel: int) -> Bound | bool:
        """Return the half before ``level``, or ``level`` itself, or what is above the one before.

        A half goes to the even neighbour, up, or away from or towards 0.
        """
        half = Fraction(2 * level - 1, 2)
        match self.mode:
            case "ROUND" | "HALF_EVEN":
                return Bound(half, strict=level % 2 == 1)
            case "HALF_UP":
                return Bound(half, strict=level <= 0)
            case "HALF_DOWN":
                return Bound(half, strict=level > 0)
            case "FLOOR":
                return Bound(Fraction(level))
            case "CEIL":
                return Bound(Fraction(level - 1), strict=True)
            case "DOWN":
                return Bound(Fraction(level)) if level > 0 else Bound(Fraction(level - 1), True)
            case "UP":
                return Bound(Fraction(level - 1), True) if level > 0 else Bound(Fraction(level))
        raise ValueError(f"no rounding mode {self.mode}")

    def forth(self, number: Fraction, channel: int) -> Fraction:
        """Round."""
        level = math.floor(number)
        bound = self.reaches(level + 1, channel)
        assert isinstance(bound, Bound)
        return Fraction(level + bound.holds(number))


@dataclass(frozen=True)
class Count(Staircase):
    """How many of a channel's ascending thresholds are reached.

    ``thresholds`` has one row for all channels, or one for each.
    """

    thresholds: tuple[Numbers, ...]
    strict: bool = False

    def row(self, channel: int) -> Numbers:
        """Return the thresholds of a channel."""
        return self.thresholds[0] if len(self.thresholds) == 1 else self.thresholds[channel]

    def reaches(self, level: int, channel: int) -> Bound | bool:
        """Return the threshold of ``level``."""
        row = self.row(channel)
        if not 0 < level <= len(row):
            return level <= 0
        return Bound(row[level - 1], self.strict)

    def forth(self, number: Fraction, channel: int) -> Fraction:
        """Count."""
        return Fraction(sum(Bound(one, self.strict).holds(number) for one in self.row(channel)))

    @property
    def size(self) -> int:
        """How many channels differ."""
        return len(self.thresholds)

    def spread(self, times: int) -> Step:
        """Repeat the row of each channel."""
        if len(self.thresholds) == 1:
            return self
        return replace(self, thresholds=tuple(r for r in self.thresholds for _ in range(times)))


@dataclass(frozen=True)
class Sign(Staircase):
    """0, 1 or 2 for numbers below, at or above 0."""

    def reaches(self, level: int, channel: int) -> Bound | bool:
        """Return 0, or what is above it."""
        if not 0 < level <= 2:
            return level <= 0
        return Bound(Fraction(0), strict=level == 2)

    def forth(self, number: Fraction, channel: int) -> Fraction:
        """Count."""
        return Fraction((number >= 0) + (number > 0))


def back(steps: Sequence[Step], bound: Bound, channel: int) -> Bound | bool:
    """Return for which numbers the result of ``steps`` is within ``bound``."""
    result: Bound | bool = bound
    for step in reversed(steps):
        if isinstance(result, bool):
            break
        result = step.back(result, channel)
    return result


def forth(steps: Sequence[Step], number: Fraction, channel: int) -> Fraction:
    """Return what ``steps`` make of ``number``."""
    for step in steps:
        number = step.forth(number, channel)
    return number
