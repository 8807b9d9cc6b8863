# amaranth: UnusedElaboratable=no
# A core may be made only to ask for its cycles and layouts.
"""A network in hardware: one stage a layer, streams between them."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from amaranth.hdl import Cat, Const, Module, Value, unsigned
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out

from htaflow.hw.cut import cut
from htaflow.hw.dense import dense_logic
from htaflow.hw.encode import BeatEncoder, FrameEncoder, beat_layout
from htaflow.hw.known import Known
from htaflow.hw.layout import InputLayout, layouts
from htaflow.hw.logic import Logic
from htaflow.hw.lookup import lookup_logic
from htaflow.hw.stage import Stage, chain_instance, chain_modules
from htaflow.hw.target import PORTABLE, Target
from htaflow.hw.vote import argmax_logic, group_sum_logic
from htaflow.model.errors import BadInputError, nearest
from htaflow.model.network import Layer, Network, Values

MAX_WIDTH = (1 << 16) - 16
"""Most bits that Amaranth connects at once: 16 bits number those of a component, handshake too."""

_LOGIC: dict[str, Callable[[Any, Values, Target, Known | None], Logic]] = {
    "Dense": dense_logic,
    "Lookup": lookup_logic,
    "GroupSum": group_sum_logic,
    "ArgMax": argmax_logic,
}


def layer_logic(
    layer: Layer, values: Values, target: Target = PORTABLE, known: Known | None = None
) -> Logic:
    """Return what ``layer``, any but an ``Encode``, computes when fed ``values``.

    ``target`` is what it is made for, ``known`` what is known of the bits that come in.
    """
    return _LOGIC[layer.type](layer, values, target, known)


def check_pipeline(
    network: Network, pipeline: Sequence[str] | None, depth: float | None = None
) -> None:
    """Raise ``BadInputError`` for a name in ``pipeline`` that is no layer, or no depth at all."""
    if depth is not None and not 1 <= depth < math.inf:
        raise BadInputError(f"--depth: {depth:g} is no number of look-up tables; use at least 1")
    names = [layer.name for layer in network.layers]
    for name in pipeline or ():
        if name not in names:
            raise BadInputError(
                f"the pipeline names '{name}', which is no layer{nearest(name, names)}"
            )


@dataclass(frozen=True)
class PlacedStage:
    """A layer's name and type, what it yields, and the component that computes it."""

    name: str
    type: str
    values: Values
    component: FrameEncoder | BeatEncoder | Stage


class NetworkCore(wiring.Component):
    """A whole network, unrolled: every neuron its own logic.

    Latency: the sum of the stages' latencies. Initiation interval: the largest of theirs.

    Parameters:
        network: what is built.
        bus_bits: width of the input bus; ``None`` for a whole frame in one beat.
        target: what the logic is made for.
        pipeline: names of the layers that end in a register; ``None`` for all. The encoder always
            does.
        depth: about how many look-up tables, one after another, a layer that ends in a register may
            have between registers: a deeper one gets more of them (:mod:`htaflow.hw.cut`). ``None``
            for any number.

    Attributes:
        stages: the layers in order.
        latency: cycles from the transfer of a frame's first beat to that of its result.
        interval: cycles between results when nothing stalls.
        input_layout, output_layout: how frames and results lie on the bus.

    Members:
        input: stream of beats, a structure of ``data``, ``last`` and ``error``.
        output: stream of results.
    """

    input: stream.Interface
    output: stream.Interface

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
        self.depth = depth
        self.input_layout, self.output_layout = layouts(network, bus_bits)
        self._check_widths()
        self._encoder = _encoder(network, self.input_layout)
        self._layers = _layers(
            network, target, self._encoder.known, names if pipeline is None else pipeline, depth
        )
        components = [self._encoder, *self._layers]
        self.stages = [
            PlacedStage(layer.name, layer.type, network.values[layer.name], component)
            for layer, component in zip(network.layers, components, strict=True)
        ]
        self.latency = sum(stage.component.latency for stage in self.stages)
        self.interval = max(stage.component.interval for stage in self.stages)
        super().__init__(
            {
                "input": In(stream.Signature(beat_layout(self.input_layout))),
                "output": Out(stream.Signature(unsigned(self.output_layout.width))),
            }
        )

    @property
    def modules(self) -> dict[str, str]:
        """Verilog of the combinational modules that the core instantiates, by name."""
        chain = chain_modules(self._layers) if self._layers else {}
        return self._encoder.modules | chain

    def elaborate(self, platform: object) -> Module:
        """Chain the encoder and the stages."""
        m = Module()
        m.submodules[self._encoder.name] = self._encoder
        wiring.connect(m, wiring.flipped(self.input), self._encoder.input)
        upstream = self._encoder.output
        if self._layers:
            bits = len(self._layers[-1].logic.outputs)
            downstream = stream.Signature(unsigned(bits)).create(path=("result",))
            m.submodules.layers = chain_instance(upstream, downstream)
            upstream = downstream
        m.d.comb += [
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
        for what, bits, remedy in (
            ("the input bus", self.input_layout.bus_bits, "use a narrower bus (--bus)"),
            (f"layer '{encode.name}'", len(encode.source), "use fewer thresholds"),
            ("the result", self.output_layout.width, "use fewer neurons in the last layer"),
        ):
            if bits > MAX_WIDTH:
                raise BadInputError(
                    f"{what} is {bits} bits wide, and {MAX_WIDTH} is the most that can be "
                    f"connected: {remedy}"
                )


def _encoder(network: Network, layout: InputLayout) -> FrameEncoder | BeatEncoder:
    """Return the encoder of ``network``, of which only the bits that are used need be kept."""
    if layout.beats == 1:
        return FrameEncoder(network.encode, layout)
    return BeatEncoder(network.encode, layout, _used_bits(network))


def _layers(
    network: Network,
    target: Target,
    known: Known | None,
    pipeline: Sequence[str],
    depth: float | None,
) -> list[Stage]:
    """Return a stage for each layer after the encoder; those in ``pipeline`` end in a register.

    ``known`` is what is known of the encoder's bits. Stages with a register are cut to ``depth``.
    """
    stages: list[Stage] = []
    values = network.values
    incoming = values[network.encode.name]
    for layer in network.layers[1:]:
        logic = layer_logic(layer, incoming, target, known)
        registered = layer.name in pipeline
        parts = cut(logic, depth) if registered and depth is not None else ()
        stages.append(Stage(layer.name, logic, registered, parts))
        known = logic.known_outputs()
        incoming = values[layer.name]
    return stages


def _used_bits(network: Network) -> list[int]:
    """Return the indices of the encoder's bits that the second layer reads."""
    bits = network.values[network.encode.name]
    if len(network.layers) == 1:
        return list(range(bits.count))
    return np.flatnonzero(network.layers[1].reads(bits)).tolist()
