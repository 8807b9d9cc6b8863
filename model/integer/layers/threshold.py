"""Integers as levels."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import ClassVar

import numpy as np

from htaflow.model.integer.layers.base import Elementwise, IntArray, Values, bit_or_score
from htaflow.model.integer.levels import level_problems, levels_of


@dataclass(frozen=True, eq=False)
class Threshold(Elementwise):
    """How many thresholds each integer reaches: ``level[c] = #{k: v[c] >= thresholds[c, k]}``.

    ``thresholds`` is ``[channels]`` or ``[channels, levels]``, ascending in each row. A channel is
    one of flat values, or all pixels of a channel of an image; a single row serves every channel.
    Any function that does not fall can be told like this, such as the quantisation of a feature.
    """

    thresholds: IntArray

    type: ClassVar[str] = "Threshold"
    dimensions: ClassVar[tuple[int, ...]] = (1, 3)
    noun = bit_or_score

    @property
    def needs_format_2(self) -> bool:
        """Format 1 has no such layer."""
        return True

    @property
    def levels(self) -> int:
        """The number of thresholds of each channel."""
        return levels_of(self.thresholds)

    def rows(self, channels: int) -> IntArray:
        """Return the thresholds of each of ``channels``, ``[channels, levels]``."""
        rows = self.thresholds.reshape(len(self.thresholds), -1)
        return np.broadcast_to(rows, (channels, rows.shape[1]))

    def output(self, values: Values) -> Values:
        """Levels of the same shape."""
        return replace(values, low=0, high=self.levels)

    def problems(self, values: Values) -> Iterator[tuple[str, str]]:
        """There must be a row for each channel, or one for all, within reach of what comes in."""
        rows = 1 if self.thresholds.shape[:1] == (1,) else values.shape[0]
        wrong = list(level_problems(self.thresholds, rows, "channel"))
        yield from wrong
        if wrong:
            return
        of_channel = self.thresholds.reshape(rows, -1)
        off = (of_channel < values.low) | (of_channel > values.high + 1)
        for c in np.flatnonzero(off.any(axis=1)):
            yield (
                f"channel {c}: threshold {of_channel[c, np.argmax(off[c])]} is out of range",
                f"{values} come in: use {values.low} (always reached) to {values.high + 1} (never)",
            )
