"""Images: how flat values become one, and an image flat values again.

An image is ``(channels, height, width)``, as in PyTorch, and its flat order is PyTorch's: value
``(c * height + y) * width + x`` is channel c of the pixel in row y, column x.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import ClassVar

from htaflow.model.integer.layers.base import Elementwise, Values, bit_or_score
from htaflow.model.support.errors import abbreviate


@dataclass(frozen=True, eq=False)
class Unflatten(Elementwise):
    """Flat values as an image of ``shape`` (channels, height, width); no value changes."""

    shape: tuple[int, int, int]

    type: ClassVar[str] = "Unflatten"
    noun = bit_or_score

    def output(self, values: Values) -> Values:
        """The same values, an image."""
        return replace(values, shape=self.shape)

    def problems(self, values: Values) -> Iterator[tuple[str, str]]:
        """The image must have as many values as come in."""
        if min(self.shape) < 1:
            what = f"its image has shape {abbreviate(list(self.shape))}"
            yield what, "use at least 1 of everything"
        elif Values(self.shape, 0, 1).count != values.count:
            size = "x".join(map(abbreviate, self.shape))
            yield (
                f"an image of {size} values does not hold {values.count}",
                "use channels x height x width = the number of values",
            )


@dataclass(frozen=True, eq=False)
class Flatten(Elementwise):
    """An image as flat values: channel 0 first, in it row 0, in it column 0; no value changes."""

    type: ClassVar[str] = "Flatten"
    dimensions: ClassVar[tuple[int, ...]] = (3,)
    noun = bit_or_score

    def output(self, values: Values) -> Values:
        """The same values, flat."""
        return replace(values, shape=(values.count,))

    def problems(self, values: Values) -> Iterator[tuple[str, str]]:
        """Every image can be flattened."""
        yield from ()
