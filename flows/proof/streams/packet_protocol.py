"""A packet link at work, proved: a good request becomes its frame, and a result its reply.

The bytes of the request's frame and of the result are variables. Which state the link is in does
not depend on them, so there are few states, and every one is looked at that it can get into: bytes
may come at any time (not before the beat of those before them is taken, nor after the quiet time),
beats and bytes may be taken at any time, and the result may come at any time. The exchange begins
with anything in the registers that hold data, and ends in the state in which the link listens, so
what is proved of one exchange holds for any number.

What may have gone wrong before is another matter: from every state that the state machine can be
in, with anything in the other registers, the link listens again, if ticks go on coming, what it
offers is taken in the end, and a result is on offer in the end when it waits for one.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import chain, product
from typing import NamedTuple

from htaflow.flows.proof.bdd import FALSE, TRUE, Bdd, Edge
from htaflow.flows.proof.gates import Bit, Gates
from htaflow.flows.proof.streams.model_checker import longest
from htaflow.hw.board.packet import SYNC

BEATS, BUS_BYTES, RESULT_BYTES = 2, 2, 2
"""The link that is looked at: beats of a frame, bytes of a beat, bytes of a result."""

_POLYNOMIAL, _ALL_ONES = 0x8408, 0xFFFF
"""CRC-16/IBM-SDLC, bit-reversed; its register begins as ones, and leaves inverted."""

_MOST_STATES = 20_000

Byte = list[Edge]
State = tuple[Edge, ...]


class ExchangeError(Exception):
    """The link breaks a ``rule``; the message says how."""

    def __init__(self, rule: str, message: str) -> None:
        super().__init__(message)
        self.rule = rule


@dataclass(frozen=True)
class _Host:
    """What the link's surroundings have done: a variable of the search beside the link's state.

    Attributes:
        sent: bytes of the request that were given.
        ticked: whether there was a tick since the last one.
        taken: beats that the network took.
        answers: whether the network's result is on offer.
        answered: whether it was taken.
        heard: bytes of the reply that were taken.
    """

    sent: int = 0
    ticked: bool = False
    taken: int = 0
    answers: bool = False
    answered: bool = False
    heard: int = 0


class _Shown(NamedTuple):
    """Whether a link offers a beat to the network, or a byte to the line, or takes a result."""

    beat: bool
    byte: bool
    result: bool


class Exchange:
    """A link, and what is exchanged with it.

    Parameters:
        gates: the link with the parameters above, each of its streams a port of the design.
    """

    def __init__(self, gates: Gates) -> None:
        self.gates, self.bdd = gates, Bdd()
        self._variables = 0
        self.flops = list(gates.flops)
        self.fsm = state_machine(gates)
        (self.offer,) = gates.outputs["frames__valid"]
        (self.takes,) = gates.outputs["results__ready"]
        frame = [self._byte() for _ in range(BEATS * BUS_BYTES)]
        self.result = [self._byte() for _ in range(RESULT_BYTES)]
        self.request = self._packet(frame)
        self.reply = self._packet([_constant(0), *self.result])
        self._known = self._variables  # variables up to here are of the frame and the result
        self._anything = {bit: self._fresh() for bit in self.flops}
        self._no_byte = self._byte()
        self._no_result = [self._fresh() for _ in range(8 * RESULT_BYTES)]
        self._fixed: dict[Edge, bool] = {}
        self.beats = [
            [*chain(*frame[at : at + BUS_BYTES]), int(at + BUS_BYTES == len(frame)), FALSE]
            for at in range(0, len(frame), BUS_BYTES)
        ]

    def _fresh(self) -> Edge:
        self._variables += 1
        return self.bdd.var(self._variables)

    def _byte(self) -> Byte:
        return [self._fresh() for _ in range(8)]

    def _packet(self, payload: list[Byte]) -> list[Byte]:
        """Return the packet with ``payload``, as its rules define it."""
        body = [_constant(len(payload)), _constant(0), *payload]
        crc = _constant(_ALL_ONES, 16)
        for bit in chain(*body):
            feedback = self.bdd.xor(crc[0], bit)
            crc = [
                self.bdd.xor(old, feedback) if _POLYNOMIAL >> place & 1 else old
                for place, old in enumerate([*crc[1:], FALSE])
            ]
        inverted = [bit ^ 1 for bit in crc]
        return [_constant(SYNC), *body, inverted[:8], inverted[8:]]

    # --- A good exchange ---------------------------------------------------------------------

    def follow(self) -> tuple[int, int]:
        """Return how many states an exchange has, and the most cycles in which nothing moves.

        The latter when all that is offered is taken, and all that can be given is given. Raises
        ``ExchangeError`` if something is wrong.
        """
        start = tuple(self._at_rest(bit) for bit in self.flops)
        numbers = {(start, _Host()): 0}
        waiting = [(start, _Host())]
        still: dict[int, set[int]] = {}
        ended = False
        while waiting:
            state, host = waiting.pop()
            if host.heard == len(self.reply):
                self._check_rest(state, host)
                ended = True
                continue
            for after, eager in self._steps(state, host):
                if after not in numbers:
                    numbers[after] = len(numbers)
                    waiting.append(after)
                if eager:
                    still.setdefault(numbers[state, host], set()).add(numbers[after])
            if len(numbers) > _MOST_STATES:
                raise ExchangeError("order", f"there are more than {_MOST_STATES} states")
        if not ended:
            raise ExchangeError("order", "the reply never ends")
        most, loop = longest(still)
        if loop is not None:
            raise ExchangeError("progress", "nothing more happens, though all is given and taken")
        return len(numbers), most

    def _at_rest(self, bit: Bit) -> Edge:
        """Return what a register holds when the link listens: data are anything."""
        if bit in self.fsm:
            return int(bool(self.gates.flops[bit].init))
        return FALSE if bit in (self.offer, self.takes) else self._anything[bit]

    def _check_rest(self, state: State, host: _Host) -> None:
        if not host.answered:
            raise ExchangeError("order", "the reply ends, and the result was not taken")
        held = dict(zip(self.flops, state, strict=True))
        rest = {bit: int(bool(self.gates.flops[bit].init)) for bit in self.fsm}
        rest |= {self.offer: FALSE, self.takes: FALSE}
        if any(held[bit] != value for bit, value in rest.items()):
            raise ExchangeError("order", "after the reply the link does not listen")

    def _steps(self, state: State, host: _Host) -> Iterator[tuple[tuple[State, _Host], bool]]:
        """Yield what one cycle leads to, and whether all was given and taken and nothing moved."""
        held = dict(zip(self.flops, state, strict=True))
        can_send = host.sent < len(self.request) and held[self.offer] == FALSE
        between = 0 < host.sent < len(self.request)
        sends = (False, True) if can_send else (False,)
        ticks = (False,) if between and host.ticked else (False, True)
        may_answer = host.taken == len(self.beats) and not host.answered and not host.answers
        answers = (False, True) if may_answer else (host.answers,)
        for send, tick, answer, takes_beat, takes_byte in product(
            sends, ticks, answers, (False, True), (False, True)
        ):
            given = {"rx_valid": send, "tick": tick, "results__valid": answer}
            given |= {"frames__ready": takes_beat, "tx__ready": takes_byte}
            after, takes = self._cycle(held, given, host, send)
            then = replace(host, ticked=(host.ticked or tick) and not send, answers=answer)
            then = replace(then, sent=host.sent + send)
            if takes.beat and takes_beat:
                then = replace(then, taken=host.taken + 1)
            if takes.byte and takes_byte:
                then = replace(then, heard=host.heard + 1)
            if takes.result:
                if not answer:
                    raise ExchangeError("order", "the link takes a result that is not there")
                then = replace(then, answers=False, answered=True)
            moved = (then.sent, then.taken, then.heard, then.answered) != (
                host.sent,
                host.taken,
                host.heard,
                host.answered,
            )
            eager = takes_beat and takes_byte and send == can_send
            eager = eager and (answer or not may_answer) and (tick or not between)
            yield (after, then), eager and not moved

    def _cycle(
        self, held: dict[Bit, Edge], given: dict[str, bool], host: _Host, send: bool
    ) -> tuple[State, "_Shown"]:
        """Return the next state, and what the link shows in this cycle, if that is right."""
        values = dict(held)
        words = {"rx_byte": self.request[host.sent] if send else self._no_byte}
        answer = [*chain(*self.result)] if given["results__valid"] else self._no_result
        words |= {"results__payload": answer}
        words |= {name: [int(value)] for name, value in given.items()}
        words |= {"rst": [FALSE], "rx_error": [FALSE], "clk": [FALSE]}
        for name, edges in words.items():
            values.update(zip(self.gates.inputs[name], edges, strict=True))

        def show(name: str) -> list[Edge]:
            return self.gates.evaluate(self.bdd, self.gates.outputs[name], values, self._loose)

        (beat,), (byte,), (result,) = map(show, ("frames__valid", "tx__valid", "results__ready"))
        data = [self.gates.flops[bit].data for bit in self.flops]
        taken = self.gates.evaluate(self.bdd, data, values, self._loose)
        after = tuple(map(self._settled, self.flops, taken))
        control = [after[self.flops.index(bit)] for bit in (*self.fsm, self.offer, self.takes)]
        if max(*control, beat, byte, result) > TRUE:
            raise ExchangeError(
                "order", "what the link does depends on the frame, or on what is past"
            )
        if beat:
            _check("beat", self.beats, host.taken, show("frames__payload"))
        if byte:
            _check("byte of the reply", self.reply, host.heard, show("tx__payload"))
        return after, _Shown(bool(beat), bool(byte), bool(result))

    def _settled(self, bit: Bit, edge: Edge) -> Edge:
        """Return what a register is taken to hold: anything, unless the packets alone say what."""
        if edge not in self._fixed:
            self._fixed[edge] = max(self.bdd.support(edge), default=0) <= self._known
        return edge if self._fixed[edge] else self._anything[bit]

    def _loose(self, bit: Bit) -> Edge:
        return self._fresh()

    # --- After anything ----------------------------------------------------------------------

    def check_return(self) -> None:
        """Raise ``ExchangeError`` if there is a state from which the link may not listen again.

        A state is good if all that it leads to is good or itself, and something that comes in the
        end leads it only to what is good: a tick, or that what it offers or waits for is there.
        """
        index = [bit for bit in self.gates.signals["link.index"] if bit in self.gates.flops]
        (quiet,) = self.gates.signals["link.quiet"]
        watched = [*self.fsm, *index, quiet, self.offer]
        rest = tuple(int(bool(self.gates.flops[bit].init)) for bit in self.fsm)
        others = list(product((0, 1), repeat=len(watched) - len(self.fsm)))
        states = {code + other for code in self._codes(rest) for other in others}
        good = {state for state in states if state[: len(rest)] == rest}
        leads = {state: list(self._leads(watched, state)) for state in states - good}
        while True:
            more = {
                state
                for state, (whatever, *chances) in leads.items()
                if whatever <= good | {state} and any(chance <= good for chance in chances)
            } - good
            if not more:
                break
            good |= more
        if stuck := len(states - good):
            raise ExchangeError(
                "returns", f"in {stuck} of {len(states)} states it may never listen again"
            )

    def _leads(self, watched: list[Bit], state: tuple[int, ...]) -> Iterator[set[tuple[int, ...]]]:
        """Yield the states to which one leads, whatever happens and at each chance that it has.

        The line to the link is quiet, and all other registers hold anything.
        """
        held = dict(self._anything) | dict(zip(watched, state, strict=True))
        quiet = {"rx_valid": 0, "rx_error": 0}
        yield set(self._values(self._after(held, watched, quiet)))
        (sends,) = self.gates.evaluate(
            self.bdd, self.gates.outputs["tx__valid"], dict(held), self._loose
        )
        chances = ["tick", "results__valid"]
        chances += ["tx__ready"] if sends == TRUE else []
        chances += ["frames__ready"] if held[self.offer] == TRUE else []
        for chance in chances:
            yield set(self._values(self._after(held, watched, {**quiet, chance: 1})))

    def _codes(self, rest: tuple[int, ...]) -> list[tuple[int, ...]]:
        """Return the codes of the state machine that it can reach, for any input."""
        found, waiting = {rest}, [rest]
        while waiting:
            code = waiting.pop()
            held = dict(self._anything) | dict(zip(self.fsm, code, strict=True))
            for then in self._values(self._after(held, self.fsm, {})):
                if then not in found:
                    found.add(then)
                    waiting.append(then)
        return sorted(found)

    def _after(
        self, held: dict[Bit, Edge], watched: list[Bit], given: dict[str, int]
    ) -> list[Edge]:
        """Return what registers take, with inputs that are anything unless ``given``."""
        values = dict(held)
        for name, value in {"rst": 0, "clk": 0, **given}.items():
            values[self.gates.inputs[name][0]] = value
        data = [self.gates.flops[bit].data for bit in watched]
        return self.gates.evaluate(self.bdd, data, values, self._loose)

    def _values(self, functions: Sequence[Edge], given: Edge = TRUE) -> Iterator[tuple[int, ...]]:
        """Yield every combination of values that ``functions`` can have together."""
        if not functions:
            yield ()
            return
        first, *others = functions
        for value in (0, 1):
            possible = self.bdd.conj(given, first ^ 1 ^ value)
            if possible != FALSE:
                yield from ((value, *rest) for rest in self._values(others, possible))


def state_machine(gates: Gates) -> list[Bit]:
    """Return the register of a link's state machine."""
    named = [bits for name, bits in gates.signals.items() if name.endswith("fsm_state")]
    return [bit for bit in min(named, key=len) if bit in gates.flops]


def _check(what: str, expected: Sequence[Sequence[Edge]], at: int, got: Sequence[Edge]) -> None:
    if at >= len(expected):
        raise ExchangeError("order", f"there is one more {what} than {len(expected)}")
    if list(expected[at]) != list(got):
        raise ExchangeError("order", f"{what} {at} is not what it should be")


def _constant(value: int, width: int = 8) -> list[Edge]:
    return [value >> place & 1 for place in range(width)]
