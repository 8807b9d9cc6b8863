"""The whole design of a board: oscillator, reset, serial line, network, lights."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from amaranth.hdl import ClockDomain, ClockSignal, Module, Mux, ResetSignal, Signal
from amaranth.lib import wiring
from amaranth.lib.cdc import FFSynchronizer
from amaranth.lib.wiring import In, Out

from htaflow.hw.board.packet import OVERHEAD, Link
from htaflow.hw.board.pll import Pll, PllSettings
from htaflow.hw.board.uart import MIN_DIVISOR, Receiver, Transmitter
from htaflow.hw.network import NetworkCore
from htaflow.model.integer.network import Network

Active = Literal["high", "low"]
"""The level at which a pin means yes."""

MAX_BAUD_ERROR = 0.02
"""How far the nearest rate the clock can make may be from the one asked for; 8N1 stands 4 %."""

QUIET_SECONDS = 0.02
"""Least quiet time: longer than the pauses of a USB adapter and a busy host."""

_RESET_CYCLES = 256
_BITS_A_BYTE = 10  # on the line: start, eight data, stop
_LINK_CYCLES = 6
"""Cycles of synchroniser, link and transmitter: see :class:`BoardTop`."""


@dataclass(frozen=True)
class BoardPins:
    """What a board has besides clock and serial line; ``None`` for what it has not.

    ``constants`` are outputs that must hold a level, by name.
    """

    reset: Active | None = None
    heartbeat: Active | None = None
    activity: Active | None = None
    constants: Mapping[str, int] = field(default_factory=dict)


def bus_bits(network: Network) -> int:
    """Return the bits of a beat on the serial line: 8, or 16 if a feature does not fit 8."""
    return 8 if network.encode.feature_bits <= 8 else 16


class BoardTop(wiring.Component):
    """A network behind a serial line that speaks :mod:`htaflow.hw.board.packet`.

    After configuration, after each press of the button and while a PLL is not locked, everything is
    held in reset, and for 256 cycles more. ``heartbeat`` blinks at about 1 Hz for as long as the
    clock runs; ``activity`` changes with every result sent.

    Latency, from the first cycle of a request's first start bit to that of its reply's, if the
    request has no pauses: ``request packet bytes * 10 * divisor`` for the line, less the second
    half of the last stop bit, ``divisor - divisor // 2``; 2 cycles for the synchroniser, 2 for the
    link to check the request, 1 for it to begin the reply and 1 for the transmitter; and what the
    core needs after a frame's last beat, ``core.latency - beats + 1``. Interval, if a request
    follows the reply before it at once: the latency, and ``reply packet bytes * 10 * divisor``.

    Parameters:
        core: The network's hardware, its bus 8, 16, 32... bits wide.
        clock_hz: Frequency in Hz at which the design runs: that of ``clk``, or what ``pll`` makes.
        baud: Bits a second on the line. Rejected if the clock misses it by more than 2 %.
        pins: What else the board has.
        pll: Makes the design's clock from ``clk``; by default ``clk`` is that clock.
        quiet_seconds: Least quiet time in seconds; :attr:`quiet_cycles` is the exact one.

    Members:
        clk: The oscillator.
        rx, tx: The serial line, 8N1.
        reset, heartbeat, activity: As ``pins`` has them, active as it says.
        One output for each of ``pins.constants``.
    """

    clk: Signal
    rx: Signal
    tx: Signal

    def __init__(
        self,
        core: NetworkCore,
        *,
        clock_hz: int,
        baud: int,
        pins: BoardPins = BoardPins(),
        pll: PllSettings | None = None,
        quiet_seconds: float = QUIET_SECONDS,
    ) -> None:
        taken = {"clk", "rx", "tx", "reset", "heartbeat", "activity"} & set(pins.constants)
        if taken:
            raise ValueError(f"'{taken.pop()}' cannot be a constant output, it has a use")
        self._core = core
        self._pins = pins
        self._pll = pll
        self._link = Link(
            beats=core.input_layout.beats,
            bus_bits=core.input_layout.bus_bits,
            output_bits=core.output_layout.width,
        )
        self._divisor = divisor(clock_hz, baud)
        # A tick comes every 2 ** n cycles, two in a quiet time.
        self._tick_log2 = (max(2, round(quiet_seconds * clock_hz / 2)) - 1).bit_length()
        self._blink_log2 = max(self._tick_log2 + 1, clock_hz.bit_length() - 1)
        members = {"clk": In(1), "rx": In(1, init=1), "tx": Out(1, init=1)}
        if pins.reset:
            members["reset"] = In(1, init=_level(pins.reset, on=False))
        if pins.heartbeat:
            members["heartbeat"] = Out(1)
        if pins.activity:
            members["activity"] = Out(1)
        members |= {name: Out(1) for name in pins.constants}
        super().__init__(members)

    @property
    def divisor(self) -> int:
        """Clock cycles a bit on the line."""
        return self._divisor

    @property
    def quiet_cycles(self) -> int:
        """The quiet time of :mod:`htaflow.hw.board.packet`, in cycles."""
        return 2 << self._tick_log2

    @property
    def request_bytes(self) -> int:
        """Bytes of a request, its packet included."""
        return self._link.request_bytes + OVERHEAD

    @property
    def reply_bytes(self) -> int:
        """Bytes of a reply with a result, its status and its packet included."""
        return self._link.result_bytes + 1 + OVERHEAD

    @property
    def latency(self) -> int:
        """Cycles from the begin of a request to that of its reply."""
        line = self.request_bytes * _BITS_A_BYTE * self._divisor
        stop = self._divisor - self._divisor // 2
        after = self._core.latency - self._core.input_layout.beats + 1
        return line - stop + _LINK_CYCLES + after

    @property
    def interval(self) -> int:
        """Cycles between the begins of replies, if each request follows a reply at once."""
        return self.latency + self.reply_bytes * _BITS_A_BYTE * self._divisor

    def elaborate(self, platform: object) -> Module:
        """Return the logic."""
        m = Module()
        self._add_clock_and_reset(m)
        m.submodules.core = core = self._core
        m.submodules.link = link = self._link
        m.submodules.receiver = receiver = Receiver(self._divisor)
        m.submodules.transmitter = transmitter = Transmitter(self._divisor)
        wiring.connect(m, receiver.output, link.rx)
        wiring.connect(m, link.tx, transmitter.input)
        wiring.connect(m, link.frames, core.input)
        wiring.connect(m, core.output, link.results)
        m.d.comb += receiver.rx.eq(self.rx)
        m.d.comb += link.rx_error.eq(receiver.error)
        m.d.comb += self.tx.eq(transmitter.tx)

        time = Signal(self._blink_log2)
        half = time[self._tick_log2 - 1]
        before = Signal()
        m.d.sync += time.eq(time + 1)
        m.d.sync += before.eq(half)
        m.d.comb += link.tick.eq(before & ~half)

        active = Signal()
        with m.If(link.done):
            m.d.sync += active.eq(~active)
        for name, value in {"heartbeat": time[-1], "activity": active}.items():
            polarity = getattr(self._pins, name)
            if polarity:
                m.d.comb += getattr(self, name).eq(value if polarity == "high" else ~value)
        for name, level in self._pins.constants.items():
            m.d.comb += getattr(self, name).eq(level)
        return m

    def _add_clock_and_reset(self, m: Module) -> None:
        """Hold the design in reset until 256 cycles after configuration, PLL lock and button.

        The counter starts from 0 because configuration sets every flip-flop; it has no reset. It is
        written without If: Verilog's ``always @*`` may miss time 0, and only a reset heals that.
        """
        m.domains.sync = ClockDomain()
        m.domains.start = ClockDomain(reset_less=True)
        clock, locked, pressed = self.clk, Signal(), Signal()
        if self._pll:
            m.submodules.pll = pll = Pll(self._pll)
            m.d.comb += pll.clk.eq(self.clk)
            m.submodules.lock = FFSynchronizer(pll.locked, locked, o_domain="start", init=0)
            clock = pll.output
        else:
            m.d.comb += locked.eq(1)
        m.d.comb += ClockSignal("sync").eq(clock)
        m.d.comb += ClockSignal("start").eq(clock)
        if self._pins.reset:
            off = _level(self._pins.reset, on=False)
            button = Signal(init=off)
            m.submodules.button = FFSynchronizer(self.reset, button, o_domain="start", init=off)
            m.d.comb += pressed.eq(button ^ off)
        waited = Signal(range(_RESET_CYCLES))
        running = Signal()
        hold = pressed | ~locked
        m.d.comb += ResetSignal("sync").eq(~running)
        m.d.start += waited.eq(Mux(hold, 0, waited + 1))
        m.d.start += running.eq(~hold & (running | waited.all()))


def divisor(clock_hz: int, baud: int) -> int:
    """Return clock cycles a bit. Raises ``ValueError`` if the rate is missed by more than 2 %."""
    nearest = max(1, round(clock_hz / baud))
    error = abs(clock_hz / nearest - baud) / baud
    if nearest < MIN_DIVISOR or error > MAX_BAUD_ERROR:
        raise ValueError(
            f"a clock of {clock_hz} Hz cannot make {baud} baud; "
            f"use at most {clock_hz // MIN_DIVISOR}, near a whole fraction of the clock"
        )
    return nearest


def _level(active: Active, *, on: bool) -> int:
    return int(on == (active == "high"))
