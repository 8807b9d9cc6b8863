"""What a bench finds, and the scoreboard that finds it: words and cycles against predictions."""

import itertools
import random
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

MAX_LISTED = 20
"""Violations listed in full; the rest are only counted."""

Bytes = npt.NDArray[np.uint8]


@dataclass
class Difference:
    """A word that is not the expected one; words are hexadecimal, or binary if a bit is X."""

    frame: int
    cycle: int
    expected: str
    got: str
    position: int
    """Its place in the order of all words of the run."""
    hint: str = ""


@dataclass
class Sighting:
    """What a stage held for the frame that was looked for, and when."""

    cycle: int
    time_ns: float
    word: str


@dataclass
class Rules:
    """Broken stream rules: how many, and the first of them in words."""

    count: int = 0
    listed: list[str] = field(default_factory=list)

    def broken(self, what: str) -> None:
        """Record one more."""
        self.count += 1
        if len(self.listed) < MAX_LISTED:
            self.listed.append(what)


@dataclass
class CycleCount:
    """A number of cycles that should be the same every time."""

    predicted: int
    measured: int | None = None
    """The predicted number, or the first that differs from it; None if nothing was measured."""
    wrong: int = 0
    first_wrong_frame: int | None = None

    @classmethod
    def of(cls, predicted: int, measured: Iterable[int], frames: Sequence[int]) -> "CycleCount":
        """Compare ``measured``, one number for each of ``frames``, with ``predicted``."""
        spread = cls(predicted)
        for frame, cycles in zip(frames, measured, strict=False):
            if cycles != predicted and not spread.wrong:
                spread.measured, spread.first_wrong_frame = cycles, frame
            elif spread.measured is None:
                spread.measured = cycles
            spread.wrong += cycles != predicted
        return spread


@dataclass
class Phase:
    """What one test found."""

    frames: int = 0
    received: int = 0
    mismatches: int = 0
    first: Difference | None = None
    rule_violations: int = 0
    violations: list[str] = field(default_factory=list)
    latency: CycleCount | None = None
    interval: CycleCount | None = None
    stages: dict[str, "Sighting | None"] = field(default_factory=dict)
    words: list[str] = field(default_factory=list)
    """The first words that came, in their order, as many as ``kept_words`` says."""
    cycles: int = 0
    seconds: float = 0.0

    def problems(self) -> list[str]:
        """Return what is wrong, in words; an empty list means nothing."""
        found = []
        if self.first is not None:
            first = self.first
            found.append(
                f"frame {first.frame}, cycle {first.cycle}: expected {first.expected}, "
                f"got {first.got}{first.hint}"
            )
        if self.mismatches:
            found.append(f"{self.mismatches} of {self.frames} frames differ")
        for name, spread in (("latency", self.latency), ("interval", self.interval)):
            if spread is not None and spread.wrong:
                found.append(
                    f"{name}: predicted {spread.predicted} cycles, measured {spread.measured} "
                    f"at frame {spread.first_wrong_frame}, {spread.wrong} times not as predicted"
                )
        found += self.violations[:3]
        if self.rule_violations > 3:
            found.append(f"{self.rule_violations - 3} more broken rules")
        return found


def no_stalls() -> Iterator[bool]:
    """Never stall."""
    return itertools.repeat(False)


def always_stall() -> Iterator[bool]:
    """Never go."""
    return itertools.repeat(True)


def random_stalls(seed: str) -> Iterator[bool]:
    """Stall at random, for a while often, then seldom or not at all: full and empty pipelines."""
    # Only repeatability matters here, not secrecy.
    generator = random.Random(seed)  # noqa: S311
    while True:
        probability = generator.choice((0.0, 0.2, 0.5, 0.9))
        for _ in range(generator.randint(1, 24)):
            yield generator.random() < probability


class Scoreboard:
    """Compares words, every bit and in order, with ``expected``, uint8 ``[N, bytes]``."""

    def __init__(self, expected: Bytes, frames: Sequence[int], rules: Rules, kept: int) -> None:
        self._expected = expected
        self._frames = frames
        self._rules = rules
        self._kept = kept
        self.words: list[str] = []
        self.received = 0
        self.mismatches = 0
        self.first: Difference | None = None

    def check(self, cycle: int, word: str) -> None:
        """Compare ``word`` with what the next frame must give."""
        index = self.received
        self.received += 1
        if index < self._kept:
            self.words.append(show(word))
        if index >= len(self._frames):
            self._rules.broken(f"cycle {cycle}: a word that belongs to no frame, {show(word)}")
            return
        if word == (expected := self._word(index, len(word))):
            return
        self.mismatches += 1
        if self.first is None:
            hint = ""
            if index and word == self._word(index - 1, len(word)):
                hint = " (the word of the frame before: a beat was doubled?)"
            elif index + 1 < len(self._frames) and word == self._word(index + 1, len(word)):
                hint = " (the word of the frame after: a beat was dropped?)"
            self.first = Difference(
                self._frames[index], cycle, show(expected), show(word), index, hint
            )

    def lose(self, cycle: int) -> None:
        """Count the next frame as one that gave no word."""
        index = self.received
        self.received += 1
        self.mismatches += 1
        if self.first is None and index < len(self._frames):
            expected = show(self._word(index, 8 * self._expected.shape[1]))
            self.first = Difference(self._frames[index], cycle, expected, "nothing", index)

    def finish(self, cycle: int, width: int) -> None:
        """Count the frames that gave nothing by the last ``cycle``."""
        missing = len(self._frames) - self.received
        if missing > 0:
            self.mismatches += missing
            self._rules.broken(f"{missing} of {len(self._frames)} frames gave no word")
            if self.first is None:
                index = self.received
                expected = show(self._word(index, width))
                self.first = Difference(self._frames[index], cycle, expected, "nothing", index)

    def _word(self, index: int, width: int) -> str:
        return binary(self._expected[self._frames[index]], width)


def binary(word: Bytes, width: int) -> str:
    """Return the low ``width`` bits of little-endian bytes, highest bit first."""
    return f"{int.from_bytes(word.tobytes(), 'little'):0{width}b}"[-width:]


def show(word: str) -> str:
    """Return bits as hexadecimal, or as they are if one of them is no number."""
    if set(word) <= {"0", "1"}:
        return f"0x{int(word, 2):0{-(-len(word) // 4)}x}"
    return f"0b{word}"


def merged(*phases: Phase) -> Phase:
    """Return several runs as one, without the cycles that only unbroken runs have."""
    return Phase(
        frames=sum(phase.frames for phase in phases),
        received=sum(phase.received for phase in phases),
        mismatches=sum(phase.mismatches for phase in phases),
        first=next((phase.first for phase in phases if phase.first), None),
        rule_violations=sum(phase.rule_violations for phase in phases),
        violations=[what for phase in phases for what in phase.violations][:MAX_LISTED],
        cycles=sum(phase.cycles for phase in phases),
        seconds=round(sum(phase.seconds for phase in phases), 3),
    )
