"""Components that take or yield a frame in several transfers, followed cycle by cycle for all data.

Their control depends on no data, so it can be followed as it is while the data stay variables: one
run shows the fate of every frame. Registers that hold data at a frame's beginning may hold
anything then; the others are back where they were at its end, which is checked, so that what a run
shows of one frame holds for all. Shown are frames after a pause and frames on the heels of another,
with nothing stalled; stalls are the subject of :mod:`htaflow.flows.proof.streams.streams`.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from htaflow.flows.proof.bdd import FALSE, TRUE, Bdd, Edge
from htaflow.flows.proof.gates import Bit, Gates

Transfer = Sequence[Edge]

MOST_CYCLES = 20_000


class SequenceError(Exception):
    """A component does what no component of its kind may; the message says what."""


@dataclass(frozen=True)
class Ports:
    """The bits at which a component ends; ``dropped`` where it may drop frames."""

    input: Sequence[Bit]
    input_valid: Bit
    input_ready: Bit
    output: Sequence[Bit]
    output_valid: Bit
    output_ready: Bit
    reset: Bit
    dropped: Bit | None = None


def ports_of(gates: Gates, component: str) -> Ports:
    """Return the ports of a component at ``component``, a path. Raises ``SequenceError``."""
    name = component.rpartition(".")[2]

    def bits(port: str) -> list[Bit]:
        signal = f"{component}.{name}__{port}"
        if signal not in gates.signals:
            raise SequenceError(f"the Verilog has no signal {signal}")
        return gates.signals[signal]

    return Ports(
        bits("input__payload"),
        bits("input__valid")[0],
        bits("input__ready")[0],
        bits("output__payload"),
        bits("output__valid")[0],
        bits("output__ready")[0],
        gates.signals["core.rst"][0],
    )


class Follower:
    """A component at work: its registers, and what they hold."""

    def __init__(self, gates: Gates, ports: Ports, bdd: Bdd, first_free: int) -> None:
        self.gates, self.ports, self.bdd = gates, ports, bdd
        self.flops = _registers(gates, ports)
        self._next = first_free

    def fresh(self) -> Edge:
        """Return a new variable."""
        self._next += 1
        return self.bdd.var(self._next)

    def prove(
        self, frames: Sequence[Sequence[Transfer]], expected: Sequence[Sequence[Transfer]]
    ) -> list[tuple[int, int, Edge, Edge]]:
        """Follow a few ``frames`` of different variables, one after another.

        Returns where that is not ``expected``: (transfer, bit, expected, what came), at most one of
        each transfer. Raises ``SequenceError`` if transfers are lost, doubled or never come.
        """
        data = {bit for bit in self.flops if self.gates.flops[bit].init is None}
        while True:
            found = self._explore(data, frames, expected)
            if isinstance(found, list):
                return found
            data |= found

    def _explore(
        self,
        data: set[Bit],
        frames: Sequence[Sequence[Transfer]],
        expected: Sequence[Sequence[Transfer]],
    ) -> list[tuple[int, int, Edge, Edge]] | set[Bit]:
        """Follow frames from every state at a frame's beginning that others can leave behind.

        Registers in ``data`` hold anything then. Returns what is wrong, or more such registers.
        """
        wrong: list[tuple[int, int, Edge, Edge]] = []
        control = [bit for bit in self.flops if bit not in data]
        start = tuple(int(bool(self.gates.flops[bit].init)) for bit in control)
        waiting = [(start, 0)]  # with how many transfers of frames before are still to leave
        seen = set(waiting)
        while waiting:
            values, behind = waiting.pop()
            state = dict(zip(control, values, strict=True)) | {bit: self.fresh() for bit in data}
            outputs, marks, end = self._run(state, frames)
            wanted = [transfer for frame in expected for transfer in frame]
            wrong += _compare(outputs[behind:], wanted)
            one = len(expected[0])
            ends = [(end, 0)]
            ends += [(s, behind + one * (n + 1) - left) for n, (s, left) in enumerate(marks)]
            more = {bit for s, _ in ends for bit in control if s[bit] > TRUE}
            if more:
                return more
            for state, left in ends:
                key = tuple(state[bit] for bit in control), left
                if key not in seen:
                    seen.add(key)
                    waiting.append(key)
            if len(seen) > _MOST_STATES:
                raise SequenceError("its control is never in the state that it was in before")
        return wrong

    def _run(
        self, state: dict[Bit, Edge], frames: Sequence[Sequence[Transfer]]
    ) -> tuple[list[Transfer], list[tuple[dict[Bit, Edge], int]], dict[Bit, Edge]]:
        """Follow ``frames``: what leaves, the states when each was taken, and that at rest.

        With the former is how many transfers had left.
        """
        outputs: list[Transfer] = []
        marks: list[tuple[dict[Bit, Edge], int]] = []
        given = [(t, t is frame[-1]) for frame in frames for t in frame]
        at = 0
        nothing = [FALSE] * len(self.ports.input)
        for _ in range(MOST_CYCLES):
            payload, last = given[at] if at < len(given) else (nothing, False)
            offered = at < len(given)
            values: dict[Bit, Edge] = dict(state)
            values.update(zip(self.ports.input, payload, strict=True))
            values[self.ports.input_valid] = int(offered)
            values[self.ports.output_ready] = TRUE
            values[self.ports.reset] = FALSE
            roots = [self.ports.input_ready, self.ports.output_valid]
            ready, valid = self.gates.evaluate(self.bdd, roots, values, self._loose)
            if ready > TRUE or valid > TRUE:
                raise SequenceError("its handshake depends on data")
            if valid:
                outputs.append(
                    self.gates.evaluate(self.bdd, self.ports.output, values, self._loose)
                )
            taken = self.gates.evaluate(
                self.bdd, [self.gates.flops[bit].data for bit in self.flops], values, self._loose
            )
            after = dict(zip(self.flops, taken, strict=True))
            if offered and ready:
                at += 1
                if last:
                    marks.append((after, len(outputs)))
            if not offered and not valid and after == state:
                return outputs, marks, state
            state = after
        raise SequenceError(f"it is not done after {MOST_CYCLES} cycles")

    def _loose(self, bit: Bit) -> Edge:
        """Return anything, for what nothing drives."""
        return self.fresh()


_MOST_STATES = 16


def _registers(gates: Gates, ports: Ports) -> list[Bit]:
    """Return the flip-flops that what leaves a component depends on, back to its ports."""
    ends = {*ports.input, ports.input_valid, ports.output_ready, ports.reset}
    seen: set[Bit] = set(ends)
    found = []
    stack = [*ports.output, ports.output_valid, ports.input_ready]
    while stack:
        bit = stack.pop()
        if bit in seen:
            continue
        seen.add(bit)
        if bit in gates.flops:
            found.append(bit)
            stack.append(gates.flops[bit].data)
        elif bit in gates.gates:
            stack += gates.gates[bit][1]
    return sorted(found)


def _compare(
    outputs: Sequence[Transfer], expected: Sequence[Transfer]
) -> list[tuple[int, int, Edge, Edge]]:
    """Return where ``outputs`` are not what is ``expected``; -1 stands for what matters not."""
    if len(outputs) != len(expected):
        raise SequenceError(f"{len(outputs)} transfers leave instead of {len(expected)}")
    wrong = []
    for number, (got, wanted) in enumerate(zip(outputs, expected, strict=True)):
        for place, (one, two) in enumerate(zip(wanted, got, strict=True)):
            if one >= 0 and one != two:
                wrong.append((number, place, one, two))
                break
    return wrong
