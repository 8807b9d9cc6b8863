"""Convolutions: the same binary neurons over every window of an image."""

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import ClassVar, Literal

from htaflow.model.integer.layers.base import IntArray, Values
from htaflow.model.integer.layers.dense import Dense
from htaflow.model.integer.layers.lookup import Lookup
from htaflow.model.integer.layers.window import Windowed
from htaflow.model.support.errors import abbreviate


@dataclass(frozen=True, eq=False)
class Convolution(Windowed):
    """Base of convolutions: ``neurons`` see each window, and their bits are a pixel's channels."""

    pad_bit: int = field(default=0, kw_only=True)

    @property
    def neurons(self) -> Dense | Lookup:
        """What sees each window: its name is the layer's."""
        raise NotImplementedError

    @property
    def fan_in(self) -> IntArray:
        """Number of inputs of each neuron, ``[out]``."""
        return self.neurons.fan_in

    def channel_wires(self, channel: int, window: Values) -> list[tuple[int, int]]:
        """Return which bits of a window a channel's neuron has wires to, and their weights."""
        return self.neurons.wires_to(channel, window)

    def output(self, values: Values) -> Values:
        """An image with a channel for each neuron."""
        (channels,) = self.neurons.output(self.window(values)).shape
        return replace(values, shape=(channels, *self.grid(values)))

    def problems(self, values: Values) -> Iterator[tuple[str, str]]:
        """There must be windows, and neurons that take them."""
        wrong = False
        for problem in super().problems(values):
            wrong = True
            yield problem
        if self.pad_bit not in (0, 1):
            yield f"its padding bit is {abbreviate(self.pad_bit)}", "use 0 or 1"
        if not wrong:
            yield from self.neurons.problems(self.window(values))


@dataclass(frozen=True, eq=False)
class Conv2d(Convolution):
    """Weighted sums of a window's bits, compared with thresholds: a ``Dense`` over windows.

    ``weights`` is ``[out, channels * kernel height * kernel width]``, each of at most 8 bits, in
    the order of a window's bits, which is that of ``torch.nn.Conv2d.weight``; ``thresholds`` is
    ``[out]``.
    For ``inputs="bipolar"`` a padding bit of 0 counts -1, for ``"unipolar"`` 0.
    """

    weights: IntArray
    thresholds: IntArray
    inputs: Literal["bipolar", "unipolar"] = "bipolar"

    type: ClassVar[str] = "Conv2d"

    @property
    def neurons(self) -> Dense:
        """The neurons that see each window."""
        return Dense(self.name, self.weights, self.thresholds, self.inputs)

    def problems(self, values: Values) -> Iterator[tuple[str, str]]:
        """Weights must be those of the image's channels; else as for every convolution."""
        bits = self.window(values).count
        if self.weights.ndim == 2 and self.weights.shape[1] != bits and min(self.kernel) > 0:
            height, width = self.kernel
            yield (
                f"weights take {self.weights.shape[1]} inputs, but a window of {values.shape[0]} "
                f"channels x {height} x {width} has {bits} bits",
                f"use weights of shape [{len(self.weights)}, {bits}]",
            )
            return
        yield from super().problems(values)


@dataclass(frozen=True, eq=False)
class LookupConv2d(Convolution):
    """Truth tables of a few of a window's bits: a ``Lookup`` over windows.

    ``source`` is ``[out, K]``, K at most 6, indices of a window's bits; ``tables`` is
    ``[out, 2**K]`` of 0 and 1.
    """

    source: IntArray
    tables: IntArray

    type: ClassVar[str] = "LookupConv2d"

    @property
    def neurons(self) -> Lookup:
        """The neurons that see each window."""
        return Lookup(self.name, self.source, self.tables)
