"""Bit planes: 64 frames to a word, so that one operation computes a bit of all of them."""

from typing import Any

import numpy as np
import numpy.typing as npt

from htaflow.model.integer.layers.base import IntArray

Planes = npt.NDArray[np.uint64]
"""Bits of many frames, ``[bits, words]``: frame f is bit f % 64 of word f // 64."""

ONES = ~np.uint64(0)


def padded(frames: int) -> int:
    """Return how many frames fill the words that ``frames`` take."""
    return -(-frames // 64) * 64


def pack(bits: npt.NDArray[np.bool_]) -> Planes:
    """Pack ``[bits, frames]`` into planes ``[bits, words]``."""
    packed = np.packbits(bits, axis=1, bitorder="little")
    padding = -packed.shape[1] % 8
    return np.ascontiguousarray(np.pad(packed, ((0, 0), (0, padding)))).view("<u8")


def unpack(planes: Planes, frames: int) -> IntArray:
    """Unpack planes into 0 and 1, ``[frames, bits]``."""
    return np.ascontiguousarray(unpack_rows(planes, frames).T).view(np.int8)


def unpack_rows(planes: Planes, frames: int) -> npt.NDArray[np.uint8]:
    """Unpack planes into 0 and 1, ``[bits, frames]``."""
    raw = np.ascontiguousarray(planes).view(np.uint8)
    return np.unpackbits(raw, axis=1, count=frames, bitorder="little")


def as_rows(values: npt.NDArray[Any], count: int) -> IntArray:
    """Return planes or numbers as numbers, ``[frames, ...]``."""
    return unpack(values, count) if values.dtype == np.uint64 else values
