"""What drives and watches a design's streams, pin by pin and cycle by cycle."""

from collections import deque
from collections.abc import Iterable, Iterator
from typing import NamedTuple

from cocotb.handle import Immediate
from cocotb.utils import get_sim_time

from .base import Handle
from .scoreboard import Rules, Scoreboard, Sighting, show


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
    """Watches ``dropped``: it is 1 ``cycles`` cycles after each of ``drops``, and else 0."""

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

    A frame is ``transfers`` transfers; they are noted as one word, the first in its low bits, in
    the cycle of the last.
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


def find(dut: Handle, path: str) -> Handle:
    """Return the handle at a dotted path. Raises ``KeyError`` naming what is not there."""
    handle = dut
    for part in path.split("."):
        handle = handle[part]
    return handle
