"""Weighted sums."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cached_property
from typing import ClassVar, Literal

import numpy as np
import numpy.typing as npt

from htaflow.model.integer.layers.base import (
    MAX_NUMBER_BITS,
    IntArray,
    Layer,
    Values,
    bit_or_score,
    fits,
)
from htaflow.model.integer.levels import level_problems, levels_of
from htaflow.model.support.errors import abbreviate

WEIGHT_BITS = 8
"""Most bits of a weight, two's complement."""


@dataclass(frozen=True, eq=False)
class Dense(Layer):
    """Weighted sums, compared with thresholds or left as integer scores.

    ``acc[n] = sum_i weights[n, i] * v[i]``, with v = 2 * bit - 1 for ``inputs="bipolar"`` (BNN)
    and v = bit for ``"unipolar"`` (DHN, SNN); ``bit[n] = acc[n] >= thresholds[n]``. Unipolar, v may
    also be an unsigned integer. ``weights`` is ``[out, in]``, each of at most 8 bits, a zero being
    no wire.

    ``thresholds`` is ``[out]``, or ``[out, levels]`` with at least two levels, ascending in each
    row: then the output is how many of them ``acc[n]`` reaches, 0 to ``levels``. Without
    thresholds ``acc`` is the output. A threshold may be one more than the largest possible sum:
    no input reaches it.
    """

    weights: IntArray
    thresholds: IntArray | None = None
    inputs: Literal["bipolar", "unipolar"] = "bipolar"

    type: ClassVar[str] = "Dense"
    noun = bit_or_score

    @property
    def needs_format_2(self) -> bool:
        """Whether it has several thresholds a neuron."""
        return self.levels > 1 or super().needs_format_2

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

    def wires_to(self, output: int, values: Values) -> list[tuple[int, int]]:
        """Return the inputs of a neuron whose weights are not zero, and those weights."""
        return weighted_wires(self.weights[output])

    @property
    def bounds(self) -> tuple[IntArray, IntArray]:
        """The least and the largest possible sum of each neuron on bits, ``[out]`` each."""
        return self.bounds_up_to(1)

    def bounds_up_to(self, high: int) -> tuple[IntArray, IntArray]:
        """Return the least and the largest possible sum of each neuron, ``[out]`` each.

        Inputs are 0 to ``high``; bipolar ones are bits.
        """
        positive = np.maximum(self.weights, 0).sum(axis=1, dtype=np.int64)
        negative = np.minimum(self.weights, 0).sum(axis=1, dtype=np.int64)
        if self.inputs == "unipolar":
            return negative * high, positive * high
        return negative - positive, positive - negative

    @property
    def is_ternary(self) -> bool:
        """Whether every weight is -1, 0 or 1."""
        return bool(self.weights.max() <= 1 and self.weights.min() >= -1)

    @property
    def magnitude(self) -> IntArray:
        """Sum of the weights' magnitudes of each neuron, ``[out]``."""
        return np.asarray(np.abs(self.weights.astype(np.int16)).sum(axis=1, dtype=np.int64))

    @property
    def negative(self) -> IntArray:
        """Sum of the magnitudes of each neuron's negative weights, ``[out]``."""
        return np.asarray(-np.minimum(self.weights, 0).sum(axis=1, dtype=np.int64))

    @property
    def popcount_thresholds(self) -> IntArray:
        """Smallest popcount (of XNORs of bit and weight sign) at which each neuron is 1, ``[out]``.

        Each XNOR counts as often as its weight's magnitude says. With K the sum of all magnitudes
        and M that of the negative weights (of ternary ones: the fan-in, and their number), ``acc =
        2 * popcount - K`` (bipolar) or ``popcount - M`` (unipolar). The result is within
        ``[0, K + 1]``; it is ``[out, levels]`` if the thresholds are.
        """
        if self.thresholds is None:
            raise ValueError(f"{self.name} has no thresholds")
        each = (-1, *[1] * (self.thresholds.ndim - 1))
        if self.inputs == "unipolar":
            return np.asarray(self.thresholds + self.negative.reshape(each))
        wanted = self.thresholds.astype(np.int64) + self.magnitude.reshape(each)
        return np.asarray(-(-wanted // 2))

    @property
    def levels(self) -> int:
        """The number of thresholds of each neuron; 0 if there are none."""
        return levels_of(self.thresholds)

    def on_bits(self, values: Values) -> "Dense":
        """Return the layer that sums the same from the bits of ``values``, low bits first.

        A value's bit k has 2**k times the weight; so the weights may have more than 8 bits.
        """
        if values.width == 1:
            return self
        places = 1 << np.arange(values.width, dtype=np.int64)
        spread = self.weights[:, :, None].astype(np.int64) * places
        weights = spread.reshape(len(self.weights), -1)
        return Dense(self.name, weights, self.thresholds, self.inputs)

    def output(self, values: Values) -> Values:
        """``[out]`` bits or levels, or ``[out]`` scores when there are no thresholds."""
        out = (len(self.weights),)
        if self.thresholds is not None:
            return Values(out, 0, self.levels, values.steps)
        low, high = self.bounds_up_to(values.high)
        return Values(out, int(low.min(initial=0)), int(high.max(initial=0)), values.steps)

    def reads(self, values: Values) -> npt.NDArray[np.bool_]:
        """Tell which inputs have a weight that is not zero."""
        return np.asarray(self.weights.any(axis=0))

    def problems(self, values: Values) -> Iterator[tuple[str, str]]:
        """Shapes must chain, weights fit 8 bits, fan-in be at least 1, thresholds reachable."""
        if self.inputs not in ("bipolar", "unipolar"):
            yield f"inputs is {abbreviate(self.inputs)}", "use 'bipolar' or 'unipolar'"
            return
        if values.signed or (self.inputs == "bipolar" and not values.is_bits):
            what = "bits" if self.inputs == "bipolar" else "unsigned integers"
            yield f"it is fed {values}, but sums {what}", "put a layer that yields bits before it"
        if self.weights.ndim != 2 or len(self.weights) == 0:
            yield f"weights have shape {list(self.weights.shape)}", "use [out, in], both at least 1"
            return
        if self.weights.shape[1] != values.count:
            if self.weights.size == 0:  # it may claim any number of neurons
                yield "weights take no inputs", f"use [out, {values.count}]"
                return
            yield (
                f"weights take {self.weights.shape[1]} inputs, but {values} come in",
                f"use weights of shape [{len(self.weights)}, {values.count}]",
            )
        half = 1 << (WEIGHT_BITS - 1)
        wide = (self.weights < -half) | (self.weights >= half)
        for n in np.flatnonzero(wide.any(axis=1)):
            i = int(np.argmax(wide[n]))
            yield (
                f"neuron {n}: weight {self.weights[n, i]} at input {i} is not in "
                f"{-half}..{half - 1}",
                f"use weights of at most {WEIGHT_BITS} bits",
            )
        for n in np.flatnonzero(self.fan_in == 0):
            yield f"neuron {n}: fan-in 0, every weight is zero", "remove it or give it an input"
        # Weights that are far too wide might not even sum to 64 bits.
        sane = replace(self, weights=np.where(wide, 0, self.weights)) if wide.any() else self
        low, high = sane.bounds_up_to(values.high)
        if not fits(int(low.min()), int(high.max())):
            what = f"its sums are {low.min()}..{high.max()}, more than {MAX_NUMBER_BITS} bits"
            yield what, "use fewer or smaller weights, or thresholds in the layer before"
            return
        if self.thresholds is None:
            return
        if self.thresholds.ndim == 1 and len(self.thresholds) != len(self.weights):
            yield (
                f"thresholds have shape {list(self.thresholds.shape)}",
                f"use [{len(self.weights)}], one a neuron",
            )
            return
        wrong = list(level_problems(self.thresholds, len(self.weights), "neuron"))
        yield from wrong
        if wrong:
            return
        rows = self.thresholds.reshape(len(self.weights), -1)
        off = (rows < low[:, None]) | (rows > high[:, None] + 1)
        for n in np.flatnonzero(off.any(axis=1)):
            if wide[n].any():
                continue  # what its sum is, is not known
            yield (
                f"neuron {n}: threshold {rows[n, np.argmax(off[n])]} is out of range",
                f"its sum is {low[n]}..{high[n]}: use {low[n]} (always 1) to "
                f"{high[n] + 1} (always 0)",
            )


def weighted_wires(weights: IntArray) -> list[tuple[int, int]]:
    """Return (index, weight) of the ``weights`` of one neuron that are not zero."""
    return [(int(source), int(weights[source])) for source in np.flatnonzero(weights)]
