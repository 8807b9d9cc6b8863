"""Neurons as truth tables."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import numpy.typing as npt

from htaflow.model.integer.layers.base import IntArray, Layer, Values, bit_or_score

MAX_LOOKUP_INPUTS = 6


@dataclass(frozen=True, eq=False)
class Lookup(Layer):
    """Neurons as truth tables: any function of a few bits, not only a threshold on their sum.

    ``bit[n] = tables[n, index[n]]`` with ``index[n] = sum_k bit[source[n, k]] << k``. ``source`` is
    ``[out, K]``, K at most 6; ``tables`` is ``[out, 2**K]`` of 0 and 1.
    """

    source: IntArray
    tables: IntArray

    type: ClassVar[str] = "Lookup"
    noun = bit_or_score

    @property
    def fan_in(self) -> IntArray:
        """Number of inputs of each neuron, ``[out]``."""
        return np.full(len(self.source), self.source.shape[1])

    def wires_to(self, output: int, values: Values) -> list[tuple[int, int]]:
        """Return the bits that a neuron looks at."""
        return [(source, 1) for source in self.source[output].tolist()]

    def output(self, values: Values) -> Values:
        """``[out]`` bits."""
        return Values((len(self.source),), 0, 1, values.steps)

    def reads(self, values: Values) -> npt.NDArray[np.bool_]:
        """Tell which inputs some neuron looks at."""
        used = np.zeros(values.count, np.bool_)
        used[self.source] = True
        return used

    def problems(self, values: Values) -> Iterator[tuple[str, str]]:
        """Sources must name bits that come in, tables must hold a bit for each of their values."""
        if not values.is_bits:
            yield f"it is fed {values}, but looks up bits", "put a layer that yields bits before it"
        if self.source.ndim != 2 or not 1 <= self.source.shape[1] <= MAX_LOOKUP_INPUTS:
            yield (
                f"source has shape {list(self.source.shape)}",
                f"use [out, K] with K from 1 to {MAX_LOOKUP_INPUTS}",
            )
            return
        neurons, inputs = self.source.shape
        if neurons == 0:
            yield "it has no neurons", "give at least one"
        if self.tables.shape != (neurons, 1 << inputs):
            yield (
                f"tables have shape {list(self.tables.shape)}",
                f"use [{neurons}, {1 << inputs}], one bit for each value of {inputs} inputs",
            )
            return
        for n in np.flatnonzero(((self.source < 0) | (self.source >= values.count)).any(axis=1)):
            yield (
                f"neuron {n}: it reads bits {self.source[n].tolist()} of {values.count}",
                f"use 0 to {values.count - 1}",
            )
        for n in np.flatnonzero(((self.tables != 0) & (self.tables != 1)).any(axis=1)):
            yield f"neuron {n}: its table holds more than 0 and 1", "give it bits"
