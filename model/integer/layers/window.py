"""Layers that slide a window over an image: what they have in common, and pooling."""

import math
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import ClassVar

import numpy as np
import numpy.typing as npt

from htaflow.model.integer.layers.base import IntArray, Layer, Values, bit_or_score
from htaflow.model.support.errors import abbreviate

MAX_REACH = 1 << 16
"""Pixels of a kernel, a stride or a padding in one direction, at most."""

MAX_TAPS = 1 << 25
"""Values that all windows on an image see together, at most."""


@dataclass(frozen=True, eq=False)
class Windowed(Layer):
    """Base of layers that look at an image through a window; all pairs are (height, width).

    ``padding`` pixels are added on each side, every channel of them ``pad_bit``, an integer in the
    image's range; then windows of ``kernel`` pixels are taken, ``stride`` apart, as many as fit.
    Values of a window are ordered as PyTorch's ``unfold`` orders them: value
    ``(c * kernel_height + y) * kernel_width + x``.
    """

    kernel: tuple[int, int]
    stride: tuple[int, int] = field(default=(1, 1), kw_only=True)
    padding: tuple[int, int] = field(default=(0, 0), kw_only=True)

    dimensions: ClassVar[tuple[int, ...]] = (3,)
    pad_bit = 0

    def grid(self, values: Values) -> tuple[int, int]:
        """Return how many windows there are, (rows, columns), on an image."""
        rows, columns = (
            (size + 2 * pad - kernel) // stride + 1
            for size, pad, kernel, stride in zip(
                values.shape[1:], self.padding, self.kernel, self.stride, strict=True
            )
        )
        return rows, columns

    def window(self, values: Values) -> Values:
        """Return one window of an image, as flat values."""
        count = values.shape[0] * self.kernel[0] * self.kernel[1]
        return Values((count,), values.low, values.high)

    def taps(self, values: Values) -> IntArray:
        """Return which value of the image each value of each window is.

        ``[windows, values of a window]``, windows row by row; ``values.count`` stands for padding.
        """
        channels, *size = values.shape
        (kernel_height, kernel_width), (rows, columns) = self.kernel, self.grid(values)
        image = np.arange(values.count).reshape(channels, *size)
        pads = [(0, 0), *((pad, pad) for pad in self.padding)]
        image = np.pad(image, pads, constant_values=values.count)
        y = self.stride[0] * np.arange(rows)[:, None] + np.arange(kernel_height)
        x = self.stride[1] * np.arange(columns)[:, None] + np.arange(kernel_width)
        # [channels, rows, columns, kernel height, kernel width]
        taps = image[:, y[:, None, :, None], x[None, :, None, :]]
        return taps.transpose(1, 2, 0, 3, 4).reshape(rows * columns, -1)

    def wires_to(self, output: int, values: Values) -> list[tuple[int, int]]:
        """Return the values of the image that one of its channels sees in one window."""
        taps = self.taps(values)
        channel, window = divmod(output, len(taps))
        wires = self.channel_wires(channel, self.window(values))
        found = [(int(taps[window, bit]), weight) for bit, weight in wires]
        return [wire for wire in found if wire[0] < values.count]  # the others are padding's

    def channel_wires(self, channel: int, window: Values) -> list[tuple[int, int]]:
        """Return which values of a window one of its channels sees: by default its own."""
        pixels = self.kernel[0] * self.kernel[1]
        return [(channel * pixels + bit, 1) for bit in range(pixels)]

    def reads(self, values: Values) -> npt.NDArray[np.bool_]:
        """Tell which values of the image are in some window."""
        used = np.zeros(values.count + 1, np.bool_)
        used[self.taps(values)] = True
        return used[:-1]

    def problems(self, values: Values) -> Iterator[tuple[str, str]]:
        """There must be a window, and none of nothing but padding."""
        if not values.low <= self.pad_bit <= values.high:
            yield (
                f"its padding is {abbreviate(self.pad_bit)}, but {values} come in",
                f"use {values.low} to {values.high}",
            )
        for what, pair, least in (
            ("kernel", self.kernel, 1),
            ("stride", self.stride, 1),
            ("padding", self.padding, 0),
        ):
            if min(pair) < least or max(pair) > MAX_REACH:
                fix = f"use at least {least}, at most {MAX_REACH}"
                yield f"its {what} is {abbreviate(list(pair))}", fix
                return
        if any(pad >= kernel for pad, kernel in zip(self.padding, self.kernel, strict=True)):
            yield (
                f"padding {list(self.padding)} is not below the kernel {list(self.kernel)}: some "
                "windows would be nothing but padding",
                "use less padding",
            )
        elif min(self.grid(values)) < 1:
            padded = [
                size + 2 * pad for size, pad in zip(values.shape[1:], self.padding, strict=True)
            ]
            yield (
                f"a kernel of {_by(self.kernel)} does not fit an image of {_by(padded)}, padding "
                "included: there is no window",
                "use a smaller kernel, more padding, or less stride and pooling before it",
            )
        elif self._work(values) > MAX_TAPS:
            yield (
                f"its windows see {self._work(values)} values of an image, padding included, and "
                f"{MAX_TAPS} is the most",
                "use a smaller image or kernel, or more stride",
            )

    def _work(self, values: Values) -> int:
        """Return how many values all windows have, or the padded image if that has more."""
        rows, columns = self.grid(values)
        padded = (size + 2 * pad for size, pad in zip(values.shape[1:], self.padding, strict=True))
        seen = rows * columns * self.window(values).count
        return max(seen, values.shape[0] * math.prod(padded))


@dataclass(frozen=True, eq=False)
class MaxPool2d(Windowed):
    """The largest value of each channel in each window; of bits that is their OR.

    Padding is 0, and so changes nothing.
    """

    type: ClassVar[str] = "MaxPool2d"
    noun = bit_or_score

    @property
    def fan_in(self) -> IntArray | None:
        """None: it has no neurons."""
        return None

    def output(self, values: Values) -> Values:
        """An image of as many channels."""
        return replace(values, shape=(values.shape[0], *self.grid(values)))

    def problems(self, values: Values) -> Iterator[tuple[str, str]]:
        """As for every window; besides, what comes in must be unsigned, for padding is 0."""
        yield from super().problems(values)
        if values.signed:
            what = f"it is fed {values}, but compares unsigned integers"
            yield what, "put a layer with thresholds before it"


@dataclass(frozen=True, eq=False)
class SumPool2d(Windowed):
    """The sum of each channel in each window: an average, but for the division.

    A threshold on the sum does what one on the average would, times the window's pixels. Padding
    is 0.
    """

    type: ClassVar[str] = "SumPool2d"
    noun = bit_or_score

    @property
    def fan_in(self) -> IntArray | None:
        """None: it has no neurons."""
        return None

    @property
    def needs_format_2(self) -> bool:
        """Format 1 has no such layer."""
        return True

    def output(self, values: Values) -> Values:
        """An image of as many channels."""
        pixels = self.kernel[0] * self.kernel[1]
        shape = (values.shape[0], *self.grid(values))
        return replace(values, shape=shape, low=pixels * values.low, high=pixels * values.high)


def _by(pair: tuple[int, ...] | list[int]) -> str:
    return " x ".join(map(str, pair))
