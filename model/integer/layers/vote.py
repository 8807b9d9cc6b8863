"""Heads: scores by voting, and the class by comparing scores."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

from htaflow.model.integer.layers.base import IntArray, Layer, Values, bit_or_score
from htaflow.model.support.errors import abbreviate


@dataclass(frozen=True, eq=False)
class GroupSum(Layer):
    """Votes: ``score[c]`` is the popcount of the c-th of ``groups`` equal runs of bits."""

    groups: int

    type: ClassVar[str] = "GroupSum"
    noun = bit_or_score

    @property
    def fan_in(self) -> IntArray | None:
        """None: it has no neurons."""
        return None

    def wires_to(self, output: int, values: Values) -> list[tuple[int, int]]:
        """Return the bits of one group."""
        size = values.count // self.groups
        return [(output * size + bit, 1) for bit in range(size)]

    def output(self, values: Values) -> Values:
        """``[groups]`` scores from 0 to the size of a group."""
        return Values((self.groups,), 0, values.count // self.groups, values.steps)

    def problems(self, values: Values) -> Iterator[tuple[str, str]]:
        """The bits must divide evenly into groups."""
        if not values.is_bits:
            yield f"it is fed {values}, but counts bits", "put a layer that yields bits before it"
        if self.groups < 1 or values.count % self.groups:
            yield (
                f"{values.count} bits do not divide into {abbreviate(self.groups)} equal groups",
                "use a multiple of the number of classes",
            )


@dataclass(frozen=True, eq=False)
class ArgMax(Layer):
    """The index of the largest score; of equal scores the lowest index wins."""

    type: ClassVar[str] = "ArgMax"

    @property
    def fan_in(self) -> IntArray | None:
        """None: it has no neurons."""
        return None

    def wires_to(self, output: int, values: Values) -> list[tuple[int, int]]:
        """Return every score."""
        return [(score, 1) for score in range(values.count)]

    def noun(self, values: Values) -> str:
        """Return what a class is called, unless it is one of two and so a bit."""
        return "bit" if values.is_bits else "class"

    def output(self, values: Values) -> Values:
        """One class index."""
        return Values((1,), 0, values.count - 1)

    def problems(self, values: Values) -> Iterator[tuple[str, str]]:
        """There must be at least two scores to choose from."""
        if values.count < 2:
            yield f"it is fed {values.count} score", "give it at least two"
