"""The bench at a design's streams: hardware against the values and cycles predicted for it.

One coroutine makes the clock. Pins change with its falling edge and are read just before the next
rising edge, when all is settled; a transfer happens in a cycle where valid and ready are both 1.
Cycles count from the first one after reset.

The interface's ``dropped_cycles`` is how long after the transfer that shows that a frame must be
dropped ``dropped`` is 1, for one cycle. Designs of earlier versions have neither that number nor
that port, and may be ready in reset: of them neither is asked.
"""

import itertools
import time
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from typing import NamedTuple

import cocotb
from cocotb.handle import Immediate
from cocotb.triggers import Timer
from cocotb.utils import get_sim_time

from .base import TB, Handle
from .scoreboard import (
    MAX_LISTED,
    CycleCount,
    Phase,
    Rules,
    Scoreboard,
    Sighting,
    always_stall,
    merged,
    no_stalls,
    random_stalls,
    show,
)

HALF_PERIOD_NS = 5
FILL_LIMIT, MOST_FILLS = 4000, 16
"""Cycles for which the sink stalls in all so that every register fills up, and how often."""

IDLE_LIMIT = 1000
"""Cycles without a transfer, beyond the latency, after which the design counts as stuck."""


class Beat(NamedTuple):
    """One transfer into the design."""

    data: int
    last: bool
    error: bool = False
    first: bool = False  # of a frame that must give an output
    drops: bool = False  # shows that its frame must be dropped


def read(pin: Handle) -> str:
    """Return a pin's bits, highest first, as ``01XZ``."""
    return str(pin.value)


class Source:
    """Drives ``s_axis``: a beat stays until it is taken; before each, ``stalls`` may wait.

    While it waits the data are the complement of the last beat's, so that a design which does not
    look at valid takes something wrong.
    """

    def __init__(self, dut: Handle, beats: Iterable[Beat], stalls: Iterator[bool]) -> None:
        self._dut = dut
        self._beats = iter(beats)
        self._upcoming = next(self._beats, None)
        self._held: Beat | None = None
        self._stalls = stalls
        self._mask = (1 << len(dut.s_axis_tdata)) - 1
        self._pins: dict[str, int] = {}
        self.starts: list[int] = []
        """The cycle in which each good frame's first beat was taken."""
        self.drops: deque[int] = deque()
        """The cycles in which beats were taken that drop their frames."""
        self.taken = 0

    @property
    def done(self) -> bool:
        """Whether every beat was taken."""
        return self._held is None and self._upcoming is None

    def drive(self) -> None:
        """Set the pins for the cycle that begins."""
        if self._held is not None:
            return
        if not next(self._stalls) and self._upcoming is not None:
            beat = self._held = self._upcoming
            self._upcoming = next(self._beats, None)
            self._set(tvalid=1, tdata=beat.data, tlast=beat.last, tuser=beat.error)
        elif self._pins.get("tvalid", 1):
            self._set(tvalid=0, tdata=self._pins.get("tdata", 0) ^ self._mask)

    def sample(self, cycle: int, rules: Rules) -> None:
        """See whether the beat is taken in this cycle."""
        ready = read(self._dut.s_axis_tready)
        if ready not in ("0", "1"):
            rules.broken(f"cycle {cycle}: s_axis_tready is {ready}")
        if self._held is not None and ready == "1":
            if self._held.first:
                self.starts.append(cycle)
            if self._held.drops:
                self.drops.append(cycle)
            self._held = None
            self.taken += 1

    def _set(self, **pins: int) -> None:
        for name, value in pins.items():
            if self._pins.get(name) != value:
                self._pins[name] = int(value)
                self._dut[f"s_axis_{name}"].value = Immediate(int(value))


class Sink:
    """Drives ``m_axis_tready`` and hands every word it takes to the scoreboard."""

    def __init__(self, dut: Handle, stalls: Iterator[bool], scoreboard: "Scoreboard") -> None:
        self._dut = dut
        self._stalls = stalls
        self._scoreboard = scoreboard
        self._ready: int | None = None
        self.cycles: list[int] = []
        """The cycle of each word taken."""

    def drive(self) -> None:
        """Set ready for the cycle that begins."""
        ready = int(not next(self._stalls))
        if ready != self._ready:
            self._ready = ready
            self._dut.m_axis_tready.value = Immediate(ready)

    def sample(self, cycle: int, word: str | None) -> None:
        """Take ``word``, the data of this cycle, or None if valid is not 1."""
        if word is not None and self._ready:
            self.cycles.append(cycle)
            self._scoreboard.check(cycle, word)

    @property
    def ready(self) -> bool:
        """Whether ready is 1 in this cycle."""
        return bool(self._ready)


class Monitor:
    """Watches ``m_axis``: once valid, a word stays valid and unchanged until it is taken; no X."""

    def __init__(self, dut: Handle, rules: Rules) -> None:
        self._dut = dut
        self._rules = rules
        self._held: str | None = None

    def sample(self, cycle: int, ready: bool) -> str | None:
        """Check this cycle; return the word on the pins, or None if valid is not 1."""
        valid = read(self._dut.m_axis_tvalid)
        if valid != "1":
            if valid != "0":
                self._rules.broken(f"cycle {cycle}: m_axis_tvalid is {valid}")
            if self._held is not None:
                self._rules.broken(f"cycle {cycle}: m_axis_tvalid fell before the word was taken")
            self._held = None
            return None
        word = read(self._dut.m_axis_tdata)
        if self._held is not None and word != self._held:
            self._rules.broken(
                f"cycle {cycle}: m_axis_tdata changed from {show(self._held)} to {show(word)} "
                "before the word was taken"
            )
        elif self._held is None and not set(word) <= {"0", "1"}:
            self._rules.broken(f"cycle {cycle}: m_axis_tdata is {show(word)}")
        last = read(self._dut.m_axis_tlast)
        if last != "1":
            self._rules.broken(f"cycle {cycle}: m_axis_tlast is {last} beside tvalid")
        self._held = None if ready else word
        return word


class DropMonitor:
    """Watches ``dropped``: it is 1 so many ``cycles`` after each of ``drops``, and else 0."""

    def __init__(self, dut: Handle, drops: deque[int], cycles: int, rules: Rules) -> None:
        self._dropped = dut.dropped
        self._drops = drops
        self._cycles = cycles
        self._rules = rules

    def sample(self, cycle: int) -> None:
        """Check this cycle."""
        due = bool(self._drops) and self._drops[0] + self._cycles == cycle
        if due:
            self._drops.popleft()
        level = read(self._dropped)
        if level != str(int(due)):
            why = "a frame was dropped" if due else "no frame was dropped"
            self._rules.broken(f"cycle {cycle}: dropped is {level}, but {why}")


class Probe:
    """Notes what a stage holds for one frame: the ``position``-th that leaves it.

    A frame is so many ``transfers``; they are noted as one word, the first in its low bits, in the
    cycle of the last.
    """

    def __init__(self, dut: Handle, path: str, position: int, transfers: int) -> None:
        prefix = path.removesuffix("__payload")
        self._payload = find(dut, path)
        self._valid = find(dut, f"{prefix}__valid")
        self._ready = find(dut, f"{prefix}__ready")
        self._to_come = position * transfers
        self._transfers = transfers
        self._words: list[str] = []
        self.seen: Sighting | None = None

    def sample(self, cycle: int) -> None:
        """Look at this cycle: a transfer happens when valid and ready are both 1."""
        if self.seen or read(self._valid) != "1" or read(self._ready) != "1":
            return
        self._to_come -= 1
        if self._to_come < 0:
            self._words.insert(0, read(self._payload))
        if len(self._words) == self._transfers:
            self.seen = Sighting(cycle, get_sim_time("ns"), show("".join(self._words)))


class StreamTB(TB):
    """The bench around one design's streams: its clock, and a run of frames through it."""

    def __init__(self, dut: Handle, name: str) -> None:
        super().__init__(dut, name)
        self._half = Timer(HALF_PERIOD_NS, "ns")
        width, expected = len(dut.m_axis_tdata), 8 * self.expected.shape[1]
        assert width == expected, f"m_axis_tdata has {width} bits, frames.npz {expected}"
        self._dropped_cycles: int | None = self.interface.get("dropped_cycles")
        missing = self._dropped_cycles is not None and not hasattr(dut, "dropped")
        assert not missing, "the design has no port 'dropped'"

    def cycles_to_fill(self, more: int) -> int:
        """Cycles in which a design that hands nothing on takes all it can, and ``more`` frames."""
        apart: int = max(len(self.beats[0]), self.interface["interval_cycles"])
        held: int = self.interface["frames_held"]
        latency: int = self.interface["latency_cycles"]
        return latency + (held + more) * apart

    def frame(self, index: int) -> Iterator[Beat]:
        """The beats of a good frame."""
        return self.malformed(index, len(self.beats[index]), first=True)

    def malformed(
        self, index: int, length: int, *, error: bool = False, first: bool = False
    ) -> Iterator[Beat]:
        """Frame ``index`` cut or repeated to ``length`` beats, with ``error`` on the last one."""
        rows = self.beats[index]
        told = None if first else min(length, len(rows)) - 1
        for position in range(length):
            data = int.from_bytes(rows[position % len(rows)].tobytes(), "little")
            last = position == length - 1
            yield Beat(data, last, error and last, first and position == 0, position == told)

    async def reset(self, rules: Rules, *, abrupt: bool) -> None:
        """Hold reset for two cycles with both streams quiet.

        Or, ``abrupt``, for one, in which both sides offer a transfer that must not happen.
        """
        dut, offered = self.dut, Immediate(int(abrupt))
        await self._half  # what is written at time 0 does not reach all of Icarus's nets
        dut.s_axis_tdata.value = Immediate(abrupt * ((1 << len(dut.s_axis_tdata)) - 1))
        dut.s_axis_tuser.value = Immediate(0)
        for pin in ("s_axis_tvalid", "s_axis_tlast", "m_axis_tready"):
            dut[pin].value = offered
        dut.rst.value = Immediate(1)
        for cycle in range(1 if abrupt else 2):
            dut.clk.value = Immediate(0)
            await self._half
            for pin in ("s_axis_tready", "m_axis_tvalid"):
                level = read(dut[pin])
                if level != "0" and self._dropped_cycles is not None:
                    rules.broken(f"cycle {cycle} of reset: {pin} is {level}")
            dut.clk.value = Immediate(1)
            await self._half
        for pin in ("s_axis_tvalid", "s_axis_tlast", "m_axis_tready", "rst"):
            dut[pin].value = Immediate(0)

    async def run(
        self,
        beats: Iterable[Beat],
        frames: Sequence[int],
        source_stalls: Iterator[bool],
        sink_stalls: Iterator[bool],
        *,
        cycles: int | None = None,
        probed: bool = False,
        abrupt: bool = False,
    ) -> Phase:
        """Reset, send ``beats`` and compare what comes with the words of ``frames``, in order.

        Ends when all is sent and received and nothing more came for a while, when nothing moves
        any more, or after ``cycles`` if given, which then is not a fault.
        """
        if self.settled:
            return Phase()
        dut, half, rules, begun = self.dut, self._half, Rules(), time.monotonic()
        await self.reset(rules, abrupt=abrupt)
        low, high = Immediate(0), Immediate(1)
        scoreboard = Scoreboard(self.expected, frames, rules, self.options["kept_words"])
        source = Source(dut, beats, source_stalls)
        sink = Sink(dut, sink_stalls, scoreboard)
        monitor = Monitor(dut, rules)
        told = self._dropped_cycles
        drops = None if told is None else DropMonitor(dut, source.drops, told, rules)
        probes = self._probes() if probed else {}
        report = self.progress(len(frames))
        patience = self.interface["latency_cycles"] + 2 * self.interface["interval_cycles"] + 16
        cycle = moved = last_moved = 0
        while cycle != cycles:
            dut.clk.value = low
            source.drive()
            sink.drive()
            await half
            word = monitor.sample(cycle, sink.ready)
            source.sample(cycle, rules)
            sink.sample(cycle, word)
            if drops is not None:
                drops.sample(cycle)
            for probe in probes.values():
                probe.sample(cycle)
            dut.clk.value = high
            await half
            cycle += 1
            waits = word is not None and not sink.ready  # that nothing moves is then our own doing
            if waits or moved != source.taken + scoreboard.received:
                moved, last_moved = source.taken + scoreboard.received, cycle
            quiet = cycle - last_moved
            if scoreboard.received > len(frames) + MAX_LISTED:
                break  # it does not stop
            if source.done and scoreboard.received >= len(frames) and quiet > patience:
                break
            if self.options.get("first_only") and (rules.count or scoreboard.mismatches):
                break
            if quiet > IDLE_LIMIT + patience and cycles is None:
                rules.broken(
                    f"cycle {cycle}: nothing moved for {quiet} cycles, s_axis_tready is "
                    f"{read(dut.s_axis_tready)}, m_axis_tvalid {read(dut.m_axis_tvalid)}"
                )
                break
            report(scoreboard.received, cycle)
        if cycles is None:
            scoreboard.finish(cycle, len(dut.m_axis_tdata))
        return Phase(
            frames=len(frames),
            received=scoreboard.received,
            mismatches=scoreboard.mismatches,
            first=scoreboard.first,
            rule_violations=rules.count,
            violations=rules.listed,
            latency=self._latency(source.starts, sink.cycles, frames),
            interval=self._interval(sink.cycles, frames),
            stages={name: probe.seen for name, probe in probes.items()},
            words=scoreboard.words,
            cycles=cycle,
            seconds=round(time.monotonic() - begun, 3),
        )

    def _latency(self, starts: list[int], ends: list[int], frames: Sequence[int]) -> CycleCount:
        interval, predicted = self.interface["interval_cycles"], self.interface["latency_cycles"]
        # Beats come faster than the design takes frames: all but the first wait in a queue.
        queued = interval > self.interface["beats"]
        measured = [end - start for start, end in zip(starts, ends, strict=False)]
        return CycleCount.of(predicted, measured[:1] if queued else measured, frames)

    def _interval(self, ends: list[int], frames: Sequence[int]) -> CycleCount:
        measured = [after - before for before, after in itertools.pairwise(ends)]
        return CycleCount.of(self.interface["interval_cycles"], measured, frames[1:])

    def _probes(self) -> dict[str, Probe]:
        """Return a probe for each stage that is still there: synthesis may have dissolved some."""
        probes: dict[str, Probe] = {}
        position = self.options["probe"]
        for stage in self.interface["stages"] if position is not None else ():
            with suppress(KeyError):
                probes[stage["name"]] = Probe(
                    self.dut, stage["probe"], position, stage["transfers"]
                )
        return probes


def find(dut: Handle, path: str) -> Handle:
    """Return the handle at a dotted path. Raises ``KeyError`` naming what is not there."""
    handle = dut
    for part in path.split("."):
        handle = handle[part]
    return handle


def filling_stalls(cycles: int, seed: str) -> Iterator[bool]:
    """Stall at random, and now and then for as long as a design that takes ``cycles`` fills up."""
    stalls = random_stalls(seed)
    long = min(FILL_LIMIT, cycles + min(cycles, 500))  # beats stall, too
    for _ in range(max(1, min(MOST_FILLS, FILL_LIMIT // long))):
        yield from itertools.repeat(True, long)
        yield from itertools.islice(stalls, 2 * cycles)
    yield from stalls


@cocotb.test()
async def full_rate(dut: Handle) -> None:
    """Every frame, no stalls: every bit, and latency and interval exactly as predicted."""
    tb = StreamTB(dut, "full_rate")
    frames = range(tb.frames)
    beats = itertools.chain.from_iterable(map(tb.frame, frames))
    phase = await tb.run(beats, frames, no_stalls(), no_stalls(), probed=True)
    tb.finish(phase)


@cocotb.test()
async def stalled(dut: Handle) -> None:
    """Random stalls on both sides: every bit, the order, and the stream rules.

    Now and then the sink stalls until all is full: else registers deep inside see no stall.
    """
    tb = StreamTB(dut, "stalled")
    frames = [f % tb.frames for f in range(tb.options["stalled_frames"])]
    beats = itertools.chain.from_iterable(map(tb.frame, frames))
    seed = tb.options["seed"]
    stalls = filling_stalls(tb.cycles_to_fill(1), f"{seed} out")
    phase = await tb.run(beats, frames, random_stalls(f"{seed} in"), stalls, probed=True)
    phase.latency = phase.interval = None  # stalls change them
    tb.finish(phase)


@cocotb.test()
async def reset(dut: Handle) -> None:
    """Reset with the pipeline full, then in a frame too short, then too long: nothing is left.

    For one cycle, or what one register keeps would leave while others are still held. In it both
    sides offer a transfer, which must not happen.
    """
    tb = StreamTB(dut, "reset")
    count = len(tb.beats[0])
    old = [f % tb.frames for f in range(tb.interface["frames_held"] + 4)]
    new = [(f + 1) % tb.frames for f in range(8)]
    cycles = tb.cycles_to_fill(4)
    held = itertools.chain.from_iterable(map(tb.frame, old))
    full = await tb.run(held, [], no_stalls(), always_stall(), cycles=cycles)
    waited = read(dut.m_axis_tvalid) == "1"
    beats = itertools.chain.from_iterable(map(tb.frame, new))
    phase = await tb.run(beats, new, no_stalls(), no_stalls(), abrupt=True)
    partial = itertools.islice(tb.frame(0), count - 1)
    cut = await tb.run(partial, [], no_stalls(), no_stalls(), cycles=count + 4)
    beats = itertools.chain.from_iterable(map(tb.frame, new))
    again = await tb.run(beats, new, no_stalls(), no_stalls(), abrupt=True)
    endless = itertools.islice(tb.malformed(0, count + 2), count + 1)
    long = await tb.run(endless, [], no_stalls(), no_stalls(), cycles=count + 5)
    beats = itertools.chain.from_iterable(map(tb.frame, new))
    last = await tb.run(beats, new, no_stalls(), no_stalls(), abrupt=True)
    if not waited:
        full.rule_violations += 1
        full.violations.append(f"m_axis_tvalid is not 1 after {cycles} cycles without ready")
    tb.finish(merged(phase, again, last, full, cut, long))


@cocotb.test()
async def framing(dut: Handle) -> None:
    """Frames with last too early, too late or marked as bad vanish; those between are right.

    Each of them is told once on ``dropped``, one with last too late where it should have ended.
    """
    tb = StreamTB(dut, "framing")
    count = len(tb.beats[0])
    lengths = {1, count // 2, count - 1, count + 1, 2 * count, 2 * count + 1} - {0, count}
    beats: list[Beat] = list(tb.frame(0))
    frames = [0]
    for number, length in enumerate([*sorted(lengths), None, -1], 1):
        bad, good = (2 * number - 1) % tb.frames, 2 * number % tb.frames
        if length is None:
            beats += tb.malformed(bad, count, error=True)
        elif length < 0:  # how a frame is given up: one beat, last and error
            beats += tb.malformed(bad, 1, error=True)
        else:
            beats += tb.malformed(bad, length)
        beats += tb.frame(good)
        frames.append(good)
    phase = await tb.run(beats, frames, no_stalls(), no_stalls())
    seed = tb.options["seed"]
    stalls = random_stalls(f"{seed} framing in"), random_stalls(f"{seed} framing out")
    phase = merged(phase, await tb.run(beats, frames, *stalls))
    tb.finish(phase)
