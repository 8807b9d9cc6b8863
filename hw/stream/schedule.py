"""Cycles, predicted: a core's streams, transfer by transfer, without their data.

A component that turns one transfer into many, or many into one, blocks those before it and starves
those after it in ways that no sum of latencies says. So each describes itself as a
:class:`Pipeline`, and :func:`schedule` follows valid and ready through a chain of them, cycle by
cycle, for as many frames as it takes to see them repeat. When nothing stalls from outside, that is
exactly what the hardware does.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple


class Step(NamedTuple):
    """What a component does with one transfer or cycle of a frame.

    ``waits``: it needs a transfer to be offered; ``takes``: it takes it, too; ``emits``: it yields
    a transfer.
    """

    waits: bool
    takes: bool
    emits: bool


PASS = Step(waits=True, takes=True, emits=True)
"""One transfer in, one out."""
TAKE = Step(waits=True, takes=True, emits=False)
EMIT = Step(waits=False, takes=False, emits=True)


@dataclass(frozen=True)
class Pipeline:
    """``steps`` that make a frame, one a cycle, then ``depth`` registers, at least one.

    All of it moves on whenever the last register is empty or its transfer is taken. In a cycle in
    which the current step waits in vain, a gap moves on behind it. After a frame's last
    step comes the first of the next.
    """

    steps: Sequence[Step]
    depth: int = 1

    @property
    def is_plain(self) -> bool:
        """Whether it is a single register, which neither blocks nor starves its neighbours."""
        return self.depth == 1 and tuple(self.steps) == (PASS,)


REGISTER = Pipeline((PASS,))
"""One transfer in, one transfer out a cycle later."""


@dataclass(frozen=True)
class Passage:
    """A frame's way through one pipeline of a chain.

    Attributes:
        done: the cycle in which its last transfer leaves, counted from that of its first beat.
        transfers: how many transfers leave.
        busy: cycles that it would take if nothing blocked or starved the pipeline.
    """

    done: int
    transfers: int
    busy: int


@dataclass(frozen=True)
class Schedule:
    """Cycles of a chain.

    Attributes:
        passages: one for each pipeline.
        interval: cycles between frames.
        held: frames that the chain takes when nothing takes its results.
    """

    passages: tuple[Passage, ...]
    interval: int
    held: int

    @property
    def latency(self) -> int:
        """Cycles from the transfer of a frame's first beat to that of its result."""
        return self.passages[-1].done


FRAMES = 2
"""Frames that are followed: those after them are as far apart."""


def schedule(pipelines: Sequence[Pipeline]) -> Schedule:
    """Return the cycles of a chain whose first pipeline is always offered a transfer."""
    plain = 0  # registers at the end, which add a cycle each
    while plain < len(pipelines) - 1 and pipelines[-1 - plain].is_plain:
        plain += 1
    head = pipelines[: len(pipelines) - plain]
    transfers, busy = _counts(pipelines)
    done = _follow(head, transfers)
    first, second = done[-1]
    cycles = [cycles[0] for cycles in done] + [first + 1 + number for number in range(plain)]
    passages = map(Passage, cycles, transfers, busy)
    return Schedule(tuple(passages), second - first, _held(head) + plain)


def _counts(pipelines: Sequence[Pipeline]) -> tuple[list[int], list[int]]:
    """Return the transfers that leave each pipeline for a frame, and the steps that it makes."""
    transfers, busy = [], []
    count = sum(step.takes for step in pipelines[0].steps)
    for pipeline in pipelines:
        # An image may pass a pipeline pixel by pixel: its steps are then made several times.
        times = count // sum(step.takes for step in pipeline.steps)
        count = times * sum(step.emits for step in pipeline.steps)
        transfers.append(count)
        busy.append(times * len(pipeline.steps))
    return transfers, busy


class _Running:
    """A pipeline at work."""

    def __init__(self, pipeline: Pipeline) -> None:
        self.steps = pipeline.steps
        self.registers = [False] * pipeline.depth
        self.at = 0
        self.taken = 0
        self.left = 0


def _cycle(chain: Sequence[_Running], *, ready: bool) -> bool:
    """Let one cycle pass; ``ready`` is that of the result. Return whether anything moved."""
    moved = False
    for index in range(len(chain) - 1, -1, -1):
        stage = chain[index]
        registers = stage.registers
        valid = registers[-1]
        stage.left += valid and ready
        if valid and not ready:
            ready = False
            continue
        step = stage.steps[stage.at]
        offered = index == 0 or chain[index - 1].registers[-1]
        going = offered or not step.waits
        moved = moved or going or any(registers)
        if going:
            stage.at = (stage.at + 1) % len(stage.steps)
            stage.taken += step.takes
        registers.insert(0, going and step.emits)
        registers.pop()
        ready = step.takes
    return moved


def _follow(pipelines: Sequence[Pipeline], transfers: Sequence[int]) -> list[list[int]]:
    """Return for each pipeline the cycles in which each frame's last transfer leaves it."""
    chain = [_Running(pipeline) for pipeline in pipelines]
    done: list[list[int]] = [[] for _ in chain]
    cycle = 0
    while len(done[-1]) < FRAMES:
        _cycle(chain, ready=True)
        for stage, cycles, count in zip(chain, done, transfers, strict=False):
            if stage.left == count * (len(cycles) + 1):
                cycles.append(cycle)
        cycle += 1
    return done


def _held(pipelines: Sequence[Pipeline]) -> int:
    """Return how many frames have begun to enter when nothing moves any more."""
    chain = [_Running(pipeline) for pipeline in pipelines]
    while _cycle(chain, ready=False):
        pass
    return -(-chain[0].taken // sum(step.takes for step in pipelines[0].steps))
