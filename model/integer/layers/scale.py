"""Integers multiplied and shifted, each channel by its own constants."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import ClassVar

import numpy as np

from htaflow.model.integer.layers.base import (
    MAX_NUMBER_BITS,
    Elementwise,
    IntArray,
    Values,
    bit_or_score,
    fits,
)


@dataclass(frozen=True, eq=False)
class Scale(Elementwise):
    """``multipliers[c] * v[c] + offsets[c]``: integers of different scales and biases made alike.

    Both are ``[channels]``; a channel is one of flat values, or all pixels of a channel of an
    image. No multiplier is 0.
    """

    multipliers: IntArray
    offsets: IntArray

    type: ClassVar[str] = "Scale"
    dimensions: ClassVar[tuple[int, ...]] = (1, 3)
    noun = bit_or_score

    @property
    def needs_format_2(self) -> bool:
        """Format 1 has no such layer."""
        return True

    def ends(self, values: Values) -> tuple[IntArray, IntArray]:
        """Return the least and the largest value of each channel, ``[channels]`` each."""
        factors = self.multipliers.astype(np.int64)
        pair = np.stack([factors * values.low, factors * values.high]) + self.offsets
        return pair.min(axis=0), pair.max(axis=0)

    def output(self, values: Values) -> Values:
        """Integers of the same shape."""
        low, high = self.ends(values)
        return replace(values, low=int(low.min()), high=int(high.max()))

    def problems(self, values: Values) -> Iterator[tuple[str, str]]:
        """There must be two numbers for each channel, and results of few enough bits."""
        shape = values.shape[:1]
        for what in ("multipliers", "offsets"):
            numbers = getattr(self, what)
            if numbers.shape != shape:
                yield (
                    f"{what} have shape {list(numbers.shape)}",
                    f"use {list(shape)}, one a channel",
                )
                return
            half = 1 << (MAX_NUMBER_BITS - 1)
            if numbers.min() < -half or numbers.max() >= half:
                what = f"{what} are {numbers.min()}..{numbers.max()}"
                yield what, f"use at most {MAX_NUMBER_BITS} bits"
                return
        for c in np.flatnonzero(self.multipliers == 0):
            yield f"channel {c}: its multiplier is 0", "use another number"
        low, high = self.ends(values)
        if not fits(int(low.min()), int(high.max())):
            what = f"it yields {low.min()}..{high.max()}, more than {MAX_NUMBER_BITS} bits"
            yield what, "use smaller multipliers"
