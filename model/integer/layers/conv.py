"""Convolutions: the same binary neurons over every window of an image."""

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import ClassVar, Literal

import numpy as np

from htaflow.model.integer.layers.base import IntArray, Values, bit_or_score
from htaflow.model.integer.layers.dense import Dense
from htaflow.model.integer.layers.lookup import Lookup
from htaflow.model.integer.layers.window import Windowed
from htaflow.model.integer.levels import levels_of
from htaflow.model.support.errors import abbreviate


@dataclass(frozen=True, eq=False)
class Convolution(Windowed):
    """Base of convolutions: ``neurons`` see each window, and yield a pixel's channels."""

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
        """Return which values of a window a channel's neuron has wires to, and their weights."""
        return self.neurons.wires_to(channel, window)

    def output(self, values: Values) -> Values:
        """An image with a channel for each neuron."""
        yielded = self.neurons.output(self.window(values))
        shape = (yielded.count, *self.grid(values))
        return replace(values, shape=shape, low=yielded.low, high=yielded.high)

    def problems(self, values: Values) -> Iterator[tuple[str, str]]:
        """There must be windows, and neurons that take them."""
        wrong = False
        for problem in super().problems(values):
            wrong = True
            yield problem
        if not wrong:
            yield from self.neurons.problems(self.window(values))


@dataclass(frozen=True, eq=False)
class Conv2d(Convolution):
    """Weighted sums of a window's values, with thresholds or without: a ``Dense`` over windows.

    ``weights`` is ``[out, channels / groups * kernel height * kernel width]``, each of at most 8
    bits, in the order of ``torch.nn.Conv2d.weight``; ``thresholds`` is as in a ``Dense``. Channels
    and neurons are divided into ``groups`` runs, as in PyTorch: neurons of the g-th see the g-th
    run of channels alone. For ``inputs="bipolar"`` a padding bit of 0 counts -1, for ``"unipolar"``
    0.
    """

    weights: IntArray
    thresholds: IntArray | None = None
    inputs: Literal["bipolar", "unipolar"] = "bipolar"
    groups: int = field(default=1, kw_only=True)

    type: ClassVar[str] = "Conv2d"
    noun = bit_or_score
    since_format_2: ClassVar[frozenset[str]] = frozenset({"groups"})

    @property
    def needs_format_2(self) -> bool:
        """Whether it has groups, several thresholds a neuron or none."""
        return levels_of(self.thresholds) != 1 or super().needs_format_2

    @cached_property
    def neurons(self) -> Dense:
        """The neurons that see each window; they have no wires to channels of other groups."""
        weights = self.weights
        if self.groups > 1:
            out, taps = weights.shape
            group = np.arange(out) * self.groups // out
            spread = np.zeros((out, self.groups, taps), weights.dtype)
            spread[np.arange(out), group] = weights
            weights = spread.reshape(out, -1)
        return Dense(self.name, weights, self.thresholds, self.inputs)

    def problems(self, values: Values) -> Iterator[tuple[str, str]]:
        """Weights must be those of the image's channels; else as for every convolution."""
        channels, pixels = values.shape[0], self.kernel[0] * self.kernel[1]
        if self.groups < 1 or channels % self.groups:
            what = f"{channels} channels do not divide into {abbreviate(self.groups)} groups"
            yield what, "use a divisor of the channels"
            return
        taps = channels // self.groups * pixels
        if self.weights.ndim == 2 and self.weights.shape[1] != taps and min(self.kernel) > 0:
            height, width = self.kernel
            yield (
                f"weights take {self.weights.shape[1]} inputs, but a window of "
                f"{channels // self.groups} channels x {height} x {width} has {taps} values",
                f"use weights of shape [{len(self.weights)}, {taps}]",
            )
            return
        if self.weights.ndim == 2 and len(self.weights) % self.groups:
            what = f"{len(self.weights)} neurons do not divide into {self.groups} groups"
            yield what, "use a multiple of the groups"
            return
        if self.weights.ndim != 2 and self.groups > 1:
            yield f"weights have shape {list(self.weights.shape)}", "use [out, in / groups]"
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
    noun = bit_or_score

    @property
    def neurons(self) -> Lookup:
        """The neurons that see each window."""
        return Lookup(self.name, self.source, self.tables)
