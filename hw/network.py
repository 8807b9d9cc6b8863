# amaranth: UnusedElaboratable=no
# A core may be made only to ask for its cycles and layouts.
"""A network in hardware: one part a layer, streams between them."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby, islice

from amaranth.hdl import Cat, Const, Module, Signal, Value, unsigned
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out

from htaflow.hw.layers import Part, Placement, encoder, layer_parts, widest_word
from htaflow.hw.layers.encode import beat_layout
from htaflow.hw.logic.target import PORTABLE, Target
from htaflow.hw.stream.component import LayerComponent
from htaflow.hw.stream.layout import InputLayout, layouts
from htaflow.hw.stream.schedule import Schedule, schedule
from htaflow.hw.stream.stage import CHAIN, Stage, chain_instance, chain_modules
from htaflow.model.integer.network import (
    Network,
    Values,
    Windowed,
)
from htaflow.model.support.errors import BadInputError, did_you_mean

MAX_WIDTH = (1 << 16) - 16
"""Most bits that Amaranth connects at once: 16 bits number those of a component, handshake too."""


def check_pipeline(
    network: Network, pipeline: Sequence[str] | None, depth: float | None = None
) -> None:
    """Raise ``BadInputError`` for a name in ``pipeline`` that is no layer, or no depth at all."""
    if depth is not None and not 1 <= depth < math.inf:
        raise BadInputError(f"--depth: {depth:g} is no number of look-up tables; use at least 1")
    names = [layer.name for layer in network.layers]
    for name in pipeline or ():
        if network.concepts is not None and name == network.concepts.name:
            before = names[names.index(name) - 1]
            raise BadInputError(
                f"the pipeline names '{name}', which only names the bits of '{before}'; name that"
            )
        if name not in names:
            raise BadInputError(
                f"the pipeline names '{name}', which is no layer{did_you_mean(name, names)}"
            )


@dataclass(frozen=True)
class PlacedLayer:
    """Where a layer is in the hardware, and when.

    Attributes:
        name: the layer's name.
        type: its type.
        values: what it yields.
        probe: path, from the core, of the payload that holds what it yields.
        transfers: in how many transfers that leaves it, for a frame.
        latency: cycles from the transfer of the last that the layer before yields, for a frame, to
            that of the last that it yields itself. Windows may be complete before the last pixel
            has come: then it is below 0.
        interval: cycles for which a frame occupies it if others neither block nor starve it.
    """

    name: str
    type: str
    values: Values
    probe: str
    transfers: int
    latency: int
    interval: int


class NetworkCore(wiring.Component):
    """A whole network, unrolled: every neuron its own logic.

    Latency and initiation interval are what :mod:`htaflow.hw.stream.schedule` finds. Where every
    layer takes a frame in one transfer, the latency is the sum of the layers' latencies, and the
    interval the largest of theirs.

    Parameters:
        network: what is built.
        bus_bits: width of the input bus; ``None`` for a whole frame in one beat.
        target: what the logic is made for.
        pipeline: names of the layers that end in a register; ``None`` for all. The encoder always
            does.
        depth: about how many look-up tables, one after another, a layer that ends in a register may
            have between registers: a deeper one gets more of them (:mod:`htaflow.hw.logic.retime`).
            ``None`` for any number.

    Attributes:
        parts: the chain, the encoder first.
        layers: the layers in order.
        latency: cycles from the transfer of a frame's first beat to that of its result.
        interval: cycles between results when nothing stalls.
        held: its capacity in frames under back-pressure.
        input_layout, output_layout: how frames and results lie on the bus.

    Members:
        input: stream of beats, a structure of ``data``, ``last`` and ``error``.
        output: stream of results.
        dropped: 1 for a cycle for each frame that gives no result, the cycle after the transfer of
            the beat that shows it: its last, if that comes too early or has ``error``, or the one
            that should have been its last.
    """

    input: stream.Interface
    output: stream.Interface
    dropped: Signal

    def __init__(
        self,
        network: Network,
        bus_bits: int | None = None,
        target: Target = PORTABLE,
        pipeline: Sequence[str] | None = None,
        depth: float | None = None,
    ) -> None:
        names = [layer.name for layer in network.layers]
        self.network = network
        self.target = target
        self.pipeline = pipeline
        self.depth = depth
        self.input_layout, self.output_layout = layouts(network, bus_bits)
        self._check_widths()
        placed = _build(
            network, self.input_layout, target, names if pipeline is None else pipeline, depth
        )
        self.parts = [part for parts in placed for part in parts]
        cycles = schedule([pipeline for part in self.parts for pipeline in part.pipelines])
        self.layers = list(_place(network, placed, cycles))
        self.latency, self.interval, self.held = cycles.latency, cycles.interval, cycles.held
        super().__init__(
            {
                "input": In(stream.Signature(beat_layout(self.input_layout))),
                "output": Out(stream.Signature(unsigned(self.output_layout.width))),
                "dropped": Out(1),
            }
        )

    @property
    def modules(self) -> dict[str, str]:
        """Verilog of the modules that the core instantiates, by name."""
        found: dict[str, str] = {}
        for run in _runs(self.parts):
            found |= run.modules if isinstance(run, LayerComponent) else chain_modules(run)
        return found

    def cycles_on(self, bus_bits: int) -> tuple[int, Schedule]:
        """Return the beats of a frame on another input bus, and the cycles that it would take."""
        layout = InputLayout(self.network.input, bus_bits)
        parts = [encoder(self.network, layout), *self.parts[1:]]
        return layout.beats, schedule([pipe for part in parts for pipe in part.pipelines])

    def elaborate(self, platform: object) -> Module:
        """Chain the parts; stages that follow one another are one chain of text."""
        m = Module()
        upstream = wiring.flipped(self.input)
        for run in _runs(self.parts):
            if isinstance(run, LayerComponent):
                m.submodules[run.name] = run
                wiring.connect(m, upstream, run.input)
                upstream = run.output
            else:
                bits, chain = run[-1].width, run[0].chain
                downstream = stream.Signature(unsigned(bits)).create(path=(f"{chain}_result",))
                m.submodules[chain] = chain_instance(chain, upstream, downstream)
                # What drives it is the instance; whoever follows reads it.
                upstream = downstream
        first = self.parts[0]
        assert isinstance(first, LayerComponent) and first.drops
        m.d.comb += [
            self.dropped.eq(first.dropped),
            self.output.valid.eq(upstream.valid),
            upstream.ready.eq(self.output.ready),
            self.output.payload.eq(self._pad(upstream.payload)),
        ]
        return m

    def _pad(self, payload: Value) -> Value:
        """Return the last stage's numbers, each in its place on the output bus."""
        word: list[Value] = []
        position = 0
        for field in self.output_layout.fields:
            width = field.values.width
            for _ in range(field.values.count):
                number = [payload[bit] for bit in range(position, position + width)]
                fill = number[-1] if field.values.signed else Const(0, 1)
                word += number + [fill] * (field.element_bits - width)
                position += width
            word += [Const(0, 1)] * (-len(word) % 8)
        return Cat(word)

    def _check_widths(self) -> None:
        """Raise ``BadInputError`` if something is too wide for Amaranth."""
        encode = self.network.encode
        encoded = self.network.values[encode.name]
        wide = [
            ("the input bus", self.input_layout.bus_bits, "use a narrower bus (--bus 512)"),
            (f"layer '{encode.name}'", encoded.count * encoded.width, "use fewer thresholds"),
            ("the result", self.output_layout.width, "use fewer neurons in the last layer"),
        ]
        # Each layer but the first, beside what the one before it yields.
        fed = zip(self.network.layers[1:], self.network.values.values(), strict=False)
        for layer, values in fed:
            word = widest_word(layer, values)
            if word is not None:
                wide.append(word)
        for what, bits, remedy in wide:
            if bits > MAX_WIDTH:
                raise BadInputError(
                    f"{what} is {bits} bits wide, and {MAX_WIDTH} is the most that can be "
                    f"connected: {remedy}"
                )


def _runs(parts: Sequence[Part]) -> Iterator[LayerComponent | list[Stage]]:
    """Yield the components, and the stages between them together."""
    for chain, run in groupby(parts, lambda part: part.chain if isinstance(part, Stage) else None):
        if chain is None:
            yield from (part for part in run if isinstance(part, LayerComponent))
        else:
            yield [part for part in run if isinstance(part, Stage)]


def _build(
    network: Network,
    layout: InputLayout,
    target: Target,
    pipeline: Sequence[str],
    depth: float | None,
) -> list[list[Part]]:
    """Return for each layer its parts.

    Stages of layers in ``pipeline`` end in a register; those that do are cut to ``depth``.
    """
    first = encoder(network, layout)
    placed: list[list[Part]] = [[first]]
    values = network.values
    incoming, known = values[network.encode.name], first.known
    chains = carried = 0
    for layer in network.layers[1:]:
        if isinstance(layer, Windowed) or not isinstance(placed[-1][-1], Stage):
            chains += 1
        chain = CHAIN if chains == 1 else f"{CHAIN}{chains}"
        parts = layer_parts(
            layer,
            Placement(
                incoming,
                values[layer.name],
                known,
                target,
                layer.name in pipeline,
                depth,
                chain,
                carried,
            ),
        )
        if parts[-1].is_tap:
            carried = incoming.count
        placed.append(parts)
        known = parts[-1].known
        incoming = values[layer.name]
    return placed


def _place(
    network: Network, placed: Sequence[Sequence[Part]], cycles: Schedule
) -> Iterator[PlacedLayer]:
    """Yield where and when each layer is; ``placed`` are its parts."""
    passages = iter(cycles.passages)
    done, transfers = 0, 1
    for layer, parts in zip(network.layers, placed, strict=True):
        before, busy = done, 1
        for part in parts:
            for passage in islice(passages, len(part.pipelines)):
                done, transfers, busy = passage.done, passage.transfers, max(busy, passage.busy)
        yield PlacedLayer(
            layer.name,
            layer.type,
            network.values[layer.name],
            parts[-1].probe,
            transfers,
            done - before,
            busy,
        )
