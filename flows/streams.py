"""The stream rules, proved of every stream component of htaflow with small parameters.

What a component does with valid and ready does not depend on how wide its payload is, so a narrow
one shows it. Each is generated, read as gates and explored (:mod:`htaflow.flows.reachable`): every
state that it can reach, with every input. A serial line is followed bit by bit for all bytes, and
of a packet link, which has too many states, the rule "held" is proved by induction.
"""

from collections.abc import Callable, Hashable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np
from amaranth.hdl import Module
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out

from htaflow.flows.bdd import FALSE, TRUE, Bdd, Edge
from htaflow.flows.gates import Bit, Gates, read_gates
from htaflow.flows.reachable import RULES, Payload, Reference, explore
from htaflow.flows.sequences import Ports, SequenceError
from htaflow.hw.component import LayerComponent
from htaflow.hw.cut import cut
from htaflow.hw.encode import BeatEncoder, FrameEncoder
from htaflow.hw.image import Gatherer, Serialiser
from htaflow.hw.layout import InputLayout
from htaflow.hw.logic import Logic
from htaflow.hw.packet import Link
from htaflow.hw.spiking import Membranes
from htaflow.hw.stage import Stage, Tap, chain_modules
from htaflow.hw.steps import StepAccumulator, StepPresenter
from htaflow.hw.uart import Receiver, Transmitter
from htaflow.hw.verilog import convert
from htaflow.hw.window import SHORT_LINE, Windows
from htaflow.model.network import (
    Accumulate,
    Conv2d,
    Encode,
    MaxPool2d,
    Spiking,
    Steps,
    Values,
    Windowed,
)
from htaflow.model.progress import Progress, silent


@dataclass
class StreamProof:
    """What is proved of a component.

    Attributes:
        name: what it is, with its parameters.
        method: how it is proved.
        rules: those that are proved.
        broken: those that do not hold, each with what shows it.
        bound: cycles within which something happens, if it is about that.
        states, transitions: how many were explored.
        open: why something could not be decided, if so.
    """

    name: str
    method: str
    rules: list[str] = field(default_factory=list)
    broken: dict[str, str] = field(default_factory=dict)
    bound: int | None = None
    states: int | None = None
    transitions: int | None = None
    open: str = ""

    @property
    def closed(self) -> bool:
        """Whether all rules are proved."""
        return bool(self.rules) and not self.broken and not self.open

    def describe(self) -> dict[str, Any]:
        """Return it as it stands in a certificate."""
        return asdict(self)


@dataclass(frozen=True)
class Design:
    """A small component: its Verilog, module ``top``, and what it must do."""

    name: str
    verilog: str
    payloads: Sequence[Payload]
    reference: Reference
    remembered: Hashable = ()

    def ports(self, gates: Gates) -> Ports:
        """Return where it ends."""
        return _ports(gates, "input", "output")


def _ports(gates: Gates, taken: str, yielded: str) -> Ports:
    """Return the ports of the streams ``taken`` and ``yielded`` of a whole design."""
    inputs, outputs = gates.inputs, gates.outputs
    return Ports(
        inputs[f"{taken}__payload"],
        inputs[f"{taken}__valid"][0],
        outputs[f"{taken}__ready"][0],
        outputs[f"{yielded}__payload"],
        outputs[f"{yielded}__valid"][0],
        inputs[f"{yielded}__ready"][0],
        inputs["rst"][0],
    )


def prove_design(design: Design) -> StreamProof:
    """Explore a small component."""
    gates = read_gates(design.verilog, "top")
    found = explore(
        gates, design.ports(gates), design.payloads, design.reference, design.remembered
    )
    proof = StreamProof(design.name, "every reachable state", open=found.open, broken=found.broken)
    if not proof.open:
        proof.rules = (
            [rule for rule in RULES if rule not in found.broken] if not found.broken else []
        )
    proof.states, proof.transitions = found.states, found.transitions
    proof.bound = found.most_cycles
    return proof


def prove_streams(progress: Progress = silent) -> Iterator[StreamProof]:
    """Yield a proof for each stream component."""
    for make in DESIGNS:
        design = make()
        progress(f"prove: the stream rules of {design.name}")
        yield prove_design(design)
    progress("prove: the serial line and the packet link")
    yield prove_line(line_verilog())
    yield prove_link(link_verilog())


# --- Components of a network ---------------------------------------------------------------------


def _component(name: str, component: LayerComponent, **rest: Any) -> Design:
    text = convert(component, "top", component.modules)
    return Design(name, text, **rest)


def _stages(name: str, stages: Sequence[Stage], reference: Reference) -> Design:
    text = "\n".join(chain_modules(stages).values())
    inputs = len(stages[0].logic.inputs)
    return Design(name, text, range(1 << inputs), reference)


def _gate(name: str) -> Logic:
    """Return logic of two bits: their AND, and their XOR, the latter in two steps."""
    logic = Logic(f"{name}_logic", 2)
    a, b = logic.inputs
    logic.outputs = [logic.table(0b1000, [a, b]), logic.table(0b0110, [a, b])]
    return logic


def _gated(word: int) -> int:
    a, b = word & 1, word >> 1
    return a & b | (a ^ b) << 1


def _stage() -> Design:
    def reference(remembered: Hashable, word: Payload) -> tuple[Hashable, list[Payload]]:
        return (), [_gated(word)]

    return _stages("a stage", [Stage("one", _gate("one"), chain="top")], reference)


def _free_stage() -> Design:
    def reference(remembered: Hashable, word: Payload) -> tuple[Hashable, list[Payload]]:
        return (), [_gated(_gated(word))]

    stages = [
        Stage("one", _gate("one"), registered=False, chain="top"),
        Stage("two", _gate("two"), chain="top"),
    ]
    return _stages("a stage without a register, then one with", stages, reference)


def _cut_stage() -> Design:
    logic = Logic("one_logic", 3)
    a, b, c = logic.inputs
    logic.outputs = [logic.add(0b1000, (logic.add(0b0110, (a, b)), logic.add(0b1110, (b, c))))]
    parts = cut(logic, 1)
    if len(parts) < 2:  # the rule would be about a stage that is not cut
        deeper = logic.outputs[0]
        for net in (a, b, c, a, b):
            deeper = logic.add(0b0110, (net, deeper))
        logic.outputs = [deeper]
        parts = cut(logic, 1)
    assert len(parts) > 1

    def reference(remembered: Hashable, word: Payload) -> tuple[Hashable, list[Payload]]:
        bits = np.array([[word >> place & 1 for place in range(3)]], np.bool_)
        return (), [int(logic.evaluate(bits)[0, 0])]

    stage = Stage("one", logic, parts=parts, chain="top")
    return _stages(f"a stage cut into {len(parts)} parts", [stage], reference)


def _carrying() -> Design:
    same = Logic("tap_logic", 2)
    same.outputs = same.sources

    def reference(remembered: Hashable, word: Payload) -> tuple[Hashable, list[Payload]]:
        return (), [_gated(_gated(word)) | word << 2]

    stages = [
        Tap("tap", same, registered=False, chain="top"),
        Stage("one", _gate("one"), chain="top", carried=2),
        Stage("two", _gate("two"), chain="top", carried=2),
    ]
    return _stages("two stages past which concepts are carried", stages, reference)


_ENCODE = Encode("first", 2, 1, False, np.arange(2), np.full(2, 1))
_TWO_BEATS = Encode("first", 2, 8, False, np.arange(2), np.full(2, 128))


def _frame_encoder() -> Design:
    layout = InputLayout(_ENCODE.input)

    def reference(remembered: Hashable, beat: Payload) -> tuple[Hashable, list[Payload]]:
        last, error = beat >> 8 & 1, beat >> 9 & 1
        good = bool(last) and not error and not remembered
        return not last, [beat & 3] if good else []

    return _component(
        "FrameEncoder, one beat of 2 features",
        FrameEncoder(_ENCODE, layout),
        payloads=[data | flags << 8 for data in range(4) for flags in range(4)],
        reference=reference,
        remembered=False,
    )


def _beat_encoder() -> Design:
    layout = InputLayout(_TWO_BEATS.input, 8)

    def reference(remembered: Any, beat: Payload) -> tuple[Hashable, list[Payload]]:
        bits = (*remembered, beat >> 7 & 1)[:3]
        if not beat >> 8 & 1:
            return bits, []
        good = len(bits) == layout.beats and not beat >> 9 & 1
        return (), [bits[0] | bits[1] << 1] if good else []

    return _component(
        "BeatEncoder, 2 beats of 1 feature",
        BeatEncoder(_TWO_BEATS, layout, [0, 1]),
        payloads=[data << 7 | flags << 8 for data in range(2) for flags in range(4)],
        reference=reference,
    )


def _presenter(coding: Any) -> Design:
    layer = Steps("steps", 3, coding)
    values = Values((3,) if coding == "split" else (2,), 0, 1)

    def reference(remembered: Hashable, word: Payload) -> tuple[Hashable, list[Payload]]:
        if coding == "split":
            return (), [word >> step & 1 for step in range(3)]
        return (), [word] * 3

    return _component(
        f"StepPresenter, 3 steps, {coding}",
        StepPresenter(layer, values),
        payloads=range(1 << values.count),
        reference=reference,
    )


def _accumulator() -> Design:
    layer = Accumulate("total")

    def reference(remembered: Any, word: Payload) -> tuple[Hashable, list[Payload]]:
        steps = (*remembered, word)
        if len(steps) < 3:
            return steps, []
        counts = [sum(step >> n & 1 for step in steps) for n in range(2)]
        return (), [counts[0] | counts[1] << 2]

    return _component(
        "StepAccumulator, 2 values, 3 steps",
        StepAccumulator(layer, Values((2,), 0, 1, 3)),
        payloads=range(4),
        reference=reference,
    )


def _membranes(reset: Any) -> Design:
    layer = Spiking(
        "spikes", np.array([[1, 1], [1, -1]]), np.array([2, 1]), leak=1, reset=reset, fraction=1
    )

    def reference(remembered: Any, word: Payload) -> tuple[Hashable, list[Payload]]:
        at, membranes, spiked = remembered
        bits = [word & 1, word >> 1]
        after, fired = [], []
        for n in range(2):
            v = membranes[n] - (membranes[n] >> 1)
            if reset == "subtract":
                v -= int(layer.thresholds[n]) * spiked[n]
            elif spiked[n]:
                v = 0
            v += sum(int(w) * b for w, b in zip(layer.weights[n], bits, strict=True)) << 1
            after.append(v)
            fired.append(int(v >= int(layer.thresholds[n])))
        rest: Hashable = (at + 1, tuple(after), tuple(fired)) if at < 2 else _REST
        return rest, [fired[0] | fired[1] << 1]

    return _component(
        f"Membranes, 2 neurons, 3 steps, reset: {reset}",
        Membranes(layer, Values((2,), 0, 1, 3)),
        payloads=range(4),
        reference=reference,
        remembered=_REST,
    )


_REST = (0, (0, 0), (0, 0))


def _serialiser() -> Design:
    def reference(remembered: Hashable, word: Payload) -> tuple[Hashable, list[Payload]]:
        return (), [word >> pixel & 1 | (word >> (pixel + 2) & 1) << 1 for pixel in range(2)]

    return _component(
        "Serialiser, 2 channels of 1 x 2 pixels",
        Serialiser("pixels", Values((2, 1, 2), 0, 1)),
        payloads=range(16),
        reference=reference,
    )


def _gatherer() -> Design:
    def reference(remembered: Any, pixel: Payload) -> tuple[Hashable, list[Payload]]:
        if not remembered:
            return (pixel,), []
        return (), [
            remembered[0] & 1 | (pixel & 1) << 1 | (remembered[0] >> 1) << 2 | (pixel >> 1) << 3
        ]

    return _component(
        "Gatherer, 2 channels of 1 x 2 pixels",
        Gatherer("frame", Values((2, 1, 2), 0, 1)),
        payloads=range(4),
        reference=reference,
    )


def _windows(layer: Windowed, image: Values, what: str) -> Design:
    taps = layer.taps(image)
    needs = _needed(layer, image)

    def reference(remembered: Any, pixel: Payload) -> tuple[Hashable, list[Payload]]:
        bits = (*remembered, pixel)
        seen = (*bits, *[0] * (image.count - len(bits)), layer.pad_bit)
        leaving = [
            sum(seen[tap] << place for place, tap in enumerate(window))
            for window, needed in zip(taps, needs, strict=True)
            if needed == len(bits)
        ]
        return bits if len(bits) < image.count else (), leaving

    return _component(
        f"Windows, {what}", Windows("window", layer, image), payloads=(0, 1), reference=reference
    )


def _needed(layer: Windowed, image: Values) -> list[int]:
    """Return how many pixels must have come before each window is complete, in scanning order."""
    _, height, width = image.shape
    rows, columns = layer.grid(image)
    found = []
    for row in range(rows):
        y = row * layer.stride[0] + layer.kernel[0] - 1 - layer.padding[0]
        for column in range(columns):
            x = column * layer.stride[1] + layer.kernel[1] - 1 - layer.padding[1]
            before = min(max(y, 0), height) * width
            found.append(before + (min(max(x + 1, 0), width) if 0 <= y < height else 0))
    return found


def _plain_windows() -> Design:
    layer = MaxPool2d("window", (2, 2))
    return _windows(layer, Values((1, 3, 2), 0, 1), "2 x 2 of 3 x 2 pixels, in registers")


def _padded_windows() -> Design:
    layer = Conv2d(
        "window",
        (2, 2),
        np.ones((1, 4), np.int8),
        np.zeros(1, np.int8),
        padding=(1, 1),
        stride=(2, 1),
        pad_bit=1,
    )
    return _windows(
        layer, Values((1, 2, 2), 0, 1), "2 x 2 of 2 x 2 pixels, padding 1, stride 2 x 1"
    )


def _memory_windows() -> Design:
    layer = MaxPool2d("window", (2, 1), stride=(2, 1))
    image = Values((1, 2, SHORT_LINE), 0, 1)
    return _windows(layer, image, f"2 x 1 of 2 x {SHORT_LINE} pixels, in memory")


DESIGNS: Sequence[Callable[[], Design]] = (
    _stage,
    _free_stage,
    _cut_stage,
    _carrying,
    _frame_encoder,
    _beat_encoder,
    lambda: _presenter("direct"),
    lambda: _presenter("split"),
    lambda: _membranes("subtract"),
    lambda: _membranes("zero"),
    _accumulator,
    _serialiser,
    _gatherer,
    _plain_windows,
    _padded_windows,
    _memory_windows,
)
"""Makers of every stream component, small."""


# --- The serial line ------------------------------------------------------------------------------


LINE_DIVISOR = 8
"""Cycles a bit: with so many a byte has arrived before the next one begins."""


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
    return convert(_Line(divisor), "top", {})


def prove_line(text: str, divisor: int = LINE_DIVISOR) -> StreamProof:
    """Prove that every byte gets over a serial line once, unchanged and in order.

    Two bytes, which are variables, are followed with every pause between them until the line is at
    rest. With each the line is afterwards where it would be had the second been the first, so that
    what holds for two holds for any number.
    """
    line = _Follow(read_gates(text, "top"))
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
            if both.outputs != [one, two]:
                raise SequenceError(f"two bytes do not arrive if {pause} cycles are between them")
            if both.taken[1] != fresh.taken[0]:
                raise SequenceError(f"after a pause of {pause} cycles the line is in another state")
    except SequenceError as error:
        proof.broken["order"] = str(error)
        return proof
    proof.rules, proof.bound = ["order", "progress"], line.cycles
    return proof


@dataclass(frozen=True)
class _Passage:
    """What came out, and the state after each byte was taken."""

    outputs: list[list[Edge]]
    taken: list[dict[Bit, Edge]]


class _Follow:
    """A serial line with bytes that are variables."""

    def __init__(self, gates: Gates) -> None:
        self.gates, self.bdd = gates, Bdd()
        self.ports = _ports(gates, "input", "output")
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
        found = _Passage([], [])
        wait = since = 0
        for _ in range(_MOST_CYCLES):
            at = len(found.taken)
            byte = given[at] if at < len(given) and not wait else None
            ready, arrived, state = self._cycle(state, byte)
            if arrived is not None:
                found.outputs.append(arrived)
            since += 1
            if ready and wait:
                wait -= 1
            if ready and byte is not None:
                found.taken.append(state)
                wait, since = pause, 0
            if len(found.taken) == len(given) and state == self.rest:
                self.cycles = max(self.cycles, since)
                return found
        raise SequenceError("the line does not come to rest")


# --- The packet link ------------------------------------------------------------------------------


class _PlainLink(wiring.Component):
    """A packet link whose bytes from the line are no stream: they cannot be paused."""

    def __init__(self) -> None:
        self._link = link = Link(beats=2, bus_bits=16, output_bits=16)
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
    return convert(_PlainLink(), "top", {})


def prove_link(text: str) -> StreamProof:
    """Prove by induction that what a packet link offers to either side waits until it is taken."""
    gates = read_gates(text, "top")
    proof = StreamProof(
        "packet Link, 2 beats of 2 bytes, results of 2 bytes; rules order, progress not proved",
        "induction over one cycle, from every state that its invariants allow; assumed of the "
        "network: a result waits until it is taken",
    )
    cycle = _LinkCycle(gates)
    for name in ("frames", "tx"):
        what = cycle.broken(name)
        if what:
            proof.broken[f"held ({name})"] = what
        else:
            proof.rules.append(f"held ({name})")
        proof.rules += [] if cycle.waits(name) else [f"waits ({name})"]
        if cycle.waits(name):
            proof.broken[f"waits ({name})"] = "whether it is valid depends on ready"
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
        self.state = self._state()

    def _fresh(self) -> Edge:
        self._variables += 1
        return self.bdd.var(self._variables)

    def _loose(self, bit: Bit) -> Edge:
        return self._fresh()

    def _state(self) -> list[Bit]:
        """Return the register of the link's state machine."""
        named = [bits for name, bits in self.gates.signals.items() if name.endswith("fsm_state")]
        return [bit for bit in min(named, key=len) if bit in self.gates.flops]

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
