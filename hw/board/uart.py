"""Asynchronous serial line, 8N1: one start bit (0), eight data bits LSB first, one stop bit (1)."""

from amaranth.hdl import Cat, Const, Module, Signal
from amaranth.lib import stream, wiring
from amaranth.lib.cdc import FFSynchronizer
from amaranth.lib.wiring import In, Out

MIN_DIVISOR = 4
"""Fewest clock cycles a bit with which the middle of a bit is still found."""


class Receiver(wiring.Component):
    """Serial line to bytes.

    Each bit is sampled once, in its middle, counted from the falling edge of the start bit. A
    start bit that is 1 again in its middle is taken for noise. A byte appears in the middle of its
    stop bit, about 9.5 bits after that edge; the line cannot be paused, so ``output`` has no
    back-pressure and each byte is there for one cycle.

    Parameters:
        divisor: Clock cycles a bit, at least 4.

    Members:
        rx: The line, idle 1. Asynchronous: it passes two flip-flops here.
        output: ``stream.Signature(8, always_ready=True)``, the bytes.
        error: 1 for one cycle in place of a byte whose stop bit was 0.
    """

    rx: Signal
    output: stream.Interface
    error: Signal

    def __init__(self, divisor: int) -> None:
        self._divisor = _check_divisor(divisor)
        super().__init__(
            {
                "rx": In(1, init=1),
                "output": Out(stream.Signature(8, always_ready=True)),
                "error": Out(1),
            }
        )

    def elaborate(self, platform: object) -> Module:
        """Return the logic."""
        m = Module()
        line = Signal(init=1)
        m.submodules.synchronizer = FFSynchronizer(self.rx, line, init=1)

        timer = Signal(range(self._divisor))
        # The ones shift out as bits shift in. When the start bit (0) reaches the bottom, the byte
        # and its stop bit are all there: the register counts the bits itself.
        idle = Const(-1, 10)
        bits = Signal(10, init=idle.value)
        busy = Signal()
        shifted = Cat(bits[1:], line)

        with m.If(~busy):
            m.d.sync += timer.eq(self._divisor // 2 - 1)
            m.d.sync += busy.eq(~line)
        with m.Elif(timer != 0):
            m.d.sync += timer.eq(timer - 1)
        with m.Else():
            m.d.sync += timer.eq(self._divisor - 1)
            m.d.sync += bits.eq(shifted)
            with m.If(bits.all() & line):
                m.d.sync += busy.eq(0)  # the start bit was noise
            with m.If(~shifted[0]):
                m.d.comb += self.output.valid.eq(line)
                m.d.comb += self.error.eq(~line)
                m.d.sync += bits.eq(idle)
                m.d.sync += busy.eq(0)
        m.d.comb += self.output.payload.eq(shifted[1:9])
        return m


class Transmitter(wiring.Component):
    """Bytes to serial line: one byte every ``10 * divisor`` cycles.

    Parameters:
        divisor: Clock cycles a bit, at least 4.

    Members:
        input: ``stream.Signature(8)``, the bytes. Taken when the stop bit before is complete.
        tx: The line, idle 1; straight from a flip-flop, so without glitches.
    """

    input: stream.Interface
    tx: Signal

    def __init__(self, divisor: int) -> None:
        self._divisor = _check_divisor(divisor)
        super().__init__({"input": In(stream.Signature(8)), "tx": Out(1, init=1)})

    def elaborate(self, platform: object) -> Module:
        """Return the logic."""
        m = Module()
        timer = Signal(range(self._divisor))
        # Bits still to send, the one on the line first, then a 1 that marks the end.
        bits = Signal(10, init=1)
        last = bits[1:] == 0
        m.d.comb += self.tx.eq(bits[0])
        m.d.comb += self.input.ready.eq((timer == 0) & last)
        with m.If(timer != 0):
            m.d.sync += timer.eq(timer - 1)
        with m.Elif(~last):
            m.d.sync += bits.eq(bits >> 1)
            m.d.sync += timer.eq(self._divisor - 1)
        with m.Elif(self.input.valid):
            m.d.sync += bits.eq(Cat(Const(0, 1), self.input.payload, Const(1, 1)))
            m.d.sync += timer.eq(self._divisor - 1)
        return m


def _check_divisor(divisor: int) -> int:
    if not isinstance(divisor, int) or divisor < MIN_DIVISOR:
        raise ValueError(f"divisor must be an integer of at least {MIN_DIVISOR}, not {divisor!r}")
    return divisor
