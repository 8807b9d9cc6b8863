"""Spiking neurons: weighted sums of bits, added up in a membrane from step to step."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar, Literal

import numpy as np
import numpy.typing as npt

from htaflow.model.integer.layers.base import IntArray, Layer, Values, bit_or_score
from htaflow.model.integer.layers.dense import Dense, weighted_wires
from htaflow.model.support.errors import BadInputError, abbreviate

MAX_LEAK = 15
MAX_FRACTION = 30
MAX_MEMBRANE_BITS = 32

RESETS = ("subtract", "zero")


def find_leak(beta: float) -> int | None:
    """Return the shift k of a leak that leaves ``beta = 1 - 2**-k``, ``None`` for no leak (1).

    Raises ``BadInputError`` for any other ``beta``; it names the nearest that would do.
    """
    known: dict[float, int | None] = {1 - 2.0**-k: k for k in range(1, MAX_LEAK + 1)}
    known[1.0] = None
    if beta not in known:
        nearest = min(known, key=lambda other: abs(other - beta))
        raise BadInputError(
            f"beta is {beta:g}, which no shift leaves of a membrane: it must be 1 - 2**-k with k "
            f"in 1..{MAX_LEAK}, or 1 for no leak; the nearest is {nearest:g}"
        )
    return known[beta]


@dataclass(frozen=True, eq=False)
class Spiking(Layer):
    """Leaky integrate-and-fire neurons, within the steps of a ``Steps``.

    In each step a neuron with membrane v, which is 0 before a frame's first step, does in order:

    1. leak: ``v = v - (v >> leak)``, the shift rounding towards minus infinity; not if ``leak`` is
       ``None`` (integrate-and-fire);
    2. reset, if it spiked in the step before: ``v = v - drops[n]`` (``reset="subtract"``) or
       ``v = 0`` (``"zero"``);
    3. integrate: ``v = v + (acc[n] << fraction) + biases[n]``, ``acc`` being the sum that a
       ``Dense`` of the same ``weights`` and ``inputs`` yields;
    4. fire: the output is the bit ``spike[n] = v >= thresholds[n]``.

    That is the order of snnTorch's ``Leaky``, with beta = 1 - 2**-leak. ``weights`` is
    ``[out, in]``, ``thresholds`` ``[out]`` of 1 or more. ``biases`` (by default 0) and ``drops``
    (by default the thresholds) are ``[out]``. Thresholds, biases and drops are in units of
    ``2**-fraction`` of a sum: with more ``fraction`` a leak loses less in rounding.
    """

    weights: IntArray
    thresholds: IntArray
    biases: IntArray | None = None
    drops: IntArray | None = None
    leak: int | None = None
    reset: Literal["subtract", "zero"] = "subtract"
    inputs: Literal["bipolar", "unipolar"] = "unipolar"
    fraction: int = 0

    type: ClassVar[str] = "Spiking"
    noun = bit_or_score

    @property
    def sums(self) -> Dense:
        """What yields ``acc``: a layer without thresholds."""
        return Dense(self.name, self.weights, None, self.inputs)

    def wires_to(self, output: int, values: Values) -> list[tuple[int, int]]:
        """Return the inputs of a neuron whose weights are not zero, and those weights."""
        return weighted_wires(self.weights[output])

    @property
    def fan_in(self) -> IntArray:
        """Number of nonzero weights of each neuron, ``[out]``."""
        return self.sums.fan_in

    @property
    def currents(self) -> tuple[IntArray, IntArray]:
        """The least and the largest that a step can add to each membrane, ``[out]`` each."""
        low, high = self.sums.bounds
        offset = np.int64(0) if self.biases is None else self.biases.astype(np.int64)
        return (low << self.fraction) + offset, (high << self.fraction) + offset

    @property
    def resets(self) -> IntArray:
        """What a spike takes from the membrane if reset by subtraction, ``[out]``."""
        return self.thresholds if self.drops is None else self.drops

    def rest(self, membranes: IntArray, spikes: npt.NDArray[np.bool_], neurons: slice) -> IntArray:
        """Return the membranes ``[neurons, ...]`` after leak and reset, before integration."""
        left = membranes if self.leak is None else membranes - (membranes >> self.leak)
        if self.reset == "zero":
            return np.where(spikes, 0, left)
        drops = self.resets[neurons].astype(np.int64)
        return np.asarray(left - spikes * drops.reshape(-1, *[1] * (membranes.ndim - 1)))

    def membranes(self, steps: int) -> tuple[IntArray, IntArray]:
        """Return the least and the largest that each membrane can be, ``[out]`` each.

        That is after integration, in any of ``steps`` steps and for any input; 0 is within.
        Sufficient because what a leak leaves does not fall when the membrane rises, so that leak
        and reset take an interval below the threshold, and one from it on, to what they take the
        ends to; and the sum's bounds are added to that.
        """
        least, most = self.currents
        threshold = self.thresholds.astype(np.int64)
        every, silent = slice(None), np.zeros(len(least), np.bool_)
        low, high = least, most
        reached = np.minimum(low, 0), np.maximum(high, 0)
        for _ in range(steps - 1):
            ends = []
            for some, first, last, spiked in (
                (low < threshold, low, np.minimum(high, threshold - 1), silent),
                (high >= threshold, np.maximum(low, threshold), high, ~silent),
            ):
                for end in (first, last):
                    ends.append((some, self.rest(end, spiked, every)))
            far = np.int64(1) << 62
            low = np.min([np.where(some, end, far) for some, end in ends], axis=0) + least
            high = np.max([np.where(some, end, -far) for some, end in ends], axis=0) + most
            wider = np.minimum(reached[0], low), np.maximum(reached[1], high)
            if np.abs(wider).max(initial=0) >> (MAX_MEMBRANE_BITS + 1):
                return wider  # too wide already, and more steps might not fit 64 bits
            reached = wider
        return reached

    def output(self, values: Values) -> Values:
        """``[out]`` bits in each step."""
        return Values((len(self.weights),), 0, 1, values.steps)

    def reads(self, values: Values) -> npt.NDArray[np.bool_]:
        """Tell which inputs have a weight that is not zero."""
        return self.sums.reads(values)

    def problems(self, values: Values) -> Iterator[tuple[str, str]]:
        """As for a ``Dense``; besides, steps to live in, and numbers that make sense."""
        if values.steps is None:
            yield "it has no steps to add up in", "put a Steps before it"
        if self.reset not in RESETS:
            yield f"reset is {abbreviate(self.reset)}", "use 'subtract' or 'zero'"
        if self.leak is not None and not 1 <= self.leak <= MAX_LEAK:
            yield (
                f"leak is {abbreviate(self.leak)}, no shift in 1..{MAX_LEAK}",
                f"use 1 (half is left) to {MAX_LEAK}, or none",
            )
        if not 0 <= self.fraction <= MAX_FRACTION:
            yield f"fraction is {abbreviate(self.fraction)}", f"use 0 to {MAX_FRACTION}"
        if not values.is_bits:
            yield f"it is fed {values}, but sums bits", "put a layer that yields bits before it"
            return
        wrong = list(self.sums.problems(values))
        yield from wrong
        if wrong:
            return
        shape = self.weights.shape[:1]
        sound = True
        for what in ("thresholds", "biases", "drops"):
            numbers = getattr(self, what)
            if numbers is not None and numbers.shape != shape:
                sound = False
                yield f"{what} have shape {list(numbers.shape)}", f"use {list(shape)}, one a neuron"
        if not sound:
            return
        for n in np.flatnonzero(self.thresholds < 1):
            yield (
                f"neuron {n}: threshold {self.thresholds[n]} makes it spike when nothing came in",
                "use 1 or more",
            )
        if self.drops is not None:
            if self.reset == "zero":
                yield "it has drops, but a spike sets the membrane to 0", "remove them"
            for n in np.flatnonzero(self.drops < 1):
                yield (
                    f"neuron {n}: a spike takes {self.drops[n]} from its membrane",
                    "use 1 or more",
                )
        if self.leak is None or 1 <= self.leak <= MAX_LEAK:
            yield from self._too_wide(values.steps or 1)

    def _too_wide(self, steps: int) -> Iterator[tuple[str, str]]:
        if self.reset not in RESETS or not 0 <= self.fraction <= MAX_FRACTION:
            return
        for numbers in (self.thresholds, self.resets, self.biases):
            if numbers is not None and np.abs(numbers.astype(np.int64)).max() >> MAX_MEMBRANE_BITS:
                yield (
                    "its thresholds, drops or biases do not fit a membrane",
                    f"use less than 2**{MAX_MEMBRANE_BITS}",
                )
                return
        low, high = self.membranes(steps)
        limit = 1 << (MAX_MEMBRANE_BITS - 1)
        for n in np.flatnonzero((low < -limit) | (high >= limit)):
            yield (
                f"neuron {n}: in {steps} steps its membrane can take more than "
                f"{MAX_MEMBRANE_BITS} bits",
                "use fewer steps, less fraction or a leak",
            )
