"""The host's side of a board in simulation; cocotb runs it from ``test_board``."""

import json
import os
from pathlib import Path

import cocotb
from cocotb.clock import Clock
from cocotb.triggers import ClockCycles, FallingEdge, ReadOnly, RisingEdge

from htaflow.hw.board.packet import Status, encode, encode_reply

WITH = (
    json.loads(Path(os.environ["BOARD_BENCH"]).read_text()) if "BOARD_BENCH" in os.environ else {}
)


class Host:
    """Speaks 8N1 on the pins, ``divisor`` cycles a bit."""

    def __init__(self, dut, divisor: int) -> None:
        self.dut = dut
        self.divisor = divisor
        self.heard = bytearray()
        self.dropped = 0
        cocotb.start_soon(self._listen())
        cocotb.start_soon(self._count())

    async def send(self, packet: bytes) -> None:
        for byte in packet:
            for bit in (0, *((byte >> i) & 1 for i in range(8)), 1):
                self.dut.rx.value = bit
                await ClockCycles(self.dut.clk, self.divisor)

    async def _listen(self) -> None:
        while True:
            await FallingEdge(self.dut.tx)
            await ClockCycles(self.dut.clk, self.divisor // 2)
            byte = 0
            for i in range(9):
                await ClockCycles(self.dut.clk, self.divisor)
                await ReadOnly()
                byte |= int(self.dut.tx.value) << i
            assert byte >> 8 == 1, "no stop bit"
            self.heard.append(byte & 0xFF)

    async def _count(self) -> None:
        while True:
            await RisingEdge(self.dut.core.dropped)
            self.dropped += 1

    async def expect(self, reply: bytes) -> None:
        """Wait for ``reply`` and nothing else."""
        for _ in range(len(reply) * 10 + 100):
            if len(self.heard) >= len(reply):
                break
            await ClockCycles(self.dut.clk, self.divisor)
        assert self.heard.hex(" ") == reply.hex(" ")
        self.heard.clear()


@cocotb.test()
async def frames_through_the_pins(dut):
    dut.rx.value = 1
    dut.reset.value = 1  # active low: not pressed
    cocotb.start_soon(Clock(dut.clk, 10, unit="step").start())
    host = Host(dut, WITH["divisor"])
    frames = [bytes.fromhex(frame) for frame in WITH["frames"]]
    replies = [encode_reply(Status.OK, bytes.fromhex(result)) for result in WITH["results"]]
    await ClockCycles(dut.clk, 300)
    if WITH["lock_cycles"]:  # until then nothing runs
        await host.send(encode(frames[0]))
        await ClockCycles(dut.clk, WITH["lock_cycles"])
        assert not host.heard
    assert int(dut.fixed.value) == 1
    light = int(dut.activity.value)
    for frame, reply in zip(frames, replies, strict=True):
        await host.send(encode(frame))
        await host.expect(reply)
        light ^= 1
        assert int(dut.activity.value) == light
    assert host.dropped == 0

    # A damaged request gets its answer, and the next one is right again. Each frame that the
    # network drops is answered, too, which is how a host is told of it.
    wrong = bytearray(encode(frames[0]))
    wrong[3] ^= 1
    await host.send(bytes(wrong))
    await host.expect(encode_reply(Status.BAD_CRC))
    await ClockCycles(dut.clk, WITH["quiet_cycles"])
    await host.send(encode(frames[1])[:-3])
    await ClockCycles(dut.clk, WITH["quiet_cycles"])
    await host.expect(encode_reply(Status.TRUNCATED))
    assert host.dropped == 2
    await ClockCycles(dut.clk, WITH["quiet_cycles"])
    await host.send(encode(frames[1] + b"\0"))  # of which no beat reaches the network
    await host.expect(encode_reply(Status.BAD_LENGTH))
    await ClockCycles(dut.clk, WITH["quiet_cycles"])
    await host.send(encode(frames[1]))
    await host.expect(replies[1])

    # The button, pressed within a request, forgets it.
    await host.send(encode(frames[0])[:-3])
    dut.reset.value = 0
    await ClockCycles(dut.clk, 10)
    dut.reset.value = 1
    await ClockCycles(dut.clk, 300)
    await host.send(encode(frames[2]))
    await host.expect(replies[2])
    assert host.dropped == 2


@cocotb.test()
async def the_heartbeat_blinks(dut):
    dut.rx.value = 1
    dut.reset.value = 1
    cocotb.start_soon(Clock(dut.clk, 10, unit="step").start())
    await ClockCycles(dut.clk, 300)
    levels = set()
    for _ in range(8):
        await ClockCycles(dut.clk, WITH["blink_cycles"] // 4)
        await ReadOnly()
        levels.add(int(dut.heartbeat.value))
    assert levels == {0, 1}
