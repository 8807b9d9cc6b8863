# amaranth: UnusedElaboratable=no
from collections.abc import Iterable

import pytest
from amaranth.hdl import Module
from amaranth.sim import Simulator

from htaflow.hw.board.uart import Receiver, Transmitter

DIVISOR = 12


def levels(byte: int, stop: int = 1) -> list[int]:
    return [0, *((byte >> i) & 1 for i in range(8)), stop]


async def drive(ctx, line, bits: Iterable[int], period: float) -> None:
    """Drive bits whose length is not a whole number of cycles."""
    done = elapsed = 0.0
    for bit in bits:
        ctx.set(line, bit)
        done += period
        cycles = round(done - elapsed)
        elapsed += cycles
        await ctx.tick().repeat(cycles)


def receive(bits: list[int], divisor: int = DIVISOR, drift: float = 1.0) -> list[int | None]:
    """Return the bytes that a receiver reads from line levels, None for a framing error."""
    dut = Receiver(divisor)
    got: list[int | None] = []

    async def line(ctx):
        await drive(ctx, dut.rx, [1, *bits, 1, 1], divisor * drift)

    async def watch(ctx):
        while True:
            _, _, valid, error, byte = await ctx.tick().sample(
                dut.output.valid, dut.error, dut.output.payload
            )
            if valid:
                got.append(byte)
            if error:
                got.append(None)

    simulator = Simulator(dut)
    simulator.add_clock(1e-6)
    simulator.add_testbench(line)
    simulator.add_testbench(watch, background=True)
    simulator.run()
    return got


@pytest.mark.parametrize("divisor", [4, 12, 25])
def test_receiver_reads_every_byte_back_to_back(divisor):
    sent = list(range(256))
    assert receive([bit for byte in sent for bit in levels(byte)], divisor) == sent


@pytest.mark.parametrize("drift", [0.965, 1.035])
def test_receiver_stands_a_clock_that_is_off(drift):
    sent = [0x00, 0x55, 0xFF, 0xA5]
    assert receive([bit for byte in sent for bit in levels(byte)], 25, drift) == sent


def test_receiver_flags_a_missing_stop_bit_and_goes_on():
    bits = [*levels(0x42, stop=0), 1, 1, *levels(0x43)]
    assert receive(bits) == [None, 0x43]


def test_receiver_ignores_a_pulse_shorter_than_half_a_bit():
    dut = Receiver(DIVISOR)
    got = []

    async def line(ctx):
        ctx.set(dut.rx, 0)
        await ctx.tick().repeat(DIVISOR // 2 - 2)
        ctx.set(dut.rx, 1)
        await ctx.tick().repeat(3 * DIVISOR)
        await drive(ctx, dut.rx, [*levels(0x99), 1], DIVISOR)

    async def watch(ctx):
        while True:
            _, _, valid, error, byte = await ctx.tick().sample(
                dut.output.valid, dut.error, dut.output.payload
            )
            assert not error
            if valid:
                got.append(byte)

    simulator = Simulator(dut)
    simulator.add_clock(1e-6)
    simulator.add_testbench(line)
    simulator.add_testbench(watch, background=True)
    simulator.run()
    assert got == [0x99]


@pytest.mark.parametrize("divisor", [4, 12])
def test_transmitter_sends_each_bit_for_exactly_the_divisor(divisor):
    dut = Transmitter(divisor)
    sent = [0x00, 0xFF, 0xA5, 0x1E]
    line: list[int] = []

    async def feed(ctx):
        ctx.set(dut.input.valid, 1)
        for byte in sent:
            ctx.set(dut.input.payload, byte)
            await ctx.tick().until(dut.input.ready)
        ctx.set(dut.input.valid, 0)
        await ctx.tick().repeat(12 * divisor)

    async def watch(ctx):
        while True:
            line.append(ctx.get(dut.tx))
            await ctx.tick()

    simulator = Simulator(dut)
    simulator.add_clock(1e-6)
    simulator.add_testbench(feed)
    simulator.add_testbench(watch, background=True)
    simulator.run()
    start = line.index(0)
    expected = [bit for byte in sent for bit in levels(byte) for _ in range(divisor)]
    assert line[start : start + len(expected)] == expected
    assert set(line[start + len(expected) :]) == {1}


def test_transmitter_and_receiver_agree():
    m = Module()
    m.submodules.tx = tx = Transmitter(DIVISOR)
    m.submodules.rx = rx = Receiver(DIVISOR)
    m.d.comb += rx.rx.eq(tx.tx)
    got = []

    async def feed(ctx):
        for byte in b"htaflow":
            await ctx.tick().repeat(7)
            ctx.set(tx.input.payload, byte)
            ctx.set(tx.input.valid, 1)
            await ctx.tick().until(tx.input.ready)
            ctx.set(tx.input.valid, 0)
        await ctx.tick().repeat(12 * DIVISOR)

    async def watch(ctx):
        while True:
            _, _, valid, byte = await ctx.tick().sample(rx.output.valid, rx.output.payload)
            if valid:
                got.append(byte)

    simulator = Simulator(m)
    simulator.add_clock(1e-6)
    simulator.add_testbench(feed)
    simulator.add_testbench(watch, background=True)
    simulator.run()
    assert bytes(got) == b"htaflow"


@pytest.mark.parametrize("component", [Receiver, Transmitter])
@pytest.mark.parametrize("divisor", [3, 0, -1, 12.0, "foo"])
def test_a_bad_divisor_is_rejected(component, divisor):
    with pytest.raises(ValueError, match="divisor must be an integer of at least 4"):
        component(divisor)
