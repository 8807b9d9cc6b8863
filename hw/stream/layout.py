"""How frames and results lie on the bus: bit order and padding, for hardware and software alike.

Byte 0 is ``tdata[7:0]``. An input beat carries ``per_beat`` whole features, the k-th in bits
``[k * feature_bits +: feature_bits]``, the bits above them zero; a frame takes ``beats`` beats, the
features in order. A result is one beat: the network's outputs in order (class, scores, concepts),
each number padded to whole bytes, sign-extended if signed; bits are packed, and padded together.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from htaflow.model.integer.network import IntArray, Network, Values
from htaflow.model.support.errors import BadInputError
from htaflow.model.support.results import OutputField

Bytes = npt.NDArray[np.uint8]


class InputLayout:
    """Frames on an input bus.

    Parameters:
        values: the frame, ``[features]`` integers.
        bus_bits: width of the bus, a multiple of 8 that holds at least one feature; ``None`` for
            one just wide enough for a whole frame. It is narrowed to a whole frame if wider.

    Attributes:
        feature_bits: bits of one feature.
        per_beat: features in one beat.
        beats: beats in one frame.
        bus_bits: width of the bus.
    """

    def __init__(self, values: Values, bus_bits: int | None = None) -> None:
        self.values = values
        self.feature_bits = values.width
        whole_frame = _to_bytes(values.count * values.width) * 8
        bus_bits = whole_frame if bus_bits is None else bus_bits
        if bus_bits < 8 or bus_bits % 8 or bus_bits < self.feature_bits:
            raise BadInputError(
                f"a bus of {bus_bits} bits does not do: use a multiple of 8 that holds a feature "
                f"of {self.feature_bits} bits"
            )
        self.bus_bits = min(bus_bits, whole_frame)
        self.per_beat = min(self.bus_bits // self.feature_bits, values.count)
        self.beats = -(-values.count // self.per_beat)

    def pack(self, frames: IntArray) -> Bytes:
        """Return frames ``[N, features]`` as beats, ``[N, beats, bus_bits / 8]``."""
        padded = np.zeros((len(frames), self.beats * self.per_beat), np.int64)
        padded[:, : self.values.count] = frames
        shifts = np.arange(self.feature_bits)
        bits = (padded[..., None] >> shifts & 1).astype(np.uint8)
        lanes = bits.reshape(len(frames), self.beats, self.per_beat * self.feature_bits)
        idle = self.bus_bits - lanes.shape[2]
        return np.packbits(np.pad(lanes, ((0, 0), (0, 0), (0, idle))), axis=2, bitorder="little")


@dataclass(frozen=True)
class Field:
    """One output in the result word: ``count`` numbers of ``element_bits`` from bit ``offset``."""

    name: str
    values: Values
    offset: int
    element_bits: int

    def describe(self) -> OutputField:
        """Return the field as it stands in ``rtl/top.json``."""
        return {
            "name": self.name,
            "offset": self.offset,
            "element_bits": self.element_bits,
            "count": self.values.count,
            "width": self.values.width,
            "signed": self.values.signed,
        }


class OutputLayout:
    """Results on the output bus.

    Parameters:
        outputs: what leaves for each frame, by name, in order. Several bits of one name are
            packed densely; every other number is padded to whole bytes.

    Attributes:
        fields: where each output lies.
        width: bits of the result, a multiple of 8.
    """

    def __init__(self, outputs: Mapping[str, Values]) -> None:
        fields = []
        offset = 0
        for name, values in outputs.items():
            element_bits = 1 if values.is_bits and name != "class" else _to_bytes(values.width) * 8
            fields.append(Field(name, values, offset, element_bits))
            offset += _to_bytes(values.count * element_bits) * 8
        self.fields = tuple(fields)
        self.width = offset

    def pack(self, results: Mapping[str, IntArray]) -> Bytes:
        """Return results, each ``[N, *shape]``, as words, ``[N, width / 8]``."""
        frames = len(next(iter(results.values())))
        bits = np.zeros((frames, self.width), np.uint8)
        for field in self.fields:
            numbers = results[field.name].reshape(frames, field.values.count).astype(np.int64)
            spread = numbers[..., None] >> np.arange(field.element_bits) & 1
            end = field.offset + field.values.count * field.element_bits
            bits[:, field.offset : end] = spread.reshape(frames, -1)
        return np.packbits(bits, axis=1, bitorder="little")

    def unpack(self, words: Bytes) -> dict[str, IntArray]:
        """Return the results in words ``[N, width / 8]``, each ``[N, *shape]``."""
        bits = np.unpackbits(words, axis=1, bitorder="little").astype(np.int64)
        results = {}
        for field in self.fields:
            end = field.offset + field.values.count * field.element_bits
            spread = bits[:, field.offset : end].reshape(len(words), -1, field.element_bits)
            numbers = spread @ (1 << np.arange(field.element_bits))
            if field.values.signed:
                numbers -= (numbers >> (field.element_bits - 1)) << field.element_bits
            results[field.name] = numbers.reshape(len(words), *field.values.shape)
        return results


def layouts(network: Network, bus_bits: int | None = None) -> tuple[InputLayout, OutputLayout]:
    """Return how ``network``'s frames and results lie on the bus."""
    return InputLayout(network.input, bus_bits), OutputLayout(network.outputs)


def _to_bytes(bits: int) -> int:
    return -(-bits // 8)
