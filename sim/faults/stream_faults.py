# amaranth: UnusedElaboratable=no
# A core may be made only to be looked at, or to have a part exchanged.
"""Parts of a core with a fault at their streams: what a bench must be able to tell from right ones.

A tampered part wraps the right one, under its name and with its ports; what is wrong happens
between the two. So it fits every part that Amaranth describes.
"""

from collections.abc import Callable
from typing import TypeVar

from amaranth.hdl import Cat, ClockDomain, ClockSignal, DomainRenamer, Module, Signal, Value

from htaflow.hw.layers.encode import BeatEncoder, FrameEncoder
from htaflow.hw.stream.component import LayerComponent
from htaflow.sim.faults.layers import Surroundings, Transfers, transfers

_Bit = TypeVar("_Bit")

PERIOD = 8
"""One beat in this many is dropped or doubled."""


class Tampered(LayerComponent):
    """``inner`` with a fault: base of all; by itself it changes nothing.

    Parameters:
        inner: the right part.

    Members: those of ``inner``.
    """

    def __init__(self, inner: LayerComponent) -> None:
        self.inner = inner
        self.pipelines = inner.pipelines
        self.known = inner.known
        taken, yielded = inner.input.payload.shape(), inner.output.payload.shape()
        super().__init__(inner.name, taken, yielded, drops=inner.drops)

    @property
    def modules(self) -> dict[str, str]:
        """Verilog of the modules that ``inner`` instantiates, by name."""
        return self.inner.modules

    def elaborate(self, platform: object) -> Module:
        """Put the right part in, and the fault around it."""
        m = Module()
        m.submodules.inner = self.place(m)
        inner = self.inner
        wires: dict[str, tuple[Signal, Value]] = {
            "taken": (inner.input.payload, self.input.payload),
            "taken_valid": (inner.input.valid, self.input.valid),
            "taken_ready": (self.input.ready, inner.input.ready),
            "yielded": (self.output.payload, inner.output.payload),
            "yielded_valid": (self.output.valid, inner.output.valid),
            "yielded_ready": (inner.output.ready, self.output.ready),
        }
        if self.drops:
            wires["dropped"] = (self.dropped, inner.dropped)
        faults = self.tamper(m)
        for name, (sink, source) in wires.items():
            m.d.comb += sink.eq(faults.get(name, source))
        return m

    def place(self, m: Module) -> object:
        """Return the submodule that is put in."""
        return self.inner

    def tamper(self, m: Module) -> dict[str, Value]:
        """Return what drives a wire of ``elaborate`` in place of what should."""
        return {}


class Swapped(Tampered):
    """Two bits of what it yields stand in each other's place."""

    def __init__(self, inner: LayerComponent, one: int, other: int) -> None:
        super().__init__(inner)
        self._pair = {one: other, other: one}

    def swap(self, bits: list[_Bit]) -> list[_Bit]:
        """Return ``bits`` as they leave it."""
        return [bits[self._pair.get(at, at)] for at in range(len(bits))]

    def tamper(self, m: Module) -> dict[str, Value]:
        """See :class:`Tampered`."""
        payload = self.inner.output.payload
        return {"yielded": Cat(self.swap([payload[at] for at in range(len(payload))]))}


@transfers.register
def _(part: Swapped, taken: Transfers, around: Surroundings) -> Transfers:
    return [part.swap(bits) for bits in transfers(part.inner, taken, around)]


class StallIgnored(Tampered):
    """It goes on although nothing took what it yielded."""

    def tamper(self, m: Module) -> dict[str, Value]:
        """See :class:`Tampered`."""
        return {"yielded_ready": Value.cast(1)}


class ValidIgnored(Tampered):
    """It takes what is not offered."""

    def tamper(self, m: Module) -> dict[str, Value]:
        """See :class:`Tampered`."""
        return {"taken_valid": Value.cast(1)}


class ValidFalls(Tampered):
    """What it yields is withdrawn after a cycle in which it was not taken."""

    def tamper(self, m: Module) -> dict[str, Value]:
        """See :class:`Tampered`."""
        waited = _waited(m, self)
        valid = self.inner.output.valid
        return {"yielded_valid": valid & ~waited, "yielded_ready": self.output.ready | waited}


class DataNotHeld(Tampered):
    """What it yields changes while it waits to be taken."""

    def tamper(self, m: Module) -> dict[str, Value]:
        """See :class:`Tampered`."""
        payload = self.inner.output.payload
        return {"yielded": payload ^ _waited(m, self).replicate(len(payload))}


class BeatDropped(Tampered):
    """One beat in :data:`PERIOD` is taken and lost."""

    def tamper(self, m: Module) -> dict[str, Value]:
        """See :class:`Tampered`."""
        turn = _turn(m, self.input.valid & self.input.ready)
        return {
            "taken_valid": self.input.valid & ~turn,
            "taken_ready": self.inner.input.ready | turn,
        }


class BeatDoubled(Tampered):
    """One beat in :data:`PERIOD` is taken twice."""

    def tamper(self, m: Module) -> dict[str, Value]:
        """See :class:`Tampered`."""
        turn = _turn(m, self.inner.input.valid & self.inner.input.ready)
        return {"taken_ready": self.inner.input.ready & ~turn}


class ResetIgnored(Tampered):
    """Reset does not reach it: what it held and counted stays."""

    def place(self, m: Module) -> object:
        """See :class:`Tampered`."""
        m.domains.unreset = domain = ClockDomain(reset_less=False, local=True)
        m.d.comb += [domain.clk.eq(ClockSignal()), domain.rst.eq(0)]
        return DomainRenamer("unreset")(self.inner)


class ValidAfterReset(Tampered):
    """Reset leaves it valid: a beat of nothing comes first."""

    def tamper(self, m: Module) -> dict[str, Value]:
        """See :class:`Tampered`."""
        first = Signal(init=1)
        with m.If(self.output.ready):
            m.d.sync += first.eq(0)
        return {"yielded_valid": self.inner.output.valid | first}


class ValidWaits(Tampered):
    """It is valid only if it can be taken."""

    def tamper(self, m: Module) -> dict[str, Value]:
        """See :class:`Tampered`."""
        return {"yielded_valid": self.inner.output.valid & self.output.ready}


class LastIgnored(Tampered):
    """An encoder that counts beats instead of looking at which is the last."""

    def tamper(self, m: Module) -> dict[str, Value]:
        """See :class:`Tampered`."""
        assert isinstance(self.inner, FrameEncoder | BeatEncoder)
        beats = self.inner.layout.beats
        beat = Signal(range(beats))
        with m.If(self.input.valid & self.input.ready):
            m.d.sync += beat.eq(beat + 1)
            with m.If(beat == beats - 1):
                m.d.sync += beat.eq(0)
        payload = self.input.payload
        return {"taken": Cat(payload.data, beat == beats - 1, payload.error)}


class ErrorIgnored(Tampered):
    """An encoder that takes frames marked as bad for good ones."""

    def tamper(self, m: Module) -> dict[str, Value]:
        """See :class:`Tampered`."""
        payload = self.input.payload
        return {"taken": Cat(payload.data, payload.last, Value.cast(0)[0])}


class DropUntold(Tampered):
    """An encoder that drops frames without a word."""

    def tamper(self, m: Module) -> dict[str, Value]:
        """See :class:`Tampered`."""
        return {"dropped": Value.cast(0)}


class DropToldLate(Tampered):
    """An encoder that tells of a frame that runs on at its end, which may never come."""

    def tamper(self, m: Module) -> dict[str, Value]:
        """See :class:`Tampered`."""
        taken, ended, too_long = self.input.valid & self.input.ready, Signal(), Signal()
        m.d.sync += ended.eq(taken & self.input.payload.last)
        with m.If(self.inner.dropped & ~ended):
            m.d.sync += too_long.eq(1)
        with m.Elif(ended):
            m.d.sync += too_long.eq(0)
        return {"dropped": ended & (self.inner.dropped | too_long)}


class DropToldTwice(Tampered):
    """An encoder that tells of each frame that it drops for two cycles."""

    def tamper(self, m: Module) -> dict[str, Value]:
        """See :class:`Tampered`."""
        again = Signal()
        m.d.sync += again.eq(self.inner.dropped)
        return {"dropped": self.inner.dropped | again}


def _waited(m: Module, part: Tampered) -> Signal:
    """Return whether what ``part`` yields was not taken in the cycle before."""
    waited = Signal()
    m.d.sync += waited.eq(part.output.valid & ~part.output.ready)
    return waited


def _turn(m: Module, moves: Value) -> Value:
    """Return a bit that is 1 before every :data:`PERIOD`-th transfer; ``moves`` is when one is."""
    count = Signal(range(PERIOD))
    with m.If(moves):
        m.d.sync += count.eq(count + 1)
    return count == PERIOD - 1


ANYWHERE: dict[str, Callable[[LayerComponent], Tampered]] = {
    "stall ignored": StallIgnored,
    "valid ignored": ValidIgnored,
    "valid withdrawn": ValidFalls,
    "data not held": DataNotHeld,
    "beat dropped": BeatDropped,
    "beat doubled": BeatDoubled,
    "reset ignored": ResetIgnored,
    "valid after reset": ValidAfterReset,
}
"""Faults of any component, by kind."""

ENCODER: dict[str, Callable[[LayerComponent], Tampered]] = {
    "last ignored": LastIgnored,
    "error ignored": ErrorIgnored,
    "drop untold": DropUntold,
    "drop told late": DropToldLate,
    "drop told twice": DropToldTwice,
}
"""Faults of a first layer only."""
