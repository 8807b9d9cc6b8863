"""What a design computes of one frame, as one combinational netlist, whatever time it takes.

It is put together from the very netlists that the design's parts are made of; what lies between
them (shift registers, line buffers, counters) only moves bits, and so does it here. Two designs in
one :class:`Circuit` share every net that they have in common.
"""

from collections.abc import Iterable, Sequence

import numpy as np
import numpy.typing as npt

from htaflow.hw.layers.encode import BeatEncoder, FrameEncoder, encode_logic
from htaflow.hw.layers.image import Deserialiser, Serialiser
from htaflow.hw.layers.placement import Part
from htaflow.hw.layers.spiking import Membranes
from htaflow.hw.layers.steps import StepAccumulator, StepPresenter
from htaflow.hw.layers.window import Windows
from htaflow.hw.logic.netlist import Instance, Logic, Net, Table
from htaflow.hw.logic.truth_table import XOR2
from htaflow.hw.network import NetworkCore
from htaflow.hw.stream.layout import InputLayout
from htaflow.hw.stream.stage import Stage, Tap
from htaflow.model.integer.network import IntArray, Steps, Values, Windowed
from htaflow.sim.faults.stream_faults import Swapped

Planes = npt.NDArray[np.uint64]
"""One bit a frame, 64 of them in a word."""

_Transfers = list[list[Net]]
"""The bits of each transfer that a part yields for one frame."""


class Circuit:
    """Designs that take the same frames, as netlists over the frame's bits.

    Parameters:
        values: one frame, as :attr:`Network.input` states it.

    Attributes:
        logic: the netlist; input ``k * feature_bits + b`` is bit b of feature k.
    """

    def __init__(self, values: Values) -> None:
        self.values = values
        self.layout = InputLayout(values, None)
        self.logic = Logic("circuit", self.layout.bus_bits)

    def add(self, core: NetworkCore) -> list[Net]:
        """Return the nets of what ``core`` yields for a frame, before padding to bytes."""
        network = core.network
        layers = {layer.name: layer for layer in network.layers}
        fed = dict(zip(layers, [network.input, *network.values.values()], strict=False))
        transfers: _Transfers = [list(self.logic.inputs)]
        carried: list[Net] = []
        for part in core.parts:
            plain = part.inner if isinstance(part, Swapped) else part
            if isinstance(plain, Stage):
                transfers = [self._stage(plain, bits) for bits in transfers]
                if isinstance(plain, Tap):
                    (carried,) = transfers
            else:
                layer = layers[plain.name]
                transfers = self._component(plain, layer, fed[plain.name], transfers)
            if isinstance(part, Swapped):
                transfers = [part.swap(bits) for bits in transfers]
        (bits,) = transfers
        last = core.parts[-1]
        return bits + carried if isinstance(last, Stage) and last.carried else bits

    def _stage(self, stage: Stage, bits: list[Net]) -> list[Net]:
        for part in stage.parts or [stage.logic]:
            bits = inline(part, self.logic, bits)
        return bits

    def _component(
        self, part: Part, layer: object, incoming: Values, transfers: _Transfers
    ) -> _Transfers:
        """Return what ``part``, which builds ``layer``, yields when fed ``transfers``."""
        if isinstance(part, FrameEncoder | BeatEncoder):
            logic = part.logic if isinstance(part, FrameEncoder) else None
            logic = logic or encode_logic(part.layer, self.layout)
            return [inline(logic, self.logic, bits) for bits in transfers]
        if isinstance(part, StepPresenter):
            assert isinstance(layer, Steps)
            (bits,) = transfers
            width = len(part.output.payload)
            steps = part.layer.steps
            if part.layer.coding == "direct":
                return [bits] * steps
            return [bits[at * width : (at + 1) * width] for at in range(steps)]
        if isinstance(part, Membranes):
            return self._membranes(part, transfers)
        if isinstance(part, StepAccumulator):
            return self._accumulate(part, transfers)
        if isinstance(part, Serialiser):
            (bits,) = transfers
            numbers = _grouped(bits, incoming.width)
            pixels = len(bits) // len(part.output.payload)
            return [_joined(numbers[pixel::pixels]) for pixel in range(pixels)]
        if isinstance(part, Deserialiser):
            return [_joined(_image(transfers, incoming.width))]
        if isinstance(part, Windows):
            assert isinstance(layer, Windowed)
            image = _image(transfers, incoming.width)
            image.append([layer.pad_bit >> place & 1 for place in range(incoming.width)])
            taps = layer.taps(incoming).tolist()
            return [_joined(image[tap] for tap in window) for window in taps]
        raise NotImplementedError(f"no circuit of a {type(part).__name__}")

    def _membranes(self, part: Membranes, transfers: _Transfers) -> _Transfers:
        neurons = len(part.output.payload)
        stored = len(part.logic.outputs) - neurons
        subtracts = part.layer.reset == "subtract"
        state: list[Net] = [0] * (stored + (neurons if subtracts else 0))
        spikes = []
        for at, bits in enumerate(transfers):
            result = inline(part.logic, self.logic, bits + state)
            spikes.append(result[:neurons])
            state = result[neurons:] + (result[:neurons] if subtracts else [])
            if at % part.steps == part.steps - 1:
                state = [0] * len(state)
        return spikes

    def _accumulate(self, part: StepAccumulator, transfers: _Transfers) -> _Transfers:
        totals: list[Net] = [0] * len(part.output.payload)
        for at, bits in enumerate(transfers):
            totals = inline(part.logic, self.logic, [*bits, *totals, int(at > 0)])
        return [totals]

    def difference(self, one: Sequence[Net], other: Sequence[Net]) -> Logic | None:
        """Return a netlist of one output: whether the two differ; None if they are one."""
        pairs = [(a, b) for a, b in zip(one, other, strict=True) if a != b]
        if not pairs:
            return None
        nets = [self.logic.table(XOR2, pair) for pair in dict.fromkeys(pairs)]
        while len(nets) > 1:
            chosen, nets = nets[:4], nets[4:]
            nets.append(self.logic.table((1 << (1 << len(chosen))) - 2, chosen))
        self.logic.outputs = nets
        return self.logic

    def planes(self, frames: IntArray) -> list[Planes]:
        """Return the circuit's inputs for ``frames`` ``[N, features]``, a plane each."""
        width = self.layout.feature_bits
        padded = np.pad(frames.astype(np.int64), ((0, -len(frames) % 64), (0, 0)), mode="edge")
        bits = padded.T[:, None, :] >> np.arange(width)[None, :, None] & 1
        packed = np.packbits(bits.reshape(-1, len(padded)).astype(np.bool_), 1, bitorder="little")
        planes = list(np.ascontiguousarray(packed).view(np.uint64))
        idle = len(self.logic.inputs) - len(planes)
        return planes + [np.zeros_like(planes[0])] * idle

    def frame(self, bits: int) -> IntArray:
        """Return the frame ``[features]`` whose bits, as a number, are the circuit's inputs."""
        width = self.layout.feature_bits
        numbers = [bits >> (width * k) & ((1 << width) - 1) for k in range(self.values.count)]
        frame = np.array(numbers, np.int64)
        return frame - (frame >> (width - 1) << width) if self.values.signed else frame


def _grouped(bits: list[Net], width: int) -> list[list[Net]]:
    """Return ``bits`` as numbers of ``width`` bits."""
    return [bits[at : at + width] for at in range(0, len(bits), width)]


def _joined(numbers: Iterable[list[Net]]) -> list[Net]:
    """Return the bits of ``numbers``."""
    return [net for number in numbers for net in number]


def _image(pixels: _Transfers, width: int) -> list[list[Net]]:
    """Return the numbers of an image in its flat order."""
    by_pixel = [_grouped(bits, width) for bits in pixels]
    return [numbers[channel] for channel in range(len(by_pixel[0])) for numbers in by_pixel]


def inline(source: Logic, target: Logic, inputs: Sequence[Net]) -> list[Net]:
    """Put ``source``, fed with ``inputs``, nets of ``target``, into it; return its outputs."""
    nets: dict[Net, Net] = {0: 0, 1: 1}
    nets.update(zip(source.inputs, inputs, strict=True))
    for net, driver in source.live_drivers():
        if isinstance(driver, Table):
            nets[net] = target.table(driver.table, [nets[one] for one in driver.inputs])
        elif net not in nets:
            nets |= _inline_block(driver[0], target, nets)
    return [nets[net] for net in source.outputs]


def _inline_block(block: Instance, target: Logic, nets: dict[Net, Net]) -> dict[Net, Net]:
    fed = [
        target.invert(nets[net]) if flip else nets[net]
        for net, flip in zip(block.inputs, block.flip, strict=True)
    ]
    outputs = inline(block.module, target, fed)
    return dict(zip(range(block.first, block.first + len(outputs)), outputs, strict=True))


def evaluate(logic: Logic, inputs: Sequence[Planes]) -> list[Planes]:
    """Return the planes of ``logic``'s outputs for planes of its inputs."""
    zero = np.zeros_like(inputs[0])
    planes: dict[Net, Planes] = {0: zero, 1: ~zero}
    planes.update(zip(logic.inputs, inputs, strict=True))
    for net, driver in logic.live_drivers():
        assert isinstance(driver, Table), "a circuit has no shared modules"
        planes[net] = _look_up(driver.table, [planes[one] for one in driver.inputs], zero)
    return [planes[net] for net in logic.outputs]


def _look_up(table: int, inputs: list[Planes], zero: Planes) -> Planes:
    """Return the plane of a truth table: the last input selects between its halves."""
    entries = 1 << len(inputs)
    if table == 0:
        return zero
    if table == (1 << entries) - 1:
        return ~zero
    half = entries >> 1
    low, high = table & ((1 << half) - 1), table >> half
    *rest, select = inputs
    if low == high:
        return _look_up(low, rest, zero)
    if low == high ^ ((1 << half) - 1):
        return _look_up(low, rest, zero) ^ select
    below, above = _look_up(low, rest, zero), _look_up(high, rest, zero)
    return below ^ ((below ^ above) & select)
