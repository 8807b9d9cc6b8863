"""Every state that a small component can reach, with every input that its surroundings may give it.

A model checker for components between two streams. States are explored breadth first: each is the
flip-flops, what the surroundings must go on offering, and a reference that says which transfers are
still to leave. There are finitely many, so what holds in all of them holds for ever. The rules are
those of :mod:`htaflow.hw.stream.stage`:

- held: what is valid stays, and its payload, until it is taken;
- waits: whether something is valid does not depend on ``ready``;
- order: what leaves is exactly what was taken, each frame once, in order, with the right values;
- progress: something that is to leave becomes valid within a stated number of cycles, whatever the
  others do; and when all is offered and taken, some transfer happens within as many;
- reset: after a reset nothing is valid, and all of this holds again;
- dropped: where frames may be dropped, each is told once, in the cycle after the transfer that
  shows that it must be, and nothing else is.
"""

from collections.abc import Callable, Hashable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from htaflow.flows.proof.algebra import Words
from htaflow.flows.proof.gates import Bit, Gates
from htaflow.flows.proof.streams.sequences import Ports

Payload = int
Reference = Callable[[Hashable, Payload], tuple[Hashable, Sequence[Payload]]]
"""From what is remembered and a transfer taken, to what is remembered then and what is to leave."""

Drops = Callable[[Hashable, Payload], bool]
"""Whether a transfer taken shows that its frame must be dropped, given what is remembered."""

RULES = ("held", "waits", "order", "progress", "reset")
"""The rules of every component."""

DROPPED = "dropped"
"""The rule of those that may drop frames."""

MOST_STATES = 400_000
_BATCH = 512
"""States whose cycles are evaluated at once."""

State = tuple[int, Payload | None, Hashable, tuple[Payload, ...], bool]
"""Flip-flops, what is offered and not yet taken, what the reference remembers, what is to leave,
and whether a frame is to be told as dropped."""


@dataclass
class Explored:
    """What was found.

    Attributes:
        states, transitions: how many there are.
        most_cycles: the bound of the rule "progress".
        broken: for each rule that does not hold, what shows it.
        open: why it could not be explored, if so.
    """

    states: int = 0
    transitions: int = 0
    most_cycles: int = 0
    broken: dict[str, str] = field(default_factory=dict)
    open: str = ""


def explore(
    gates: Gates,
    ports: Ports,
    payloads: Sequence[Payload],
    reference: Reference,
    remembered: Hashable,
    most_held: int,
    drops: Drops | None = None,
) -> Explored:
    """Explore a component with ``ports``, offered any of ``payloads``, from reset.

    It holds at most ``most_held`` transfers that are to leave: when there are more, some are lost.
    """
    return _Explorer(gates, ports, payloads, reference, remembered, most_held, drops).run()


@dataclass(frozen=True)
class _Cycle:
    """One cycle: the state in which it begins, what is given, what is seen, where it leads."""

    state: int
    offered: Payload | None
    ready: bool
    reset: bool
    valid: bool
    payload: Payload
    taken: bool
    told: bool
    flops: int

    @property
    def shown(self) -> tuple[bool, Payload]:
        """What is seen of the output; of a payload that is not valid nothing."""
        return self.valid, self.payload if self.valid else 0


class _Explorer:
    def __init__(
        self,
        gates: Gates,
        ports: Ports,
        payloads: Sequence[Payload],
        reference: Reference,
        remembered: Hashable,
        most_held: int,
        drops: Drops | None,
    ) -> None:
        self.most_held, self.drops = most_held, drops
        self.gates, self.ports, self.payloads = gates, ports, payloads
        self.reference, self.remembered = reference, remembered
        self.flops = sorted(gates.flops)
        self.found: dict[State, int] = {}
        self.states: list[State] = []
        self.result = Explored()
        self.after_reset: set[int] = set()
        self.shown: dict[int, set[tuple[bool, Payload]]] = {}
        self.must_show: list[tuple[int, int, tuple[bool, Payload]]] = []
        self.quiet: dict[int, set[int]] = {}  # nothing valid though something is to leave
        self.still: dict[int, set[int]] = {}  # no transfer though all is offered and taken

    def run(self) -> Explored:
        """Explore, and judge."""
        start = sum((self.gates.flops[bit].init or 0) << i for i, bit in enumerate(self.flops))
        self._number((start, None, self.remembered, (), False))
        done = 0
        while done < len(self.states) and not self.result.broken:
            batch = range(done, min(len(self.states), done + _BATCH))
            done = batch.stop
            for idle, taking in self._cycles(batch):
                self.result.transitions += 2
                if taking.reset:
                    for cycle in (idle, taking):
                        after = self._number((cycle.flops, None, self.remembered, (), False))
                        self.after_reset.add(after)
                    continue
                if idle.shown != taking.shown:
                    self._break("waits", idle.state, "whether it is valid depends on ready")
                self._follow(idle)
                self._follow(taking)
            if len(self.states) > MOST_STATES:
                self.result.open = f"more than {MOST_STATES} states"
                break
        self.result.states = len(self.states)
        self._judge()
        return self.result

    def _judge(self) -> None:
        """Judge what takes more than a cycle."""
        for after, before, shown in self.must_show:
            for seen in self.shown.get(after, ()):
                if seen != shown:
                    what = f"{shown[1]:#x} waits, and then " + (
                        f"{seen[1]:#x} does" if seen[0] else "nothing is valid"
                    )
                    self._break("held", before, what)
        if self.result.broken or self.result.open:
            return
        for what, graph in (
            ("something is to leave and is never valid", self.quiet),
            ("all is offered and taken, and nothing moves", self.still),
        ):
            length, loop = longest(graph)
            if loop is not None:
                self._break("progress", loop, what)
            self.result.most_cycles = max(self.result.most_cycles, length)

    def _number(self, state: State) -> int:
        """Return the number of ``state``, a new one if it was not seen before."""
        number = self.found.setdefault(state, len(self.states))
        if number == len(self.states):
            self.states.append(state)
        return number

    def _break(self, rule: str, state: int, what: str) -> None:
        """Note that ``rule`` does not hold."""
        flops, offered, remembered, leaving, _ = self.states[state]
        ones = [self.gates.name_of(bit) for i, bit in enumerate(self.flops) if flops >> i & 1]
        where = (
            f"flip-flops that are 1: {', '.join(ones[:12]) or 'none'}; offered: {offered}; "
            f"taken of the frame: {remembered}; to leave: {list(leaving[:4])}"
        )
        self.result.broken.setdefault(rule, f"{what} ({where})")

    def _cycles(self, batch: range) -> Iterator[tuple[_Cycle, _Cycle]]:
        """Yield the cycles that may begin in the states of ``batch``: output not taken, and taken.

        A cycle of reset comes as a pair, too.
        """
        given: list[tuple[int, Payload | None, bool, bool]] = []
        for state in batch:
            pending = self.states[state][1]
            offers: list[Payload | None] = [None, *self.payloads] if pending is None else [pending]
            for offered in offers:
                given += [(state, offered, ready, False) for ready in (False, True)]
            given += [(state, None, ready, True) for ready in (False, True)]
        ports = self.ports
        words = Words(len(given))
        values: dict[Bit, int] = {}
        _spread(values, self.flops, [self.states[state][0] for state, _, _, _ in given])
        _spread(values, ports.input, [offered or 0 for _, offered, _, _ in given])
        _spread(values, [ports.input_valid], [offered is not None for _, offered, _, _ in given])
        _spread(values, [ports.output_ready], [ready for _, _, ready, _ in given])
        _spread(values, [ports.reset], [reset for _, _, _, reset in given])
        told_by = 0 if ports.dropped is None else ports.dropped
        roots = [ports.output_valid, ports.input_ready, told_by, *ports.output]
        roots += [self.gates.flops[bit].data for bit in self.flops]
        got = self.gates.evaluate(words, roots, values, lambda bit: 0)
        outputs = 3 + len(ports.output)
        valid, taken, told = (_gather(got[place : place + 1], len(given)) for place in range(3))
        payload, flops = _gather(got[3:outputs], len(given)), _gather(got[outputs:], len(given))
        cycles = [
            _Cycle(*some, bool(valid[at]), payload[at], bool(taken[at]), bool(told[at]), flops[at])
            for at, some in enumerate(given)
        ]
        yield from zip(cycles[::2], cycles[1::2], strict=True)

    def _follow(self, cycle: _Cycle) -> None:
        """Judge one cycle, and note the state to which it leads."""
        _, _, remembered, leaving, to_tell = self.states[cycle.state]
        took = cycle.offered is not None and cycle.taken
        left = cycle.valid and cycle.ready
        if cycle.told != to_tell:
            what = "a frame is dropped and not told" if to_tell else "told as dropped is no frame"
            self._break(DROPPED, cycle.state, what)
            return
        to_tell = False
        if took:
            assert cycle.offered is not None
            to_tell = self.drops is not None and self.drops(remembered, cycle.offered)
            remembered, more = self.reference(remembered, cycle.offered)
            leaving = (*leaving, *more)
        self.shown.setdefault(cycle.state, set()).add(cycle.shown)
        if cycle.valid and (not leaving or leaving[0] != cycle.payload):
            wanted = f"{leaving[0]:#x}" if leaving else "nothing"
            rule = "reset" if cycle.state in self.after_reset and not took else "order"
            self._break(rule, cycle.state, f"{cycle.payload:#x} leaves instead of {wanted}")
            return
        if left:
            leaving = leaving[1:]
        if len(leaving) > self.most_held:
            self._break("order", cycle.state, "what is taken never leaves")
            return
        pending = None if took else cycle.offered
        after = self._number((cycle.flops, pending, remembered, leaving, to_tell))
        if cycle.valid and not cycle.ready:
            self.must_show.append((after, cycle.state, cycle.shown))
        if leaving and not cycle.valid:
            self.quiet.setdefault(cycle.state, set()).add(after)
        if cycle.offered is not None and cycle.ready and not took and not left:
            self.still.setdefault(cycle.state, set()).add(after)


def longest(graph: dict[int, set[int]]) -> tuple[int, int | None]:
    """Return the nodes on the longest way through ``graph``, and a node on a loop if it has one."""
    lengths: dict[int, int] = {}
    for root in graph:
        stack = [root]
        on_way = {root}
        while stack:
            node = stack[-1]
            waiting = [after for after in graph.get(node, ()) if after not in lengths]
            if node in lengths or not waiting:
                after = (lengths[after] for after in graph.get(node, ()))
                lengths[node] = max(after, default=0) + (node in graph)
                on_way.discard(stack.pop())
            elif waiting[0] in on_way:
                return 0, waiting[0]
            else:
                on_way.add(waiting[0])
                stack.append(waiting[0])
    return max(lengths.values(), default=0), None


def _spread(values: dict[Bit, int], bits: Sequence[Bit], numbers: Sequence[int]) -> None:
    """Set the word of each of ``bits`` to that bit of all ``numbers``."""
    for place, bit in enumerate(bits):
        column = np.fromiter((number >> place & 1 for number in numbers), np.uint8, len(numbers))
        values[bit] = int.from_bytes(np.packbits(column, bitorder="little").tobytes(), "little")


def _gather(words: Sequence[int], count: int) -> list[int]:
    """Return the numbers whose bits stand in ``words``, one a pattern."""
    total: list[int] = [0] * count
    size = -(-count // 8)
    for place, word in enumerate(words):
        packed = np.frombuffer(word.to_bytes(size, "little"), np.uint8)
        column: npt.NDArray[Any] = np.unpackbits(packed, bitorder="little")[:count]
        for index in np.flatnonzero(column).tolist():
            total[index] |= 1 << place
    return total
