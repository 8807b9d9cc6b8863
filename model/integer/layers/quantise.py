"""Features that enter a network as the integers that they are."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

from htaflow.model.integer.layers.base import Elementwise, Values
from htaflow.model.integer.layers.encode import FirstLayer
from htaflow.model.support.errors import abbreviate


@dataclass(frozen=True, eq=False)
class Quantise(FirstLayer, Elementwise):
    """Integer features to unsigned integers of at most as many bits, by dropping low ones.

    ``value[f] = (feature[f] - low) >> (feature_bits - bits)``, low being the least feature value:
    0, or ``-2**(feature_bits - 1)`` if ``signed``. In hardware that is each feature's top ``bits``
    bits, the sign bit inverted.
    """

    bits: int

    type: ClassVar[str] = "Quantise"

    def noun(self, values: Values) -> str:
        """Return what a feature of which some bits are kept is called."""
        return f"{self.bits}-bit integer"

    def output(self, values: Values) -> Values:
        """``[features]`` integers of ``bits`` bits."""
        return Values((self.features,), 0, (1 << self.bits) - 1)

    def problems(self, values: Values) -> Iterator[tuple[str, str]]:
        """The frame must be one, and have the bits that are kept."""
        wrong = list(self.frame_problems())
        yield from wrong
        if not wrong and not 1 <= self.bits <= self.feature_bits:
            yield (
                f"it keeps {abbreviate(self.bits)} bits of features of {self.feature_bits}",
                f"use 1 to {self.feature_bits}",
            )
