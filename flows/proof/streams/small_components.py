"""Every stream component of a network, made small, with a reference that says what must leave it.

What a component does with valid and ready does not depend on how wide its payload is, so a narrow
one shows it.
"""

from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from htaflow.flows.proof.gates import Gates
from htaflow.flows.proof.streams.model_checker import Drops, Payload, Reference
from htaflow.flows.proof.streams.sequences import Ports
from htaflow.flows.proof.streams.stream_proof import ports_of_design
from htaflow.hw.layers.encode import BeatEncoder, FrameEncoder
from htaflow.hw.layers.image import Deserialiser, Serialiser
from htaflow.hw.layers.spiking import Membranes
from htaflow.hw.layers.steps import StepAccumulator, StepPresenter
from htaflow.hw.layers.window import SHORT_LINE, Windows
from htaflow.hw.logic.evaluate import evaluate
from htaflow.hw.logic.netlist import Logic
from htaflow.hw.logic.retime import cut
from htaflow.hw.stream.component import LayerComponent
from htaflow.hw.stream.layout import InputLayout
from htaflow.hw.stream.stage import Stage, Tap, chain_modules
from htaflow.hw.verilog import to_verilog
from htaflow.model.integer.network import (
    Accumulate,
    Conv2d,
    Encode,
    MaxPool2d,
    Spiking,
    Steps,
    Values,
    Windowed,
)


@dataclass(frozen=True)
class SmallComponent:
    """A small component: its Verilog, module ``top``, and what it must do."""

    name: str
    verilog: str
    payloads: Sequence[Payload]
    reference: Reference
    remembered: Hashable = ()
    most_held: int = 4
    drops: Drops | None = None

    def ports(self, gates: Gates) -> Ports:
        """Return where it ends."""
        return ports_of_design(gates, "input", "output")


def _component(name: str, component: LayerComponent, **rest: Any) -> SmallComponent:
    text = to_verilog(component, "top", component.modules)
    return SmallComponent(name, text, **rest)


def _stages(name: str, stages: Sequence[Stage], reference: Reference) -> SmallComponent:
    text = "\n".join(chain_modules(stages).values())
    inputs = len(stages[0].logic.inputs)
    return SmallComponent(name, text, range(1 << inputs), reference)


def _gate(name: str) -> Logic:
    """Return logic of two bits: their AND, and their XOR, the latter in two steps."""
    logic = Logic(f"{name}_logic", 2)
    a, b = logic.inputs
    logic.outputs = [logic.table(0b1000, [a, b]), logic.table(0b0110, [a, b])]
    return logic


def _gated(word: int) -> int:
    a, b = word & 1, word >> 1
    return a & b | (a ^ b) << 1


def _stage() -> SmallComponent:
    def reference(remembered: Hashable, word: Payload) -> tuple[Hashable, list[Payload]]:
        return (), [_gated(word)]

    return _stages("a stage", [Stage("one", _gate("one"), chain="top")], reference)


def _free_stage() -> SmallComponent:
    def reference(remembered: Hashable, word: Payload) -> tuple[Hashable, list[Payload]]:
        return (), [_gated(_gated(word))]

    stages = [
        Stage("one", _gate("one"), registered=False, chain="top"),
        Stage("two", _gate("two"), chain="top"),
    ]
    return _stages("a stage without a register, then one with", stages, reference)


def _cut_stage() -> SmallComponent:
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
        return (), [int(evaluate(logic, bits)[0, 0])]

    stage = Stage("one", logic, parts=parts, chain="top")
    return _stages(f"a stage cut into {len(parts)} parts", [stage], reference)


def _carrying() -> SmallComponent:
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


def _frame_encoder() -> SmallComponent:
    layout = InputLayout(_ENCODE.input)

    def reference(remembered: Hashable, beat: Payload) -> tuple[Hashable, list[Payload]]:
        last, error = beat >> 8 & 1, beat >> 9 & 1
        good = bool(last) and not error and not remembered
        return not last, [beat & 3] if good else []

    def drops(too_long: Hashable, beat: Payload) -> bool:
        return not too_long and beat >> 8 != 0b01

    return _component(
        "FrameEncoder, one beat of 2 features",
        FrameEncoder(_ENCODE, layout),
        payloads=[data | flags << 8 for data in range(4) for flags in range(4)],
        reference=reference,
        remembered=False,
        drops=drops,
    )


def _beat_encoder() -> SmallComponent:
    layout = InputLayout(_TWO_BEATS.input, 8)

    def reference(remembered: Any, beat: Payload) -> tuple[Hashable, list[Payload]]:
        bits = (*remembered, beat >> 7 & 1)[:3]
        if not beat >> 8 & 1:
            return bits, []
        good = len(bits) == layout.beats and not beat >> 9 & 1
        return (), [bits[0] | bits[1] << 1] if good else []

    def drops(before: Any, beat: Payload) -> bool:
        last, error = beat >> 8 & 1, beat >> 9 & 1
        misplaced = bool(last) != (len(before) == layout.beats - 1)
        return len(before) < layout.beats and (misplaced or bool(last and error))

    return _component(
        "BeatEncoder, 2 beats of 1 feature",
        BeatEncoder(_TWO_BEATS, layout, [0, 1]),
        payloads=[data << 7 | flags << 8 for data in range(2) for flags in range(4)],
        reference=reference,
        drops=drops,
    )


def _presenter(coding: Any) -> SmallComponent:
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


def _accumulator() -> SmallComponent:
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


def _membranes(reset: Any) -> SmallComponent:
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


def _serialiser() -> SmallComponent:
    def reference(remembered: Hashable, word: Payload) -> tuple[Hashable, list[Payload]]:
        return (), [word >> pixel & 1 | (word >> (pixel + 2) & 1) << 1 for pixel in range(2)]

    return _component(
        "Serialiser, 2 channels of 1 x 2 pixels",
        Serialiser("pixels", Values((2, 1, 2), 0, 1)),
        payloads=range(16),
        reference=reference,
    )


def _gatherer() -> SmallComponent:
    def reference(remembered: Any, pixel: Payload) -> tuple[Hashable, list[Payload]]:
        if not remembered:
            return (pixel,), []
        return (), [
            remembered[0] & 1 | (pixel & 1) << 1 | (remembered[0] >> 1) << 2 | (pixel >> 1) << 3
        ]

    return _component(
        "Gatherer, 2 channels of 1 x 2 pixels",
        Deserialiser("frame", Values((2, 1, 2), 0, 1)),
        payloads=range(4),
        reference=reference,
    )


def _windows(layer: Windowed, image: Values, what: str) -> SmallComponent:
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
        f"Windows, {what}",
        Windows("window", layer, image),
        payloads=(0, 1),
        reference=reference,
        most_held=8,
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


def _plain_windows() -> SmallComponent:
    layer = MaxPool2d("window", (2, 2))
    return _windows(layer, Values((1, 3, 2), 0, 1), "2 x 2 of 3 x 2 pixels, in registers")


def _padded_windows() -> SmallComponent:
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


def _memory_windows() -> SmallComponent:
    layer = MaxPool2d("window", (2, 1), stride=(2, 1))
    image = Values((1, 2, SHORT_LINE), 0, 1)
    return _windows(layer, image, f"2 x 1 of 2 x {SHORT_LINE} pixels, in memory")


DESIGNS: Sequence[Callable[[], SmallComponent]] = (
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
