# amaranth: UnusedElaboratable=no
# A core may be made only to ask for its cycles and layouts.
"""A network in hardware: one stage a layer, streams between them."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from amaranth.hdl import Cat, Const, Module, Value, unsigned
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out

from htaflow.hw.dense import dense_logic
from htaflow.hw.encode import BeatEncoder, FrameEncoder, beat_layout
from htaflow.hw.known import Known
from htaflow.hw.layout import layouts
from htaflow.hw.logic import Logic
from htaflow.hw.lookup import lookup_logic
from htaflow.hw.stage import Stage
from htaflow.hw.target import PORTABLE, Target
from htaflow.hw.vote import argmax_logic, group_sum_logic
from htaflow.model.errors import BadInputError, nearest
from htaflow.model.network import Layer, Network, Values

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


def check_pipeline(network: Network, pipeline: Sequence[str] | None) -> None:
    """Raise ``BadInputError`` if ``pipeline`` names what is no layer of ``network``."""
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
    ) -> None:
        names = [layer.name for layer in network.layers]
        self.network = network
        self.target = target
        self.input_layout, self.output_layout = layouts(network, bus_bits)
        self.stages = _place(network, self, names if pipeline is None else pipeline)
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
        found: dict[str, str] = {}
        for stage in self.stages:
            found |= stage.component.modules
        return found

    def elaborate(self, platform: object) -> Module:
        """Chain the stages."""
        m = Module()
        upstream = wiring.flipped(self.input)
        for stage in self.stages:
            m.submodules[stage.name] = stage.component
            wiring.connect(m, upstream, stage.component.input)
            upstream = stage.component.output
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


def _place(network: Network, core: NetworkCore, pipeline: Sequence[str]) -> list[PlacedStage]:
    """Return a stage for each layer of ``network``; those in ``pipeline`` end in a register."""
    values = network.values
    encode = network.encode
    encoder: FrameEncoder | BeatEncoder
    if core.input_layout.beats == 1:
        encoder = FrameEncoder(encode, core.input_layout)
    else:
        encoder = BeatEncoder(encode, core.input_layout, _used_bits(network))
    stages = [PlacedStage(encode.name, encode.type, values[encode.name], encoder)]
    known = encoder.known
    for layer in network.layers[1:]:
        logic = layer_logic(layer, stages[-1].values, core.target, known)
        stage = Stage(layer.name, logic, layer.name in pipeline)
        known = stage.known
        stages.append(PlacedStage(layer.name, layer.type, values[layer.name], stage))
    return stages


def _used_bits(network: Network) -> list[int]:
    """Return the indices of the encoder's bits that the second layer reads."""
    bits = network.values[network.encode.name]
    if len(network.layers) == 1:
        return list(range(bits.count))
    return np.flatnonzero(network.layers[1].reads(bits)).tolist()
