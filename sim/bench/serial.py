"""The bench at a board's pins: frames go in over ``rx`` as packets, results come back over ``tx``.

Nothing here is shared with the code that makes the hardware; the packets are those that the README
states. The simulator makes the clock, and a bit on the line lasts a whole number of its cycles.
Pins change with the clock's falling edge. Cycles count from the first one of a test's first
request; a reply's is that in which its first start bit begins, which must be exactly as predicted.

The interface's ``serial`` has ``cycles_a_bit``, ``latency_cycles`` (from the first cycle of a
request to that of its reply), ``interval_cycles`` (between replies, if each request follows the
reply before it at once), ``quiet_cycles``, ``reset`` (the level at which the board's button is
pressed, or None if it has none) and ``constants`` (outputs that must hold a level, by name).
"""

import random
import time
from collections.abc import Callable, Iterator, Sequence
from itertools import groupby, pairwise
from typing import NamedTuple

import cocotb
from cocotb.clock import Clock
from cocotb.handle import Immediate
from cocotb.triggers import FallingEdge, First, Timer
from cocotb.utils import get_sim_time

from .base import TB, Handle
from .scoreboard import MAX_LISTED, CycleCount, Phase, Rules, Scoreboard, merged

PERIOD_NS = 10
START_CYCLES = 600
"""Cycles after configuration, and after the button, within which a board comes out of reset."""

TELL_CYCLES = 256
"""Cycles after which the clock on the wall is looked at, to tell what was done so far."""

SYNC = 0xA5
STATUS = ("ok", "bad length", "bad CRC", "truncated", "overrun", "framing")
BAD_LENGTH, BAD_CRC, TRUNCATED, FRAMING = 1, 2, 3, 5


class Sent(NamedTuple):
    """A run of equal bits on the line."""

    level: int
    bits: float


class Heard(NamedTuple):
    """A byte of a reply: the cycle in which its start bit began, and its bits, stop bit last."""

    cycle: int
    byte: int
    stop: str


def crc(body: bytes) -> bytes:
    """Return the CRC-16/IBM-SDLC of ``body`` (polynomial 0x1021 reflected), low byte first."""
    value = 0xFFFF
    for byte in body:
        value ^= byte
        for _ in range(8):
            value = value >> 1 ^ 0x8408 * (value & 1)
    return (value ^ 0xFFFF).to_bytes(2, "little")


def packet(payload: bytes) -> bytes:
    """Return the packet that carries ``payload``."""
    body = len(payload).to_bytes(2, "little") + payload
    return bytes([SYNC]) + body + crc(body)


def line(content: bytes, pauses: Iterator[float] | None = None) -> list[Sent]:
    """Return what ``content`` is on the line: 8N1, and after each byte a pause in bits if given."""
    runs: list[Sent] = []
    for byte in content:
        bits = [0, *((byte >> place) & 1 for place in range(8)), 1]
        runs += [Sent(level, len(list(run))) for level, run in groupby(bits)]
        if pauses is not None:
            runs.append(Sent(1, next(pauses)))
    return runs


def random_pauses(seed: str, most: float) -> Iterator[float]:
    """Pause between bytes at random, in bits: not at all, a little, or up to ``most``."""
    generator = random.Random(seed)  # noqa: S311
    while True:
        longest = generator.choice((0.0, 0.5, 3.0, most))
        for _ in range(generator.randint(1, 24)):
            yield generator.random() * longest


class SerialTB(TB):
    """The host at the other end of a board's serial line."""

    def __init__(self, dut: Handle, name: str) -> None:
        super().__init__(dut, name)
        self.serial = self.interface["serial"]
        self.divisor: int = self.serial["cycles_a_bit"]
        self.rules = Rules()
        self._heard: list[Heard] = []
        self._report: Callable[[], None] = lambda: None

    @property
    def cycle(self) -> int:
        """Cycles since the simulation began."""
        return int(get_sim_time("ns")) // PERIOD_NS

    async def start(self) -> None:
        """Start the clock, and wait until the board has come out of reset."""
        dut = self.dut
        await Timer(
            PERIOD_NS, "ns"
        )  # what is written at time 0 does not reach all of Icarus's nets
        dut.rx.value = Immediate(1)
        if self.serial["reset"] is not None:
            dut.reset.value = Immediate(1 - self.serial["reset"])
        Clock(dut.clk, PERIOD_NS, "ns", impl="gpi").start(start_high=False)
        cocotb.start_soon(self._listen())
        cocotb.start_soon(self._tell())
        await self.wait(START_CYCLES)

    async def wait(self, cycles: float) -> None:
        """Wait for a number of cycles."""
        if cycles >= 1:
            await Timer(round(cycles) * PERIOD_NS, "ns")

    async def press(self, cycles: int) -> None:
        """Press the board's button, and wait until it has come out of reset again."""
        self.dut.reset.value = Immediate(self.serial["reset"])
        await self.wait(cycles)
        self.dut.reset.value = Immediate(1 - self.serial["reset"])
        await self.wait(START_CYCLES)

    async def send(self, runs: Sequence[Sent]) -> None:
        """Put ``runs`` on the line."""
        for level, bits in runs:
            self.dut.rx.value = Immediate(level)
            await self.wait(bits * self.divisor)

    async def _tell(self) -> None:
        """Report progress by cycles: a frame may take very many, and hours."""
        while True:
            await self.wait(TELL_CYCLES)
            self._report()

    async def _listen(self) -> None:
        """Note every byte that the board sends, sampled in the middle of its bits."""
        tx = self.dut.tx
        while True:
            await FallingEdge(tx)
            begun = self.cycle + 1  # what changes with a rising edge belongs to the cycle after it
            await self.wait(self.divisor // 2)
            byte = 0
            for place in range(8):
                await self.wait(self.divisor)
                level = str(tx.value)
                if level not in ("0", "1"):
                    self.rules.broken(f"cycle {self.cycle}: tx is {level}")
                byte |= (level == "1") << place
            await self.wait(self.divisor)
            self._heard.append(Heard(begun, byte, str(tx.value)))

    async def reply(self, size: int, patience: int) -> tuple[int | None, bytes | None]:
        """Wait for a packet whose payload has ``size`` bytes, or 1 if its status is not ok.

        Returns the cycle in which it began and its payload, or ``None`` for what did not come
        within ``patience`` cycles or was not right; what is wrong is in ``rules``.
        """
        packets = packet(bytes(size))
        whole = 10 * self.divisor * len(packets)
        if not self._heard:
            await First(FallingEdge(self.dut.tx), Timer(patience * PERIOD_NS, "ns"))
        # The line is free again when the last stop bit has ended.
        await self.wait(10 * self.divisor * len(packet(b"0")))
        if len(self._heard) >= 4 and self._heard[3].byte == 0:
            ends = self._heard[0].cycle + whole
            await self.wait(ends - self.cycle)
        heard, self._heard = self._heard, []
        if not heard:
            self.rules.broken(f"cycle {self.cycle}: no reply came within {patience} cycles")
            return None, None
        begun = heard[0].cycle
        content = bytes(entry.byte for entry in heard)
        for before, after in pairwise(heard):
            if after.cycle - before.cycle != 10 * self.divisor:
                self.rules.broken(
                    f"cycle {after.cycle}: a byte begins {after.cycle - before.cycle} cycles after "
                    f"the one before it, not {10 * self.divisor}"
                )
        for entry in heard:
            if entry.stop != "1":
                self.rules.broken(f"cycle {entry.cycle}: a byte has {entry.stop} as its stop bit")
        payload = content[3:-2]
        if packet(payload) != content:
            self.rules.broken(f"cycle {begun}: the reply is no packet: {content.hex(' ')}")
            return begun, None
        return begun, payload

    async def run(
        self, frames: Sequence[int], pauses: Iterator[float] | None = None, rest: float = 0
    ) -> Phase:
        """Send ``frames`` one by one, each when the reply before it has come, and compare.

        With ``pauses`` between the bytes, or ``rest`` bits after replies, no cycle is predicted.
        """
        self.rules = Rules()
        rules, begun, first_cycle = self.rules, time.monotonic(), self.cycle
        scoreboard = Scoreboard(self.expected, frames, rules, self.options["kept_words"])
        report = self.progress(len(frames))
        self._report = lambda: report(scoreboard.received, self.cycle - first_cycle)
        size = 1 + self.expected.shape[1]  # a status byte, 0, and the result
        patience = self.serial["latency_cycles"] + 100 * self.divisor
        starts, ends = [], []
        for frame in frames:
            start = self.cycle
            await self.send(line(packet(self.beats[frame].tobytes()), pauses))
            end, payload = await self.reply(size, patience)
            result = self._result(frame, end, payload)
            if result is not None and end is not None:
                scoreboard.check(end - first_cycle, result)
                starts.append(start)
                ends.append(end)
            else:
                scoreboard.lose(self.cycle - first_cycle)
                if rules.count > MAX_LISTED:
                    break
                await self.wait(self.serial["quiet_cycles"])
            await self.wait(rest * self.divisor)
        scoreboard.finish(self.cycle - first_cycle, 8 * (size - 1))
        for pin, level in self.serial["constants"].items():
            if str(self.dut[pin].value) != str(level):
                rules.broken(f"pin {pin} is {self.dut[pin].value}, not {level}")
        phase = Phase(
            frames=len(frames),
            received=scoreboard.received,
            mismatches=scoreboard.mismatches,
            first=scoreboard.first,
            rule_violations=rules.count,
            violations=rules.listed,
            words=scoreboard.words,
            cycles=self.cycle - first_cycle,
            seconds=round(time.monotonic() - begun, 3),
        )
        if pauses is None and not rest:
            measured = [after - before for before, after in zip(starts, ends, strict=True)]
            phase.latency = CycleCount.of(self.serial["latency_cycles"], measured, frames)
            apart = [after - before for before, after in pairwise(ends)]
            phase.interval = CycleCount.of(self.serial["interval_cycles"], apart, frames[1:])
        return phase

    def _result(self, frame: int, cycle: int | None, payload: bytes | None) -> str | None:
        """Return the bits of the result that a reply carries, or ``None`` if it has none."""
        if not payload:
            return None
        if payload[0] != 0:
            known = STATUS[payload[0]] if payload[0] < len(STATUS) else "an unknown status"
            self.rules.broken(f"cycle {cycle}: the board answers frame {frame}: {known}")
            return None
        size = self.expected.shape[1]
        if len(payload) != 1 + size:
            self.rules.broken(
                f"cycle {cycle}: the reply to frame {frame} carries {len(payload) - 1} bytes, "
                f"not {size}"
            )
            return None
        return f"{int.from_bytes(payload[1:], 'little'):0{8 * size}b}"

    async def refused(self, runs: Sequence[Sent], status: int | None) -> None:
        """Send something wrong; the board must answer ``status``, or nothing if that is None.

        Then the line stays quiet for as long as a host must keep it so.
        """
        quiet = self.serial["quiet_cycles"]
        await self.send(runs)
        self.dut.rx.value = Immediate(1)
        if status is None:
            await self.wait(quiet + 100 * self.divisor)
            if self._heard:
                self.rules.broken(f"cycle {self._heard[0].cycle}: an answer to what is no request")
            self._heard = []
            return
        end, payload = await self.reply(1, quiet + 100 * self.divisor)
        if payload is not None and payload != bytes([status]):
            self.rules.broken(
                f"cycle {end}: the board answers {payload.hex(' ')}, not {status} "
                f"({STATUS[status]})"
            )
        await self.wait(quiet)


@cocotb.test()
async def full_rate(dut: Handle) -> None:
    """Every frame, each request right after the reply before it: every bit, in its exact cycle."""
    tb = SerialTB(dut, "full_rate")
    await tb.start()
    tb.finish(await tb.run(range(tb.frames)))


@cocotb.test()
async def stalled(dut: Handle) -> None:
    """Random pauses within and between requests, shorter than the quiet time: every bit."""
    tb = SerialTB(dut, "stalled")
    await tb.start()
    frames = [frame % tb.frames for frame in range(tb.options["stalled_frames"])]
    most = min(40.0, tb.serial["quiet_cycles"] / 2 / tb.divisor - 20)
    pauses = random_pauses(f"{tb.options['seed']} line", most)
    tb.finish(await tb.run(frames, pauses, rest=2.5))


@cocotb.test()
async def reset(dut: Handle) -> None:
    """The button, pressed within a request and while a reply leaves: nothing of them is left."""
    tb = SerialTB(dut, "reset")
    await tb.start()
    frames = [frame % tb.frames for frame in range(2)]
    phases = [await tb.run(frames)]
    if tb.serial["reset"] is not None:
        request = packet(tb.beats[0].tobytes())
        await tb.send(line(request[: len(request) // 2]))
        await tb.press(10)
        phases.append(await tb.run(frames))
        await tb.send(line(request))
        await tb.wait(15 * tb.divisor)  # its reply has begun
        await tb.press(20 * tb.divisor)
        tb._heard.clear()
        phases.append(await tb.run(frames))
    tb.finish(merged(*phases))


@cocotb.test()
async def framing(dut: Handle) -> None:
    """Requests that are damaged get their status, noise gets nothing, and frames between are right.

    What is damaged: a bit of the payload, the length, the end, which is missing, and a stop bit.
    """
    tb = SerialTB(dut, "framing")
    await tb.start()
    request = packet(tb.beats[0].tobytes())
    damaged = bytearray(request)
    damaged[3] ^= 1
    long = packet(tb.beats[0].tobytes() + b"\0")
    broken = line(request[:4])
    broken[-1] = Sent(0, broken[-1].bits)
    glitch = [Sent(0, 0.25), Sent(1, 3)]
    wrong: list[tuple[list[Sent], int | None]] = [
        (line(bytes(damaged)), BAD_CRC),
        (line(long), BAD_LENGTH),
        (line(request[:-1]), TRUNCATED),
        ([*broken, Sent(1, 10)], FRAMING),
        ([*glitch, *line(b"\x00\x5a"), *glitch], None),
    ]
    phases = [await tb.run([0])]
    rules = Rules()
    for number, (runs, status) in enumerate(wrong, 1):
        tb.rules = rules
        await tb.refused(runs, status)
        phases.append(await tb.run([number % tb.frames]))
    phase = merged(*phases)
    phase.rule_violations += rules.count
    phase.violations = [*rules.listed, *phase.violations][:MAX_LISTED]
    tb.finish(phase)
