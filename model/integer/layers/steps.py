"""Time: a frame as several steps, and their sum as one frame again."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import ClassVar, Literal

from htaflow.model.integer.layers.base import Elementwise, IntArray, Layer, Values, bit_or_score
from htaflow.model.support.errors import abbreviate

MAX_STEPS = 1024


@dataclass(frozen=True, eq=False)
class Steps(Layer):
    """A frame of bits, presented in ``steps`` steps to the layers that follow.

    With ``coding="direct"`` every step is the whole frame. With ``"split"`` the frame is ``steps``
    equal runs of bits and step t is the t-th: an encoder with other thresholds for each run gives
    a code that changes with time, such as a rate code. Up to the next ``Accumulate``, every layer
    computes once a step; only a ``Spiking`` remembers from step to step, and never from frame to
    frame.
    """

    steps: int
    coding: Literal["direct", "split"] = "direct"

    type: ClassVar[str] = "Steps"
    noun = bit_or_score

    @property
    def fan_in(self) -> IntArray | None:
        """None: it has no neurons."""
        return None

    def wires_to(self, output: int, values: Values) -> list[tuple[int, int]]:
        """Return what an output is in one step after another."""
        outputs = self.output(values).count
        return [(source, 1) for source in range(output, values.count, outputs)]

    def output(self, values: Values) -> Values:
        """The incoming bits, or one run of them, in each step."""
        if self.coding == "direct":
            return replace(values, steps=self.steps)
        return Values((values.count // self.steps,), values.low, values.high, self.steps)

    def problems(self, values: Values) -> Iterator[tuple[str, str]]:
        """There must be at least one step, and bits; runs must be equal."""
        if not values.is_bits:
            yield f"it is fed {values}, but presents bits", "put it after a layer that yields bits"
        if values.steps is not None:
            yield "it is within the steps of another Steps", "remove it"
        if not 1 <= self.steps <= MAX_STEPS:
            yield f"it has {abbreviate(self.steps)} steps", f"use 1 to {MAX_STEPS}"
            return
        if self.coding not in ("direct", "split"):
            yield f"coding is {abbreviate(self.coding)}", "use 'direct' or 'split'"
        elif self.coding == "split" and values.count % self.steps:
            yield (
                f"{values.count} bits do not divide into {self.steps} equal steps",
                "use a multiple of the number of steps",
            )


@dataclass(frozen=True, eq=False)
class Accumulate(Elementwise):
    """The sum of each value over the steps of a frame: of spikes, the spike count."""

    type: ClassVar[str] = "Accumulate"
    noun = bit_or_score

    def output(self, values: Values) -> Values:
        """The shape of one step."""
        steps = values.steps or 1
        return Values(values.shape, steps * values.low, steps * values.high)

    def problems(self, values: Values) -> Iterator[tuple[str, str]]:
        """Report a missing Steps layer."""
        if values.steps is None:
            yield "there are no steps to sum over", "put a Steps before it, or remove it"
