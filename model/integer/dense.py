"""Weighted sums of bits."""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import ClassVar, Literal

import numpy as np
import numpy.typing as npt

from htaflow.model.integer.layer import IntArray, Layer, Values


@dataclass(frozen=True, eq=False)
class Dense(Layer):
    """Weighted sums of bits, compared with thresholds or left as integer scores.

    ``acc[n] = sum_i weights[n, i] * v[i]``, with v = 2 * bit - 1 for ``inputs="bipolar"`` (BNN)
    and v = bit for ``"unipolar"`` (DHN, SNN); ``bit[n] = acc[n] >= thresholds[n]``.
    ``weights`` is ``[out, in]`` in {-1, 0, +1}, a zero being no wire; ``thresholds`` is ``[out]``
    or ``None``, and then ``acc`` is the output. A threshold may be one more than the largest
    possible sum: that neuron is always 0.
    """

    weights: IntArray
    thresholds: IntArray | None = None
    inputs: Literal["bipolar", "unipolar"] = "bipolar"

    type: ClassVar[str] = "Dense"

    @property
    def wires(self) -> tuple[IntArray, IntArray]:
        """Where the weights are not zero: neurons, ascending, and their inputs, ascending."""
        flat = self.weights.reshape(-1)
        if flat.dtype != np.int8 or flat.size % 8:
            rows, columns = np.nonzero(self.weights)
            return rows, columns
        # Sparse layers are mostly zeros, which are passed over eight at a time.
        some = np.flatnonzero(flat.view(np.uint64))
        word, byte = np.nonzero(flat.reshape(-1, 8)[some])
        rows, columns = np.divmod(some[word] * 8 + byte, self.weights.shape[1])
        return rows, columns

    @cached_property
    def fan_in(self) -> IntArray:
        """Number of nonzero weights of each neuron, ``[out]``."""
        return np.bincount(self.wires[0], minlength=len(self.weights))

    @property
    def bounds(self) -> tuple[IntArray, IntArray]:
        """The least and the largest possible sum of each neuron, ``[out]`` each."""
        positive = np.maximum(self.weights, 0).sum(axis=1, dtype=np.int64)
        negative = np.minimum(self.weights, 0).sum(axis=1, dtype=np.int64)
        if self.inputs == "unipolar":
            return negative, positive
        return negative - positive, positive - negative

    @property
    def popcount_thresholds(self) -> IntArray:
        """Smallest popcount (of XNORs of bit and weight sign) at which each neuron is 1, ``[out]``.

        With K = fan-in and M = number of negative weights, ``acc = 2 * popcount - K`` (bipolar)
        or ``popcount - M`` (unipolar). The result is within ``[0, K + 1]``.
        """
        if self.thresholds is None:
            raise ValueError(f"{self.name} has no thresholds")
        if self.inputs == "unipolar":
            negative = np.count_nonzero(self.weights < 0, axis=1)
            return np.asarray(self.thresholds + negative)
        return np.asarray(-((-self.thresholds.astype(np.int64) - self.fan_in) // 2))

    def output(self, values: Values) -> Values:
        """``[out]`` bits, or ``[out]`` scores when there are no thresholds."""
        out = (len(self.weights),)
        if self.thresholds is not None:
            return Values(out, 0, 1, values.steps)
        low, high = self.bounds
        return Values(out, int(low.min(initial=0)), int(high.max(initial=0)), values.steps)

    def reads(self, values: Values) -> npt.NDArray[np.bool_]:
        """Tell which inputs have a weight that is not zero."""
        return np.asarray(self.weights.any(axis=0))

    def problems(self, values: Values) -> Iterator[tuple[str, str]]:
        """Shapes must chain, weights be ternary, fan-in at least 1, thresholds reachable."""
        if self.inputs not in ("bipolar", "unipolar"):
            yield f"inputs is '{self.inputs}'", "use 'bipolar' or 'unipolar'"
            return
        if not values.is_bits:
            yield f"it is fed {values}, but sums bits", "put a layer that yields bits before it"
        if self.weights.ndim != 2 or len(self.weights) == 0:
            yield f"weights have shape {list(self.weights.shape)}", "use [out, in], both at least 1"
            return
        if self.weights.shape[1] != values.count:
            yield (
                f"weights take {self.weights.shape[1]} inputs, but {values.count} bits come in",
                f"use weights of shape [{len(self.weights)}, {values.count}]",
            )
        for n in np.flatnonzero((np.abs(self.weights) > 1).any(axis=1)):
            i = int(np.argmax(np.abs(self.weights[n]) > 1))
            yield (
                f"neuron {n}: weight {self.weights[n, i]} at input {i} is not -1, 0 or 1",
                "binarise the weights",
            )
        for n in np.flatnonzero(self.fan_in == 0):
            yield f"neuron {n}: fan-in 0, every weight is zero", "remove it or give it an input"
        if self.thresholds is None:
            return
        if self.thresholds.shape != self.weights.shape[:1]:
            yield (
                f"thresholds have shape {list(self.thresholds.shape)}",
                f"use [{len(self.weights)}], one a neuron",
            )
            return
        low, high = self.bounds
        for n in np.flatnonzero((self.thresholds < low) | (self.thresholds > high + 1)):
            yield (
                f"neuron {n}: threshold {self.thresholds[n]} is out of range",
                f"its sum is {low[n]}..{high[n]}: use {low[n]} (always 1) to "
                f"{high[n] + 1} (always 0)",
            )
