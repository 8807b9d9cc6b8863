"""The packet link, proved.

It has too many states to explore, its CRC alone 65,536. So that what it offers to the line and to
the network waits until it is taken is proved by induction; what it makes of requests and results is
followed with data that are variables: :mod:`htaflow.flows.proof.streams.packet_protocol`.
"""

from collections.abc import Mapping

from amaranth.hdl import Module
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out

from htaflow.flows.proof.bdd import FALSE, TRUE, Bdd, Edge
from htaflow.flows.proof.gates import Bit, Gates
from htaflow.flows.proof.streams.packet_protocol import (
    BEATS,
    BUS_BYTES,
    RESULT_BYTES,
    Exchange,
    ExchangeError,
    state_machine,
)
from htaflow.flows.proof.streams.stream_proof import StreamProof
from htaflow.hw.board.packet import Link
from htaflow.hw.verilog import to_verilog


class _PlainLink(wiring.Component):
    """A packet link whose bytes from the line are no stream: they cannot be paused."""

    def __init__(self) -> None:
        self._link = link = Link(beats=BEATS, bus_bits=8 * BUS_BYTES, output_bits=8 * RESULT_BYTES)
        super().__init__(
            {
                "rx_valid": In(1),
                "rx_byte": In(8),
                "rx_error": In(1),
                "tick": In(1),
                "tx": Out(link.tx.signature),
                "frames": Out(link.frames.signature),
                "results": In(stream.Signature(16)),
            }
        )

    def elaborate(self, platform: object) -> Module:
        """Connect the link."""
        m = Module()
        m.submodules.link = link = self._link
        wiring.connect(m, link.tx, wiring.flipped(self.tx))
        wiring.connect(m, link.frames, wiring.flipped(self.frames))
        wiring.connect(m, wiring.flipped(self.results), link.results)
        m.d.comb += [
            link.rx.valid.eq(self.rx_valid),
            link.rx.payload.eq(self.rx_byte),
            link.rx_error.eq(self.rx_error),
            link.tick.eq(self.tick),
        ]
        return m


def link_verilog() -> str:
    """Return the Verilog of a packet link with small parameters, module ``top``."""
    return to_verilog(_PlainLink(), "top", {})


def prove_link(gates: Gates) -> StreamProof:
    """Prove the rules of a packet link.

    Beside those of every stream: a good request becomes its frame, and its result the reply
    ("order"), neither stops for good ("progress"), and whatever went wrong it listens again
    ("returns").
    """
    proof = StreamProof(
        f"packet Link, {BEATS} beats of {BUS_BYTES} bytes, results of {RESULT_BYTES} bytes",
        "held, waits: induction over one cycle, from every state that its invariants allow; order, "
        "progress: every state of a good exchange, for all frames and results; returns: every "
        "state of its state machine, with anything in its other registers; assumed: a result waits "
        "until it is taken, one is on offer whenever the link waits for it, ticks go on coming, "
        "and a beat is taken before the byte after it comes",
    )
    cycle = _LinkCycle(gates)
    for name in ("frames", "tx"):
        broken = {"held": cycle.broken(name)}
        broken["waits"] = "whether it is valid depends on ready" if cycle.waits(name) else ""
        for rule, what in broken.items():
            if what:
                proof.broken[f"{rule} ({name})"] = what
            else:
                proof.rules.append(f"{rule} ({name})")
    exchange = Exchange(gates)
    try:
        proof.states, proof.bound = exchange.follow()
        proof.rules += ["order", "progress"]
    except ExchangeError as error:
        proof.broken[error.rule] = str(error)
    try:
        exchange.check_return()
        proof.rules.append("returns")
    except ExchangeError as error:
        proof.broken[error.rule] = str(error)
    return proof


class _LinkCycle:
    """Two cycles of a link, one after another, as functions of its registers and inputs."""

    def __init__(self, gates: Gates) -> None:
        self.gates, self.bdd = gates, Bdd()
        self._variables = 0
        self.now = {bit: self._fresh() for bit in gates.flops}
        self.given = {
            bit: self._fresh()
            for name, bits in gates.inputs.items()
            if name != "clk"
            for bit in bits
        }
        reset = gates.inputs["rst"][0]
        self.given[reset] = FALSE
        self.first = {**self.now, **self.given}
        data = [flop.data for flop in gates.flops.values()]
        taken = gates.evaluate(self.bdd, data, self.first, self._loose)
        self.after = dict(zip(gates.flops, taken, strict=True))
        later = {bit: self._fresh() for bit in self.given}
        later[reset] = FALSE
        (moves,) = gates.evaluate(
            self.bdd, gates.outputs["results__ready"], self.first, self._loose
        )
        for bit in gates.inputs["results__payload"]:
            later[bit] = self.bdd.mux(moves, self.given[bit], later[bit])
        self.second = {**self.after, **later}
        self.state = state_machine(gates)

    def _fresh(self) -> Edge:
        self._variables += 1
        return self.bdd.var(self._variables)

    def _loose(self, bit: Bit) -> Edge:
        return self._fresh()

    def waits(self, name: str) -> bool:
        """Return whether ``valid`` of a stream depends on its ``ready``."""
        (valid,) = self.gates.evaluate(
            self.bdd, self.gates.outputs[f"{name}__valid"], self.first, self._loose
        )
        (ready,) = (self.given[bit] for bit in self.gates.inputs[f"{name}__ready"])
        return not self.bdd.support(valid).isdisjoint(self.bdd.support(ready))

    def broken(self, name: str) -> str:
        """Return what shows that a stream's offer does not wait, or nothing."""
        bdd, gates = self.bdd, self.gates
        roots = [*gates.outputs[f"{name}__valid"], *gates.outputs[f"{name}__payload"]]
        valid, *payload = gates.evaluate(bdd, roots, self.first, self._loose)
        again, *same = gates.evaluate(bdd, roots, self.second, self._loose)
        (ready,) = (self.given[bit] for bit in gates.inputs[f"{name}__ready"])
        waits = bdd.conj_all([valid, ready ^ 1, self._invariant()])
        changes = bdd.disj_all(bdd.xor(one, two) for one, two in zip(payload, same, strict=True))
        wrong = bdd.conj(waits, bdd.disj(again ^ 1, changes))
        if wrong == FALSE:
            return ""
        example = bdd.example(wrong)
        ones = [
            gates.name_of(bit)
            for bit, edge in self.first.items()
            if edge > TRUE
            and bit in (self.now | self.given)
            and bdd.value(edge, lambda v: example.get(v, False))
        ]
        return f"an offer changes before it is taken when these are 1: {', '.join(ones)}"

    def _invariant(self) -> Edge:
        """Return an invariant: which states are never reached, in which no beat or result is due.

        It is the strongest that is made of such statements: all of them are assumed, and those that
        one more cycle breaks are dropped, until none is.
        """
        bdd = self.bdd
        facts = [self.gates.outputs[f"{port}"][0] for port in ("frames__valid", "results__ready")]
        codes = range(1 << len(self.state))

        def is_code(values: Mapping[Bit, Edge], code: int) -> Edge:
            return bdd.conj_all(
                values[bit] ^ (1 - (code >> place & 1)) for place, bit in enumerate(self.state)
            )

        start = sum((self.gates.flops[bit].init or 0) << p for p, bit in enumerate(self.state))
        never = set(codes) - {start}
        empty = {(code, bit) for code in codes for bit in facts}
        while True:
            invariant = bdd.conj_all(
                [is_code(self.now, code) ^ 1 for code in never]
                + [
                    bdd.conj(is_code(self.now, code), self.now[bit]) ^ 1
                    for code, bit in empty
                    if code not in never
                ]
            )
            leads = {code: bdd.conj(invariant, is_code(self.after, code)) for code in codes}
            no_more = {code for code in never if leads[code] != FALSE}
            full = {
                (code, bit)
                for code, bit in empty
                if bdd.conj(leads[code], self.after[bit]) != FALSE
            }
            if not no_more and not full:
                return invariant
            never -= no_more
            empty -= full
