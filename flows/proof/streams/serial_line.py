"""The serial line, both its ends, proved: every byte arrives once, unchanged and in order."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from amaranth.hdl import Module
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out

from htaflow.flows.proof.bdd import FALSE, TRUE, Bdd, Edge
from htaflow.flows.proof.gates import Bit, Gates
from htaflow.flows.proof.streams.sequences import SequenceError
from htaflow.flows.proof.streams.stream_proof import StreamProof, ports_of_design
from htaflow.hw.board.uart import Receiver, Transmitter
from htaflow.hw.verilog import to_verilog

LINE_DIVISOR = 8
"""Cycles a bit, enough for a byte to arrive before the next one begins."""


_MOST_CYCLES = 4096


class _Line(wiring.Component):
    """A transmitter and a receiver on one line."""

    input: stream.Interface
    output: stream.Interface

    def __init__(self, divisor: int) -> None:
        self._divisor = divisor
        super().__init__({"input": In(stream.Signature(8)), "output": Out(stream.Signature(8))})

    def elaborate(self, platform: object) -> Module:
        """Connect them."""
        m = Module()
        m.submodules.transmitter = transmitter = Transmitter(self._divisor)
        m.submodules.receiver = receiver = Receiver(self._divisor)
        wiring.connect(m, wiring.flipped(self.input), transmitter.input)
        m.d.comb += [
            receiver.rx.eq(transmitter.tx),
            self.output.valid.eq(receiver.output.valid),
            self.output.payload.eq(receiver.output.payload),
        ]
        return m


def line_verilog(divisor: int = LINE_DIVISOR) -> str:
    """Return the Verilog of a serial line, both its ends, module ``top``."""
    return to_verilog(_Line(divisor), "top", {})


def prove_line(gates: Gates, divisor: int = LINE_DIVISOR) -> StreamProof:
    """Prove that every byte gets over a serial line once, unchanged and in order.

    Two bytes, which are variables, are followed with every pause between them until the line is at
    rest. With each the line is afterwards where it would be had the second been the first, so that
    what holds for two holds for any number.
    """
    line = _Follow(gates)
    proof = StreamProof(
        f"Transmitter to Receiver, {divisor} cycles a bit",
        "followed for all bytes and every pause between two of them",
    )
    one, two = ([line.bdd.var(8 * byte + place) for place in range(8)] for byte in range(2))
    try:
        line.settle()
        fresh = line.run([two], 0)
        for alone in (line.run([one], 0), line.run([one], 0, line.start)):  # at rest, after reset
            if alone.outputs != [one]:
                raise SequenceError("a byte does not arrive")
        for pause in range(line.cycles + 1):
            both = line.run([one, two], pause)
            rested = both.before[1] == line.rest
            if both.outputs != [one, two]:
                raise SequenceError(f"two bytes do not arrive if {pause} cycles are between them")
            if both.taken[1] != fresh.taken[0]:
                raise SequenceError(f"after a pause of {pause} cycles the line is in another state")
            if rested:  # and so it is after every longer pause
                break
    except SequenceError as error:
        proof.broken["order"] = str(error)
        return proof
    proof.rules, proof.bound = ["order", "progress"], line.cycles
    return proof


@dataclass(frozen=True)
class _Passage:
    """What came out, and the states before and after each byte was taken."""

    outputs: list[list[Edge]]
    before: list[dict[Bit, Edge]]
    taken: list[dict[Bit, Edge]]


class _Follow:
    """A serial line with bytes that are variables."""

    def __init__(self, gates: Gates) -> None:
        self.gates, self.bdd = gates, Bdd()
        self.ports = ports_of_design(gates, "input", "output")
        self.start = {bit: flop.init or 0 for bit, flop in gates.flops.items()}
        self.rest = self.start
        self.cycles = 0  # from when a byte is taken until the line is at rest

    def settle(self) -> None:
        """Find the state in which the line is when nothing is sent."""
        for _ in range(_MOST_CYCLES):
            before, self.rest = self.rest, self._cycle(self.rest, None)[2]
            if before == self.rest:
                return
        raise SequenceError("the line does not come to rest")

    def _cycle(
        self, state: Mapping[Bit, Edge], byte: Sequence[Edge] | None
    ) -> tuple[Edge, list[Edge] | None, dict[Bit, Edge]]:
        """Return whether a byte can be taken, what arrives, and the next state."""
        ports, gates = self.ports, self.gates
        values: dict[Bit, Edge] = dict(state)
        values.update(zip(ports.input, byte or [FALSE] * 8, strict=True))
        values |= {ports.input_valid: int(byte is not None)}
        values |= {ports.reset: FALSE, ports.output_ready: TRUE}
        roots = [ports.input_ready, ports.output_valid, *ports.output]
        roots += [flop.data for flop in gates.flops.values()]
        ready, valid, *rest = gates.evaluate(self.bdd, roots, values, lambda bit: FALSE)
        if ready > TRUE or valid > TRUE:
            raise SequenceError("when a byte is taken or arrives depends on bytes")
        return ready, rest[:8] if valid else None, dict(zip(gates.flops, rest[8:], strict=True))

    def run(
        self,
        given: Sequence[Sequence[Edge]],
        pause: int,
        start: Mapping[Bit, Edge] | None = None,
    ) -> _Passage:
        """Send bytes with ``pause`` cycles between them, until the line is at rest."""
        state = dict(self.rest if start is None else start)
        found = _Passage([], [], [])
        wait = since = 0
        for _ in range(_MOST_CYCLES):
            at = len(found.taken)
            byte = given[at] if at < len(given) and not wait else None
            before = state
            ready, arrived, state = self._cycle(state, byte)
            if arrived is not None:
                found.outputs.append(arrived)
            since += 1
            if ready and wait:
                wait -= 1
            if ready and byte is not None:
                found.before.append(before)
                found.taken.append(state)
                wait, since = pause, 0
            if len(found.taken) == len(given) and state == self.rest:
                self.cycles = max(self.cycles, since)
                return found
        raise SequenceError("the line does not come to rest")
