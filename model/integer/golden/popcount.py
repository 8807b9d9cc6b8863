"""Popcounts of many neurons: counters of bits for few wires, matrix products for many."""

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import numpy.typing as npt

from htaflow.model.integer.golden.planes import ONES, Planes, unpack_rows
from htaflow.model.integer.layers.base import IntArray
from htaflow.model.integer.layers.dense import Dense

WIDE_FAN_IN = 48
"""Above this fan-in, a matrix product beats adding bit planes."""

NEURONS_AT_ONCE = 128
"""Their planes of one block of frames stay in the processor's cache."""

_WIDE_NEURONS = 1024  # at once: bounds memory

Popcounts = Callable[[npt.NDArray[Any], int], "list[Planes] | npt.NDArray[np.floating[Any]]"]
"""(planes, number of frames) to the popcounts of some neurons.

Few wires give binary counters: planes ``[neurons, words]``, low bit first. Many give numbers,
``[neurons, frames]``.
"""


def popcount_groups(layer: Dense) -> list[tuple[IntArray, Popcounts]]:
    """Return all neurons, in groups that are counted together, and how."""
    ternary = (np.abs(layer.weights.astype(np.int16)) <= 1).all(axis=1)
    fan_ins = layer.fan_in
    columns = layer.wires[1]
    first = np.cumsum(fan_ins) - fan_ins  # where each neuron's wires start
    groups: list[tuple[IntArray, Popcounts]] = []
    narrow = (fan_ins <= WIDE_FAN_IN) & ternary
    for fan_in in np.unique(fan_ins[narrow]):
        same = np.flatnonzero(narrow & (fan_ins == fan_in))
        for part in slices(len(same), NEURONS_AT_ONCE):
            neurons = same[part]
            sources = columns[first[neurons] + np.arange(fan_in)[:, None]]
            groups.append((neurons, _count_planes(sources, layer.weights[neurons, sources] < 0)))
    wide = np.flatnonzero(~narrow)
    for part in slices(len(wide), _WIDE_NEURONS):
        groups.append((wide[part], _count_products(layer, wide[part])))
    return groups


def slices(neurons: int, at_once: int) -> Iterator[slice]:
    """Yield slices of ``at_once`` that cover ``neurons``."""
    for start in range(0, neurons, at_once):
        yield slice(start, start + at_once)


def _count_planes(sources: IntArray, negative: npt.NDArray[np.bool_]) -> Popcounts:
    """Popcounts of neurons that read bits ``sources``, ``[fan-in, neurons]``, as counters."""
    flip = np.where(negative, ONES, np.uint64(0))[:, :, None]

    def popcounts(planes: npt.NDArray[Any], count: int) -> list[Planes]:
        bits = planes[sources]
        bits ^= flip
        return count_bits(bits)

    return popcounts


def _count_products(layer: Dense, neurons: IntArray) -> Popcounts:
    """Popcounts of ``neurons`` of a layer, as numbers.

    A wire of weight w > 0 counts w * b and one of weight -w counts w * (1 - b).
    """
    exact = exact_float(layer)
    negative = layer.negative[neurons, None].astype(exact)

    def popcounts(planes: npt.NDArray[Any], count: int) -> npt.NDArray[np.floating[Any]]:
        bits = unpack_rows(planes, count).astype(exact)
        sums: npt.NDArray[np.floating[Any]] = layer.weights[neurons].astype(exact) @ bits
        sums += negative
        return sums

    return popcounts


def exact_float(layer: Dense, high: int = 1) -> type[np.floating[Any]]:
    """Return a type of float that holds every sum on the way exactly, of inputs up to ``high``."""
    most = 2 * high * int(layer.magnitude.max())  # the sums and what is added to them
    return np.float32 if most < 1 << 24 else np.float64


def count_bits(bits: Planes) -> list[Planes]:
    """Add up planes ``[K, ...]`` along the first axis: binary counters, low bit first.

    As a carry-save tree: of three bits of one weight, the sum stays and the carry weighs double.
    """
    counter = []
    column = bits
    while True:
        carries = []
        while len(column) > 2:
            n = len(column) // 3
            a, b, c = column[:n], column[n : 2 * n], column[2 * n : 3 * n]
            half = a ^ b
            carry = a & b
            total = half ^ c
            half &= c
            carry |= half
            carries.append(carry)
            column = np.concatenate([total, column[3 * n :]]) if len(column) % 3 else total
        if len(column) == 2:
            carries.append(column[:1] & column[1:])
            column = column[:1] ^ column[1:]
        counter.append(column[0])
        if not carries:
            return counter
        column = np.concatenate(carries)


def at_least(counter: list[Planes], needed: IntArray) -> Planes:
    """Whether counters reach the numbers ``needed``, ``[neurons]``, none negative: planes."""
    result = np.full_like(counter[0], ONES)
    for bit, plane in enumerate(counter):
        # From the low bit up: greater in this bit, or no less in this bit and enough below.
        spare = np.where(needed >> bit & 1, np.uint64(0), ONES)[:, None]
        result &= plane | spare
        result |= plane & spare
    result[needed >> len(counter) > 0] = 0  # a number that no popcount reaches
    return result


def numbers(counter: list[Planes], count: int) -> IntArray:
    """Return counters of ``count`` frames as numbers, ``[neurons, frames]``."""
    total = np.zeros((len(counter[0]), count), np.int32)
    for bit, plane in enumerate(counter):
        total += unpack_rows(plane, count).astype(np.int32) << bit
    return total
