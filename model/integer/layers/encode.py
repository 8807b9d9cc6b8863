"""The first layer of an integer network, which takes a frame's features."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

from htaflow.model.integer.layers.base import IntArray, Layer, Values, bit_or_score, outside
from htaflow.model.support.errors import abbreviate

MAX_FEATURE_BITS = 16
MAX_FEATURES = 1 << 20
"""Features of a frame, at most."""


@dataclass(frozen=True, eq=False)
class FirstLayer(Layer):
    """What takes a frame: ``features`` integers of ``feature_bits`` bits, signed or not."""

    features: int
    feature_bits: int
    signed: bool

    @property
    def fan_in(self) -> IntArray | None:
        """None: it has no neurons."""
        return None

    @property
    def input(self) -> Values:
        """The frame that the network takes."""
        if self.signed:
            half = 1 << (self.feature_bits - 1)
            return Values((self.features,), -half, half - 1)
        return Values((self.features,), 0, (1 << self.feature_bits) - 1)

    def frame_problems(self) -> Iterator[tuple[str, str]]:
        """Yield what is wrong with the frame, and what to do."""
        if not 1 <= self.feature_bits <= MAX_FEATURE_BITS:
            what = f"features have {abbreviate(self.feature_bits)} bits"
            yield what, f"use 1 to {MAX_FEATURE_BITS}"
        if not 1 <= self.features <= MAX_FEATURES:
            yield f"a frame has {abbreviate(self.features)} features", f"use 1 to {MAX_FEATURES}"


@dataclass(frozen=True, eq=False)
class Encode(FirstLayer):
    """Integer features to bits, by comparison with constants.

    ``bit[j] = feature[source[j]] >= threshold[j]``. One threshold a feature is a binarisation;
    several are a thermometer. Features are in two's complement if ``signed``. ``source`` and
    ``threshold`` have shape ``[bits]``. A threshold of one more than the largest feature value
    gives a bit that is always 0.
    """

    source: IntArray
    threshold: IntArray

    type: ClassVar[str] = "Encode"
    noun = bit_or_score

    def wires_to(self, output: int, values: Values) -> list[tuple[int, int]]:
        """Return the feature that a bit compares."""
        return [(int(self.source[output]), 1)]

    def output(self, values: Values) -> Values:
        """``[bits]`` bits."""
        return Values((len(self.source),), 0, 1)

    def problems(self, values: Values) -> Iterator[tuple[str, str]]:
        """Sources must name features, thresholds must be in the range of a feature."""
        wrong = list(self.frame_problems())
        if wrong:
            yield from wrong
            return
        if self.source.ndim != 1 or self.source.shape != self.threshold.shape:
            yield (
                f"source {list(self.source.shape)} and threshold {list(self.threshold.shape)} "
                "must be two lists of the same length",
                "give each bit one feature and one threshold",
            )
            return
        if len(self.source) == 0:
            yield "it yields no bits", "give at least one threshold"
        for j in outside(self.source, 0, self.features - 1):
            yield (
                f"bit {j} reads feature {self.source[j]} of {self.features}",
                f"use 0 to {self.features - 1}",
            )
        low, high = self.input.low, self.input.high
        for j in outside(self.threshold, low, high + 1):
            yield (
                f"bit {j}: threshold {self.threshold[j]} is out of range",
                f"use {low} to {high + 1}, the range of a feature",
            )
