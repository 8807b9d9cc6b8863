"""A network's ``top`` between cocotbext-axi's stream source and sink, which are not ours.

cocotb runs it from ``test_axis``. Pauses on either side come from a generator; frames of a wrong
length go between right ones.
"""

import json
import os
import random
from collections.abc import Iterator
from pathlib import Path

import cocotb
from cocotb.clock import Clock
from cocotb.triggers import ClockCycles, ReadOnly, RisingEdge
from cocotbext.axi import AxiStreamBus, AxiStreamFrame, AxiStreamSink, AxiStreamSource

WITH = json.loads(Path(os.environ["AXIS_BENCH"]).read_text()) if "AXIS_BENCH" in os.environ else {}


def pauses(seed: int) -> Iterator[bool]:
    """Pause at random, now and then for long."""
    chance = random.Random(seed)
    while True:
        share = chance.choice((0.0, 0.3, 0.9))
        for _ in range(chance.randint(1, 40)):
            yield chance.random() < share


class TB:
    """The two ends of ``top``, and a count of the frames that it drops."""

    def __init__(self, dut) -> None:
        self.dut = dut
        self.dropped = 0
        dut.rst.value = 0
        cocotb.start_soon(Clock(dut.clk, 10, unit="ns").start(start_high=False))
        ends = {"clock": dut.clk, "reset": dut.rst, "reset_active_level": True}
        self.source = AxiStreamSource(AxiStreamBus.from_prefix(dut, "s_axis"), **ends)
        self.sink = AxiStreamSink(AxiStreamBus.from_prefix(dut, "m_axis"), **ends)
        cocotb.start_soon(self._count())

    async def _count(self) -> None:
        while True:
            await RisingEdge(self.dut.clk)
            self.dropped += str(self.dut.dropped.value) == "1"

    async def start(self) -> None:
        """Reset the design; neither end may see a transfer."""
        self.dut.rst.value = 0
        await ClockCycles(self.dut.clk, 2)
        self.dut.rst.value = 1
        for _ in range(3):
            await RisingEdge(self.dut.clk)
            await ReadOnly()
            assert (self.dut.s_axis_tready.value, self.dut.m_axis_tvalid.value) == (0, 0)
        await RisingEdge(self.dut.clk)
        self.dut.rst.value = 0
        self.dropped = 0

    async def exchange(self, frames: list[AxiStreamFrame], results: list[str]) -> None:
        """Send ``frames`` on each other's heels; ``results``, and nothing else, must come."""
        for frame in frames:
            self.source.send_nowait(frame)
        for number, expected in enumerate(results):
            got = await self.sink.recv()
            assert bytes(got.tdata).hex() == expected, f"result {number}"
        await self.source.wait()
        await ClockCycles(self.dut.clk, 40)
        assert self.sink.empty()


GOOD = [bytes.fromhex(frame) for frame in WITH.get("frames", ())]


@cocotb.test(timeout_time=1, timeout_unit="ms")
async def back_to_back(dut) -> None:
    tb = TB(dut)
    await tb.start()
    await tb.exchange([AxiStreamFrame(frame, tuser=0) for frame in GOOD], WITH["results"])
    assert tb.dropped == 0


@cocotb.test(timeout_time=1, timeout_unit="ms")
async def with_pauses_on_both_sides(dut) -> None:
    tb = TB(dut)
    await tb.start()
    tb.source.set_pause_generator(pauses(1))
    tb.sink.set_pause_generator(pauses(2))
    await tb.exchange([AxiStreamFrame(frame, tuser=0) for frame in GOOD], WITH["results"])
    assert tb.dropped == 0


@cocotb.test(timeout_time=1, timeout_unit="ms")
async def frames_of_a_wrong_length_between_right_ones(dut) -> None:
    tb = TB(dut)
    await tb.start()
    tb.sink.set_pause_generator(pauses(3))
    beat = WITH["beat_bytes"]
    frames = []
    for frame in GOOD:
        wrong = [frame[:beat], frame[:-beat], frame + frame[:beat], frame + frame]
        frames += [AxiStreamFrame(part, tuser=0) for part in (*wrong, frame)]
        frames.append(AxiStreamFrame(frame, tuser=1))  # right, but marked as bad
    await tb.exchange(frames, WITH["results"])
    assert tb.dropped == 5 * len(GOOD)


@cocotb.test(timeout_time=1, timeout_unit="ms")
async def a_frame_without_end_is_told_where_it_should_have_ended(dut) -> None:
    tb = TB(dut)
    await tb.start()
    beats = len(GOOD[0]) // WITH["beat_bytes"]
    tb.source.send_nowait(AxiStreamFrame(GOOD[0] * 20, tuser=0))
    taken = 0
    while not tb.dropped:
        await RisingEdge(dut.clk)
        taken += str(dut.s_axis_tvalid.value) == str(dut.s_axis_tready.value) == "1"
        assert taken <= beats + 2
    assert taken >= beats
    await tb.source.wait()
    await tb.exchange([AxiStreamFrame(frame, tuser=0) for frame in GOOD], WITH["results"])
    assert tb.dropped == 1


@cocotb.test(timeout_time=1, timeout_unit="ms")
async def a_reset_between(dut) -> None:
    tb = TB(dut)
    for frames in (GOOD, GOOD[::-1]):
        await tb.start()
        tb.source.send_nowait(AxiStreamFrame(frames[0][: WITH["beat_bytes"]] * 2, tuser=0))
        await ClockCycles(dut.clk, 3)
    await tb.start()
    await tb.exchange([AxiStreamFrame(frame, tuser=0) for frame in GOOD], WITH["results"])
