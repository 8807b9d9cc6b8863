"""What a design computes of one frame, as one combinational netlist, regardless of its cycles.

It is put together from the very netlists that the design's parts are made of; what lies between
them (shift registers, line buffers, counters) only moves bits, and so does it here. Two designs in
one :class:`Circuit` share every net that they have in common.
"""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from htaflow.hw.logic.netlist import Logic, Net, Table
from htaflow.hw.logic.truth_table import XOR2
from htaflow.hw.network import NetworkCore
from htaflow.hw.stream.layout import InputLayout
from htaflow.model.integer.network import IntArray, Values
from htaflow.sim.faults.layers import Surroundings, Transfers, transfers

Planes = npt.NDArray[np.uint64]
"""One bit a frame, 64 of them in a word."""


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
        around = Surroundings(self.logic, self.layout, layers, fed)
        passing: Transfers = [list(self.logic.inputs)]
        carried: list[Net] = []
        for part in core.parts:
            passing = transfers(part, passing, around)
            if part.is_tap:
                (carried,) = passing
        (bits,) = passing
        return bits + carried if core.parts[-1].carried else bits

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
