"""Every neuron and vote of the generated Verilog against its integer definition, for all inputs.

The Verilog is read as gates; the register in front of a layer stands for its inputs, which are
variables, and so each output bit becomes a decision diagram. The definition
(:mod:`.definition`) becomes another over the same variables, and equal functions are
the same diagram. Where hardware has left out what cannot matter, because inputs of the layer are
constant or equal to one another, the proof assumes no more than the definition of the layer before
has been shown to guarantee.
"""

import re
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from functools import partial
from typing import Any

import numpy as np
import numpy.typing as npt

from htaflow.flows.proof.bdd import FALSE, TRUE, Bdd, Edge, TooManyNodesError
from htaflow.flows.proof.definition import computes, define, define_step, define_total
from htaflow.flows.proof.gates import Bit, GateError, Gates
from htaflow.flows.proof.streams.sequences import Follower, Ports, SequenceError, ports_of
from htaflow.hw.layers.spiking import sums_name
from htaflow.model.integer.network import (
    Accumulate,
    ArgMax,
    Concepts,
    Flatten,
    Layer,
    Network,
    Spiking,
    Steps,
    Unflatten,
    Values,
    Windowed,
)
from htaflow.model.support.progress import Progress, silent

MOST_FAILURES = 10
"""Counterexamples that are kept of a layer; the others are counted."""


FRAMES = 2
"""Frames that are followed, one on the heels of another."""


@dataclass
class LayerProof:
    """What is proved of a layer.

    Attributes:
        name, type: the layer's.
        items: neurons, votes or numbers of which there is something to prove.
        proved: how many of them are.
        failures: counterexamples of others, the first few: the neuron, the inputs that are 1 (by
            index; all others of those that matter are 0), what is defined and what the Verilog
            gives.
        assumed: what the proof takes for granted of its inputs; the layer before guarantees it.
        open: why something could not be decided, if so.
        seconds: time taken.
    """

    name: str
    type: str
    items: int = 0
    proved: int = 0
    failures: list[dict[str, Any]] = field(default_factory=list)
    assumed: str = ""
    open: str = ""
    seconds: float = 0.0

    @property
    def closed(self) -> bool:
        """Whether all of it is proved."""
        return not self.open and self.proved == self.items > 0

    def describe(self) -> dict[str, Any]:
        """Return it as it stands in a certificate."""
        return asdict(self)


class _OpenError(Exception):
    """Something about a layer is not as it must be for a proof; the message says what."""


@dataclass(frozen=True)
class _Relation:
    """What is known of the bits between two layers: for each the literal that stands for it.

    Literals are (index of a bit or -1 for a constant, complemented).
    """

    literals: Sequence[tuple[int, bool]]

    @classmethod
    def none(cls, count: int) -> "_Relation":
        return cls([(index, False) for index in range(count)])

    @classmethod
    def of(cls, functions: Sequence[Edge]) -> "_Relation":
        """Return which of ``functions`` are constant, equal, or each other's complement."""
        first = {FALSE: (-1, False)}
        found = []
        for index, edge in enumerate(functions):
            where, flip = first.setdefault(edge & ~1, (index, bool(edge & 1)))
            found.append((where, flip != bool(edge & 1)))
        return cls(found)

    @property
    def text(self) -> str:
        """What is known, in words."""
        constant = sum(where < 0 for where, _ in self.literals)
        equal = sum(0 <= where != index for index, (where, _) in enumerate(self.literals))
        if not constant + equal:
            return ""
        return (
            f"{constant} inputs are constant and {equal} equal to another one or its complement, "
            "in every transfer: proved of the layer before"
        )


def prove_layers(
    gates: Gates, network: Network, interface: Mapping[str, Any], progress: Progress = silent
) -> Iterator[LayerProof]:
    """Yield a proof for each layer of ``network``, and one for the output word.

    ``gates`` are those of its ``top``, ``interface`` what ``rtl/top.json`` says.
    """
    prover = _Prover(gates, network, interface)
    for index, layer in enumerate(network.layers):
        proof = LayerProof(layer.name, layer.type)
        begun = time.monotonic()
        progress(f"prove: layer {layer.name} ({layer.type})")
        try:
            prover.prove(index, layer, proof)
        except (_OpenError, SequenceError, TooManyNodesError, GateError, KeyError) as error:
            proof.open = f"not proved: layer {layer.name} ({layer.type}): {error}"
            prover.go_on(layer)
        proof.seconds = round(time.monotonic() - begun, 3)
        yield proof
    proof = LayerProof("result", "output word")
    try:
        prover.prove_result(proof)
    except (_OpenError, KeyError) as error:
        proof.open = f"not proved: the output word: {error}"
    yield proof


class _Prover:
    """The design, and where in it the proof has got to."""

    def __init__(self, gates: Gates, network: Network, interface: Mapping[str, Any]) -> None:
        self.gates = gates
        self.network = network
        self.interface = interface
        self.stages = {stage["name"]: stage for stage in interface["stages"]}
        self.relation = _Relation.none(0)
        self.payload: list[Bit] = []  # what the layer before yields

    def prove(self, index: int, layer: Layer, proof: LayerProof) -> None:
        """Prove ``layer``."""
        values = self.network.input
        if index:
            values = self.network.values[self.network.layers[index - 1].name]
        if not index:
            self._first(proof)
        elif isinstance(layer, Steps | Unflatten | Flatten):
            self._move(layer, values, proof)
        elif isinstance(layer, Spiking):
            self._spiking(layer, values, proof)
        elif isinstance(layer, Accumulate):
            self._accumulate(layer, values, proof)
        elif computes(layer):
            if isinstance(layer, Windowed):
                self._windows(layer, values, proof)
                values = layer.window(values)
                self.relation = _Relation.none(values.count)
            self._stage(layer, values, proof)
        else:
            raise _OpenError("there is no proof for its kind")

    def go_on(self, layer: Layer) -> None:
        """Take up the proof behind ``layer``, of which nothing is known."""
        self.payload = self.gates.signals.get(str(self.stages[layer.name]["probe"]), [])
        self.relation = _Relation.none(len(self.payload))

    # --- Combinational logic, and the registers behind it ------------------------------------

    def _signal(self, name: str) -> list[Bit]:
        if name not in self.gates.signals:
            raise _OpenError(f"the Verilog has no signal {name}")
        return self.gates.signals[name]

    def _inputs(
        self, bdd: Bdd, count: int, order: Callable[[int], int] | None = None
    ) -> list[Edge]:
        """Return variables for ``count`` input bits, or what stands for them."""
        found = []
        for where, flip in self.relation.literals:
            edge = FALSE if where < 0 else bdd.var(order(where) if order else where)
            found.append(edge ^ int(flip))
        if len(found) != count:
            raise _OpenError(f"{len(found)} bits come in, not {count}")
        return found

    def _frames(self, bdd: Bdd, count: int, proof: LayerProof) -> Iterator[list[Edge]]:
        """Yield frames of ``count`` bits each: variables of their own, or what stands for them.

        An image comes pixel by pixel; in each, what is known of its channels holds.
        """
        proof.assumed = self.relation.text
        pixels, left = divmod(count, len(self.relation.literals))
        if left:
            raise _OpenError(f"{len(self.relation.literals)} bits come in at once, of {count}")
        for number in range(FRAMES):
            yield [
                (FALSE if where < 0 else bdd.var(number * count + where * pixels + pixel))
                ^ int(flip)
                for where, flip in self.relation.literals
                for pixel in range(pixels)
            ]

    def _stage(self, layer: Layer, values: Values, proof: LayerProof) -> None:
        """Prove a layer of combinational logic in a chain of stages."""
        bdd = Bdd()
        order = None
        if isinstance(layer, ArgMax):
            # The scores' highest bits first: only which scores are still in must be remembered.
            count, width = values.count, values.width
            order = lambda bit: (width - 1 - bit % width) * count + bit // width  # noqa: E731
        fed = self._inputs(bdd, values.count * values.width, order)
        proof.assumed = self.relation.text
        got = self._through(bdd, layer.name, fed, self._registers(layer.name))
        defined = define(layer, bdd, values, fed)
        back = None if order is None else {order(bit): bit for bit in range(len(fed))}
        widths = self._widths(layer, values)
        self._compare(bdd, proof, defined, got, widths, back)
        self.relation = _Relation.of(defined)

    def _widths(self, layer: Layer, values: Values) -> list[int]:
        """Return the widths of the numbers that a layer's payload holds."""
        yielded = self.network.values[layer.name]
        if isinstance(layer, ArgMax):  # the scores go on beside the class
            return [yielded.width, *[values.width] * values.count]
        if isinstance(layer, Windowed):
            return [1] * yielded.shape[0]
        return [yielded.width] * yielded.count

    def _registers(self, name: str) -> int:
        """Return how many registers the interface says are in and behind a layer in a chain."""
        stage = self.stages[name]
        if isinstance(self._layer(name), Windowed):
            return -1  # its latency is that of the windows, too
        return int(stage["latency_cycles"])

    def _layer(self, name: str) -> Layer:
        return next(layer for layer in self.network.layers if layer.name == name)

    def _through(
        self, bdd: Bdd, name: str, fed: Sequence[Edge], registers: int, probe: str = ""
    ) -> list[Edge]:
        """Return what leaves the stage called ``name`` as functions of what comes in.

        All that makes it a stage is checked on the way: each register takes what is computed
        exactly when the handshake lets it, holds it otherwise, and there are as many of them on
        every way through the logic as there should be.
        """
        probe = probe or str(self.stages[name]["probe"])
        if not probe.endswith(f".{name}__output__payload"):
            raise _OpenError(f"its probe is {probe}")
        chain = probe.rpartition(".")[0]
        parts = [
            signal.removesuffix("__payload")
            for signal in self.gates.signals
            if re.fullmatch(rf"{re.escape(chain)}\.{name}__part\d+__payload", signal)
        ]
        parts.sort(key=lambda part: int(part.rpartition("part")[2]))
        before = self._upstream(chain)
        edges = dict(zip(self.payload, fed, strict=True))
        carried = self.gates.signals.get(f"{before}__carried")
        count = 0
        for own in [*parts, f"{chain}.{name}__output"]:
            payload = self._signal(f"{own}__payload")
            registered = all(bit in self.gates.flops for bit in payload if bit > TRUE)
            valid, ready = self._signal(f"{own}__valid")[0], self._signal(f"{own}__ready")[0]
            enable = self._signal(f"{before}__ready")[0]
            came = self._signal(f"{before}__valid")[0]
            if registered and valid != came:
                self._handshake(came, enable, valid, ready)
                functions = self._taken(bdd, payload, enable, edges)
                count += 1
                if carried is not None:
                    carried = self._carry(own, carried, enable)
            else:
                if valid != came or enable != ready:
                    raise _OpenError(f"{own} has a handshake, but no register")
                functions = self._evaluate(bdd, payload, dict(edges))
                if carried is not None and f"{own}__carried" in self.gates.signals:
                    if self._signal(f"{own}__carried") not in (carried, payload):
                        raise _OpenError(f"{own}__carried is not what was carried before")
                    carried = self._signal(f"{own}__carried")
            edges = dict(zip(payload, functions, strict=True))
            before = own
        if registers not in (-1, count):
            raise _OpenError(f"{count} registers are in and behind it, not {registers}")
        self.payload = payload
        return functions

    def _upstream(self, chain: str) -> str:
        """Return the stream in ``chain`` whose payload is what the layer before yields."""
        stream = re.compile(rf"({re.escape(chain)}\.(input|\w+__output))__payload")
        names = (match[1] for name in self.gates.signals if (match := stream.fullmatch(name)))
        found = [name for name in names if self.gates.signals[f"{name}__payload"] == self.payload]
        # Concepts change no bit, and what is carried goes on from there.
        found.sort(key=lambda name: f"{name}__carried" not in self.gates.signals)
        if found:
            return found[0]
        raise _OpenError(f"nothing in {chain} is what the layer before yields")

    def _evaluate(self, bdd: Bdd, roots: Sequence[Bit], values: dict[Bit, Edge]) -> list[Edge]:
        """Return functions of bits that may depend on ``values`` alone.

        What is computed on the way is large, and goes with a manager of its own now and then.
        """
        found: list[Edge] = []
        scratch = Bdd(0)
        for root in roots:
            if not found or len(scratch) > _SCRATCH_NODES:
                scratch = Bdd()
                there: dict[Edge, Edge] = {}
                back: dict[Edge, Edge] = {}
                known = {
                    bit: scratch.copy(bdd, edge, there)
                    for bit, edge in values.items()
                    if edge <= TRUE or bit in self.gates.gates  # others are copied if needed
                }
                other = partial(self._copied, scratch, bdd, values, there)
            (edge,) = self.gates.evaluate(scratch, [root], known, other)
            found.append(bdd.copy(scratch, edge, back))
        return found

    def _copied(
        self,
        scratch: Bdd,
        bdd: Bdd,
        values: Mapping[Bit, Edge],
        there: dict[Edge, Edge],
        bit: Bit,
    ) -> Edge:
        """Return the function of a bit that no gate drives, in manager ``scratch``."""
        if bit not in values:
            raise _OpenError(f"it depends on {self.gates.name_of(bit)}, which is no input of it")
        return scratch.copy(bdd, values[bit], there)

    def _taken(
        self, bdd: Bdd, payload: Sequence[Bit], enable: Bit, edges: Mapping[Bit, Edge]
    ) -> list[Edge]:
        """Return what registers take when enabled; check that they hold otherwise."""
        data = [self.gates.flops[bit].data for bit in payload]
        held = Bdd()
        for bit, source in zip(payload, data, strict=True):
            kept = {enable: FALSE, bit: held.var(0)}
            found = self.gates.evaluate(held, [source], kept, lambda _: held.var(1))
            if found != [held.var(0)]:
                raise _OpenError(f"{self.gates.name_of(bit)} does not hold while it must wait")
        return self._evaluate(bdd, data, {**edges, enable: TRUE})

    def _handshake(self, came: Bit, enable: Bit, valid: Bit, ready: Bit) -> None:
        """Check a register's handshake: ``enable = ~valid | ready``, and what ``valid`` takes."""
        if valid not in self.gates.flops:
            raise _OpenError(f"{self.gates.name_of(valid)} is no register")
        bdd = Bdd()
        reset = self._signal("core.rst")[0]
        names = {reset: 0, came: 1, valid: 2, ready: 3, enable: 4}
        edges = {bit: bdd.var(var) for bit, var in names.items()}
        data = self.gates.flops[valid].data
        (taken,) = self._evaluate(bdd, [data], dict(edges))
        wanted = bdd.conj(edges[reset] ^ 1, bdd.mux(edges[enable], edges[valid], edges[came]))
        if taken != wanted or self.gates.flops[valid].init != 0:
            raise _OpenError(f"{self.gates.name_of(valid)} does not take what it must")
        del edges[enable]
        (enabled,) = self._evaluate(bdd, [enable], dict(edges))
        if enabled != bdd.disj(edges[valid] ^ 1, edges[ready]):
            raise _OpenError(f"{self.gates.name_of(enable)} is not '~valid | ready'")

    def _carry(self, own: str, carried: Sequence[Bit], enable: Bit) -> list[Bit]:
        """Check that carried bits go on with the others; return where they then are."""
        after = self._signal(f"{own}__carried")
        bdd = Bdd()
        edges = {bit: bdd.var(index) for index, bit in enumerate(carried) if bit > TRUE}
        wanted = [edges.get(bit, bit) for bit in carried]
        if self._taken(bdd, after, enable, edges) != wanted:
            raise _OpenError(f"{own}__carried is not what was carried before")
        return after

    def _compare(
        self,
        bdd: Bdd,
        proof: LayerProof,
        defined: Sequence[Edge],
        got: Sequence[Edge],
        widths: Sequence[int],
        back: Mapping[int, int] | None = None,
        care: Sequence[Edge] | None = None,
    ) -> set[int]:
        """Note for each number, of so many bits, whether it is what is defined.

        ``back`` maps variables to input bits; ``care`` says for each number when it counts. Returns
        the numbers that are not.
        """
        wrong = set()
        if len(defined) != len(got):
            raise _OpenError(f"it yields {len(got)} bits, not {len(defined)}")
        at = 0
        for item, width in enumerate(widths):
            proof.items += 1
            ours, theirs = defined[at : at + width], got[at : at + width]
            at += width
            if list(ours) == list(theirs):
                proof.proved += 1
                continue
            differ = bdd.disj_all(bdd.xor(one, two) for one, two in zip(ours, theirs, strict=True))
            if care is not None:
                differ = bdd.conj(differ, care[item])
            if differ == FALSE:
                proof.proved += 1
                continue
            wrong.add(item)
            if len(proof.failures) >= MOST_FAILURES:
                continue
            example = bdd.example(differ)

            proof.failures.append(
                {
                    "neuron": item,
                    "inputs_that_are_1": sorted(
                        back[var] if back else var for var, one in example.items() if one
                    ),
                    "defined": _value(bdd, ours, example),
                    "verilog": _value(bdd, theirs, example),
                }
            )
        return wrong

    # --- The first layer ---------------------------------------------------------------------

    def _first(self, proof: LayerProof) -> None:
        """Prove the encoder."""
        layer = self.network.encode
        bdd = Bdd()
        width = layer.feature_bits
        frame = [bdd.var(index) for index in range(layer.features * width)]
        self.relation = _Relation.none(len(frame))
        defined = define(layer, bdd, layer.input, frame)
        yielded = layer.output(layer.input)
        component = f"core.{layer.name}"
        ports = ports_of(self.gates, component)
        beats, per_beat = self.interface["beats"], self.interface["features_per_beat"]
        bus = self.interface["bus_bits"]
        if self.gates.inputs.get("s_axis_tdata", ports.input[:bus]) != ports.input[:bus]:
            raise _OpenError("its input is not s_axis_tdata")
        if beats == 1:
            edges = dict(zip(ports.input[:bus], frame, strict=False))
            # Bits of the bus above the last feature are ignored, so nothing may depend on them.
            got = self._taken(bdd, list(ports.output), ports.input_ready, edges)
            self._whole_frames(ports.input[bus], ports.input[bus + 1], component)
            self._compare(bdd, proof, defined, got, [yielded.width] * yielded.count)
        else:
            frames, expected = [], []
            for number in range(FRAMES):
                shift = number * len(frame)
                bits = [bdd.var(shift + index) for index in range(len(frame))]
                frames.append(self._beats(bits, beats, per_beat * width, bus))
                expected.append([self._as_read(define(layer, bdd, layer.input, bits), proof)])
            self._follow(
                component, bdd, frames, expected, proof, yielded.width, FRAMES * len(frame)
            )
        self.payload = list(ports.output)
        self.relation = _Relation.of(defined)

    def _as_read(self, bits: Sequence[Edge], proof: LayerProof) -> list[Edge]:
        """Return the encoder's bits as they are proved: -1 in the place of those that nobody reads.

        An encoder of several beats keeps nothing for them.
        """
        used = set(self.network.used_bits.tolist())
        proof.assumed = f"{len(used)} of {len(bits)} bits are read; the others are not proved"
        return [bit if index in used else -1 for index, bit in enumerate(bits)]

    def _beats(self, bits: list[Edge], beats: int, per_beat: int, bus: int) -> list[list[Edge]]:
        """Return the bits of a frame as beats with ``last`` and ``error``; idle bits are 0."""
        found = []
        for beat in range(beats):
            data = bits[beat * per_beat : (beat + 1) * per_beat]
            data += [FALSE] * (bus - len(data))
            found.append([*data, int(beat == beats - 1), FALSE])
        return found

    def _whole_frames(self, last: Bit, error: Bit, component: str) -> None:
        """Check of an encoder of one beat that what is valid is a whole frame without error."""
        ports = ports_of(self.gates, component)
        bdd = Bdd()
        names = [ports.reset, ports.input_valid, last, error]
        edges = {bit: bdd.var(index) for index, bit in enumerate(names)}
        edges[ports.input_ready] = TRUE
        registers = self._signal(f"{component}.too_long")
        edges[registers[0]] = bdd.var(4)
        valid = self.gates.flops[ports.output_valid].data
        (taken,) = self._evaluate(bdd, [valid], dict(edges))
        wanted = [edges[ports.reset] ^ 1, edges[ports.input_valid], edges[last], edges[error] ^ 1]
        if taken != bdd.conj_all([*wanted, bdd.var(4) ^ 1]):
            raise _OpenError(f"{component}: other frames than whole ones without error are valid")

    # --- Layers that move bits in time -------------------------------------------------------

    def _follow(
        self,
        component: str,
        bdd: Bdd,
        frames: Sequence[Sequence[Sequence[Edge]]],
        expected: Sequence[Sequence[Sequence[Edge]]],
        proof: LayerProof,
        width: int,
        variables: int,
    ) -> None:
        """Prove that a component turns each of ``frames`` into what is ``expected``."""
        ports = ports_of(self.gates, component)
        if self.payload and list(ports.input) != self.payload:
            raise _OpenError("its input is not what the layer before yields")
        wrong = Follower(self.gates, ports, bdd, variables).prove(frames, expected)
        proof.items += len(expected[0]) * len(ports.output) // width
        proof.proved += len(expected[0]) * len(ports.output) // width
        size = variables // len(frames)
        for transfer, place, one, two in wrong:
            proof.proved -= proof.proved == proof.items
            if len(proof.failures) >= MOST_FAILURES:
                break
            example = bdd.example(bdd.xor(one, two))
            proof.failures.append(
                {
                    "neuron": place // width,
                    "transfer": transfer % len(expected[0]),
                    "inputs_that_are_1": sorted(
                        var % size for var, bit in example.items() if bit and var < variables
                    ),
                    "defined": _value(bdd, [one], example),
                    "verilog": _value(bdd, [two], example),
                }
            )
        self.payload = list(ports.output)

    def _move(self, layer: Steps | Unflatten | Flatten, values: Values, proof: LayerProof) -> None:
        """Prove that a layer presents the bits that it takes as it should."""
        bdd = Bdd()
        count = values.count
        frames, expected = [], []
        for bits in self._frames(bdd, count, proof):
            if isinstance(layer, Steps):
                size = layer.output(values).count
                read = bits
                if layer is self.network.layers[1] and self.interface["beats"] > 1:
                    read = self._as_read(bits, proof)
                shown = [
                    read[step * size :][:size] if layer.coding == "split" else read
                    for step in range(layer.steps)
                ]
                frames.append([bits])
                expected.append(shown)
                continue
            image = layer.shape if isinstance(layer, Unflatten) else values.shape
            pixels = [bits[p :: image[1] * image[2]] for p in range(image[1] * image[2])]
            frames.append([bits] if isinstance(layer, Unflatten) else pixels)
            expected.append(pixels if isinstance(layer, Unflatten) else [bits])
        self._follow(f"core.{layer.name}", bdd, frames, expected, proof, 1, FRAMES * count)
        if not (isinstance(layer, Steps) and layer.coding == "direct"):
            self.relation = _Relation.none(len(self.payload))

    def _windows(self, layer: Windowed, values: Values, proof: LayerProof) -> None:
        """Prove that the windows of an image are what they should be."""
        bdd = Bdd()
        count = values.count
        pixels = values.shape[1] * values.shape[2]
        frames, expected = [], []
        for bits in self._frames(bdd, count, proof):
            frames.append([bits[p::pixels] for p in range(pixels)])
            seen = np.array([*bits, int(layer.pad_bit)], dtype=object)
            expected.append([list(window) for window in seen[layer.taps(values)]])
        self._follow(f"core.{layer.name}", bdd, frames, expected, proof, 1, FRAMES * count)

    # --- Layers with a memory ----------------------------------------------------------------

    def _spiking(self, layer: Spiking, values: Values, proof: LayerProof) -> None:
        """Prove a step of spiking neurons, for whatever their membranes can be."""
        assert values.steps is not None
        ports = ports_of(self.gates, f"core.{layer.name}")
        sums: Values | None = None
        if list(ports.input) != self.payload:  # a stage that sums is in between
            sums = layer.sums.output(values)
            self._sums(layer, values, proof)
        if list(ports.input) != self.payload:
            raise _OpenError("its input is not what the layer before yields")
        bdd = Bdd()
        count, neurons = len(self.payload), len(layer.weights)
        fed = self._inputs(bdd, count)
        low, high = layer.membranes(values.steps)
        if not _stays_within(layer, values.steps, low, high):
            raise _OpenError("a membrane can leave the range that its width was made for")
        shapes = [Values((1,), int(a), int(b)) for a, b in zip(low, high, strict=True)]
        component = f"core.{layer.name}"
        state, spiked = self._signal(f"{component}.membranes"), self._signal(f"{component}.spiked")
        memory = [*state, *spiked]
        names = {bit: bdd.var(count + index) for index, bit in enumerate(memory)}
        membranes = [[names[bit] for bit in bits] for bits in _split(state, shapes)]
        try:
            spikes, after, counts = define_step(
                bdd, layer, fed, membranes, [names[bit] for bit in spiked], shapes, sums=sums
            )
        except TooManyNodesError as error:
            widest = max(shape.width for shape in shapes)
            raise _OpenError(
                f"{error}; its membranes have up to {widest} bits, and about 20 is the most: use "
                "fewer steps, less fraction or a smaller beta"
            ) from None
        kept = after
        if layer.reset == "zero":
            kept = [
                [bdd.conj(bit, spike ^ 1) for bit in bits]
                for spike, bits in zip(spikes, after, strict=True)
            ]
        edges = dict(zip(self.payload, fed, strict=True)) | names
        flops = [*ports.output, *memory]
        wrong: set[int] = set()
        for step, got in self._by_step(bdd, layer.name, ports, values.steps, edges, flops):
            fired, stored, again = (
                got[:neurons],
                got[neurons : neurons + len(state)],
                got[-neurons:],
            )
            if step == values.steps - 1:  # all is cleared for the next frame
                wrong |= self._compare(bdd, proof, spikes, fired, [1] * neurons, None, counts)
                if any(stored) or any(again):
                    raise _OpenError("membranes are not cleared with the last step of a frame")
                continue
            rows = zip(fired, _split(stored, shapes), strict=True)
            defined = [bit for n in range(neurons) for bit in (spikes[n], *kept[n])]
            if layer.reset == "subtract" and again != fired:
                raise _OpenError("it is not kept which neurons spiked")
            wrong |= self._compare(
                bdd,
                proof,
                defined,
                [bit for one, bits in rows for bit in (one, *bits)],
                [1 + shape.width for shape in shapes],
                None,
                counts,
            )
        proof.items, proof.proved = neurons, neurons - len(wrong)
        self._idle(ports, memory)
        proof.assumed = "; ".join(filter(None, (self.relation.text, _WITHIN)))
        self.payload = list(ports.output)
        # A threshold that no membrane reaches.
        never = [int(layer.thresholds[n]) > int(high[n]) for n in range(neurons)]
        self.relation = _Relation([(-1 if off else n, False) for n, off in enumerate(never)])

    def _by_step(
        self,
        bdd: Bdd,
        name: str,
        ports: Ports,
        steps: int,
        edges: Mapping[Bit, Edge],
        flops: Sequence[Bit],
    ) -> Iterator[tuple[int, list[Edge]]]:
        """Yield what ``flops`` take in each step of a frame when it is taken; check the count."""
        counter = [
            bit for bit in self.gates.signals.get(f"core.{name}.at", []) if bit in self.gates.flops
        ]
        if any(self.gates.flops[bit].init != 0 for bit in counter):
            raise _OpenError("its count of steps does not start at 0")
        now = {ports.input_valid: TRUE, ports.output_ready: TRUE, ports.reset: FALSE}
        now[ports.output_valid] = bdd.var(_ANY)  # whether something was waiting
        every = [*flops, *counter]
        for step in range(steps):
            at = {bit: step >> place & 1 for place, bit in enumerate(counter)}
            data = [self.gates.flops[bit].data for bit in every]
            got = self._evaluate(bdd, data, {**edges, **now, **at})
            after = (step + 1) % steps
            if got[len(flops) :] != [after >> place & 1 for place in range(len(counter))]:
                raise _OpenError("its count of steps is not what it must be")
            yield step, got[: len(flops)]

    def _sums(self, layer: Spiking, values: Values, proof: LayerProof) -> None:
        """Prove the stage that sums what spiking neurons are fed."""
        name = sums_name(layer)
        ending = f".{name}__output__payload"
        chains = [
            signal.rpartition(".")[0] for signal in self.gates.signals if signal.endswith(ending)
        ]
        if not chains:
            raise _OpenError("its input is not what the layer before yields")
        chain = min(chains, key=len)
        bdd = Bdd()
        fed = self._inputs(bdd, values.count)
        got = self._through(bdd, name, fed, -1, f"{chain}.{name}__output__payload")
        defined = define(layer.sums, bdd, values, fed)
        yielded = layer.sums.output(values)
        self._compare(bdd, proof, defined, got, [yielded.width] * yielded.count)
        self.relation = _Relation.of(defined)

    def _idle(self, ports: Ports, memory: Sequence[Bit]) -> None:
        """Check that memory is held when nothing comes."""
        bdd = Bdd()
        for bit in memory:
            edges = {ports.input_valid: FALSE, ports.reset: FALSE, bit: bdd.var(0)}
            found = self.gates.evaluate(
                bdd, [self.gates.flops[bit].data], edges, lambda other: bdd.var(abs(other) + 1)
            )
            if found != [bdd.var(0)]:
                raise _OpenError(f"{self.gates.name_of(bit)} changes when nothing is taken")

    def _accumulate(self, layer: Accumulate, values: Values, proof: LayerProof) -> None:
        """Prove a step of the sums over a frame's steps."""
        assert values.steps is not None
        ports = ports_of(self.gates, f"core.{layer.name}")
        if list(ports.input) != self.payload:
            raise _OpenError("its input is not what the layer before yields")
        bdd = Bdd()
        count = len(self.payload)
        fed = self._inputs(bdd, count)
        proof.assumed = self.relation.text
        totals = {bit: bdd.var(count + index) for index, bit in enumerate(ports.output)}
        edges = dict(zip(self.payload, fed, strict=True)) | totals
        yielded = layer.output(values)
        wrong: set[int] = set()
        flops = [*ports.output, ports.output_valid]
        for step, got in self._by_step(bdd, layer.name, ports, values.steps, edges, flops):
            before = [totals[bit] if step else FALSE for bit in ports.output]
            defined = define_total(bdd, layer, values, fed, before)
            widths = [yielded.width] * yielded.count
            wrong |= self._compare(bdd, proof, defined, got[:-1], widths)
            if got[-1] != int(step == values.steps - 1):
                raise _OpenError("what it yields is not valid after the last step alone")
        proof.items, proof.proved = yielded.count, yielded.count - len(wrong)
        self._idle(ports, list(ports.output))
        self.payload = list(ports.output)
        self.relation = _Relation.none(len(self.payload))

    # --- The result --------------------------------------------------------------------------

    def prove_result(self, proof: LayerProof) -> None:
        """Prove that the output word holds the numbers of the last layer, each in its place."""
        word = self._signal("core.output__payload")
        if self.gates.outputs.get("m_axis_tdata", word) != word:
            raise _OpenError("m_axis_tdata is not what the core yields")
        bits = list(self.payload)
        last = self.network.layers[-1].name
        probe = str(self.stages[last]["probe"]).removesuffix("__payload")
        if not isinstance(self.network.layers[-1], Concepts):
            bits += self.gates.signals.get(f"{probe}__carried", [])
        at = 0
        for place in self.interface["outputs"]:
            for number in range(place["count"]):
                proof.items += 1
                own = bits[at : at + place["width"]]
                at += place["width"]
                fill = own[-1] if place["signed"] and own else 0
                start = place["offset"] + number * place["element_bits"]
                shown = word[start : start + place["element_bits"]]
                if shown == own + [fill] * (place["element_bits"] - len(own)):
                    proof.proved += 1
                else:
                    proof.failures.append({"neuron": number, "output": place["name"]})
        if at != len(bits):
            raise _OpenError(f"{len(bits)} bits leave, but the outputs have {at}")


def _value(bdd: Bdd, bits: Sequence[Edge], example: Mapping[int, bool]) -> int:
    """Return the number that ``bits`` are where variables are as in ``example``, else 0."""
    values = [bdd.value(bit, lambda var: example.get(var, False)) for bit in bits]
    return sum(value << place for place, value in enumerate(values))


_SCRATCH_NODES = 300_000
_ANY = 1 << 40
"""A variable after all others."""

_WITHIN = (
    "membranes are within the bounds of the integer network: every value that they can have was "
    "followed through every step, as intervals"
)


def _split(bits: Sequence[int], shapes: Sequence[Values]) -> list[list[int]]:
    """Return the bits of numbers of ``shapes``."""
    found, at = [], 0
    for shape in shapes:
        found.append(list(bits[at : at + shape.width]))
        at += shape.width
    return found


def _stays_within(layer: Spiking, steps: int, low: Any, high: Any) -> bool:
    """Follow every value that each membrane can have, for ``steps`` steps; return if all fit.

    Values are followed as intervals, of which there are few however wide a membrane is, and none is
    lost: whatever a leak leaves of an interval is an interval (:func:`_leaves_no_gap`), a reset
    moves it or takes it to 0, and what is added is taken to be any value in an interval. Only the
    threshold parts one.
    """
    if not _leaves_no_gap(layer):
        return False
    least, most = layer.currents
    for n in range(len(least)):
        bottom, top = int(low[n]), int(high[n])
        if not bottom <= 0 <= top:  # where a frame begins
            return False
        threshold = int(layer.thresholds[n])
        reached, spiked = np.zeros((1, 2), np.int64), np.zeros(1, np.bool_)
        for _ in range(steps):
            fired = np.repeat(spiked, 2)
            rest = layer.rest(reached.reshape(-1), fired, slice(n, n + 1)).reshape(-1, 2)
            found = _joined(rest + np.stack([least[n], most[n]]))
            if found[0, 0] < bottom or found[-1, 1] > top:
                return False
            silent, firing = found[found[:, 0] < threshold], found[found[:, 1] >= threshold]
            silent = np.minimum(silent, threshold - 1)
            firing = np.maximum(firing, threshold)
            reached = np.concatenate([silent, firing])
            spiked = np.arange(len(reached)) >= len(silent)
    return True


def _leaves_no_gap(layer: Spiking) -> bool:
    """Tell whether leak and reset take any interval of membranes to one with the same ends.

    It is so if of a membrane larger by 1 there is left as much, or 1 more. What a leak takes is 1
    more every ``2**leak`` membranes: so as many are tried, and all others behave as they do.
    """
    period = np.arange((1 << (layer.leak or 0)) + 1)
    for spiked in (False, True):
        rest = layer.rest(period, np.full(len(period), spiked), slice(0, 1))
        if not np.isin(np.diff(rest), (0, 1)).all():
            return False
    return True


def _joined(intervals: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    """Return ``intervals``, rows of least and most, ascending and as few as they can be."""
    found: list[list[int]] = []
    for first, last in sorted(intervals.tolist()):
        if found and first <= found[-1][1] + 1:
            found[-1][1] = max(found[-1][1], last)
        else:
            found.append([first, last])
    return np.array(found, np.int64)
