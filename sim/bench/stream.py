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
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass

import cocotb
from cocotb.handle import Immediate
from cocotb.triggers import Timer

from .base import TB, Handle
from .ports import Beat, DropMonitor, Monitor, Probe, Sink, Source, read
from .scoreboard import (
    MAX_LISTED,
    CycleCount,
    Phase,
    Rules,
    Scoreboard,
    always_stall,
    merged,
    no_stalls,
    random_stalls,
)

HALF_PERIOD_NS = 5
FILL_LIMIT, MOST_FILLS = 4000, 16
"""Cycles for which the sink stalls in all so that every register fills up, and how often."""

IDLE_LIMIT = 1000
"""Cycles without a transfer, beyond the latency, after which the design counts as stuck."""


@dataclass
class Pins:
    """All that drives and watches the pins of a design in one run."""

    source: Source
    sink: Sink
    monitor: Monitor
    drops: DropMonitor | None
    probes: list[Probe]
    rules: Rules

    def drive(self) -> None:
        """Set the pins for the cycle that begins."""
        self.source.drive()
        self.sink.drive()

    def sample(self, cycle: int) -> bool:
        """Check what is settled in this cycle; return whether a word waits for the sink."""
        word = self.monitor.sample(cycle, self.sink.ready)
        self.source.sample(cycle, self.rules)
        self.sink.sample(cycle, word)
        if self.drops is not None:
            self.drops.sample(cycle)
        for probe in self.probes:
            probe.sample(cycle)
        return word is not None and not self.sink.ready


@dataclass
class Watch:
    """Decides when a run is over: all is done, or nothing moves any more, or too much is wrong."""

    dut: Handle
    source: Source
    scoreboard: Scoreboard
    rules: Rules
    frames: int
    patience: int
    first_only: bool
    endless: bool
    _moved: int = 0
    _last_moved: int = 0

    def is_over(self, cycle: int, waits: bool) -> bool:
        """Return whether the run ends before ``cycle``.

        ``waits`` is whether a word waits for the sink: that nothing moves is then our own doing.
        """
        moved = self.source.taken + self.scoreboard.received
        if waits or moved != self._moved:
            self._moved, self._last_moved = moved, cycle
        quiet = cycle - self._last_moved
        received = self.scoreboard.received
        if received > self.frames + MAX_LISTED:
            return True  # it does not stop
        if self.source.done and received >= self.frames and quiet > self.patience:
            return True
        if self.first_only and (self.rules.count or self.scoreboard.mismatches):
            return True
        if quiet <= IDLE_LIMIT + self.patience or self.endless:
            return False
        self.rules.broken(
            f"cycle {cycle}: nothing moved for {quiet} cycles, s_axis_tready is "
            f"{read(self.dut.s_axis_tready)}, m_axis_tvalid {read(self.dut.m_axis_tvalid)}"
        )
        return True


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
        source = Source(dut, beats, source_stalls)
        scoreboard = Scoreboard(self.expected, frames, rules, self.options["kept_words"])
        sink = Sink(dut, sink_stalls, scoreboard)
        probes = self._probes() if probed else {}
        pins = self._pins(source, sink, rules, probes)
        watch = self._watch(source, scoreboard, rules, frames, endless=cycles is not None)
        report = self.progress(len(frames))
        cycle = 0
        while cycle != cycles:
            dut.clk.value = low
            pins.drive()
            await half
            waits = pins.sample(cycle)
            dut.clk.value = high
            await half
            cycle += 1
            if watch.is_over(cycle, waits):
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

    def _pins(self, source: Source, sink: Sink, rules: Rules, probes: dict[str, Probe]) -> "Pins":
        """Return all that drives and watches the design's pins."""
        told = self._dropped_cycles
        drops = None if told is None else DropMonitor(self.dut, source.drops, told, rules)
        return Pins(source, sink, Monitor(self.dut, rules), drops, list(probes.values()), rules)

    def _watch(
        self,
        source: Source,
        scoreboard: Scoreboard,
        rules: Rules,
        frames: Sequence[int],
        *,
        endless: bool,
    ) -> "Watch":
        """Return what ends the run; ``endless`` if that nothing moves is no reason."""
        patience = self.interface["latency_cycles"] + 2 * self.interface["interval_cycles"] + 16
        first_only = bool(self.options.get("first_only"))
        return Watch(
            self.dut, source, scoreboard, rules, len(frames), patience, first_only, endless
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
