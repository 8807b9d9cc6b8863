"""The golden executor: what an integer network computes, bit for bit.

It is the reference for everything downstream. Activations are kept as bit planes, one row of
``uint64`` words for each bit of a frame, 64 frames to a word; so a neuron of small fan-in costs a
few word operations for 64 frames. Wide neurons, and those with weights beyond -1, 0 and 1, are
matrix products instead, of small integers that a float holds exactly. What is more than bits is
kept as numbers, a row a frame. The steps of a frame are executed like so many frames: the first of
all frames, padded to whole words, then the second.
"""

from collections.abc import Callable, Container, Iterator
from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt

from htaflow.model.integer.golden.spiking import spikes
from htaflow.model.integer.golden.window import over_windows, pool
from htaflow.model.integer.network import (
    Accumulate,
    ArgMax,
    Concepts,
    Convolution,
    Dense,
    Encode,
    Flatten,
    GroupSum,
    IntArray,
    Layer,
    Lookup,
    MaxPool2d,
    Network,
    Quantise,
    Spiking,
    Steps,
    Unflatten,
    Values,
    require_network,
)
from htaflow.model.support.errors import BadInputError, kind_of

Planes = npt.NDArray[np.uint64]
"""Bits of many frames, ``[bits, words]``: frame f is bit f % 64 of word f // 64."""

WIDE_FAN_IN = 48
"""Above this fan-in, a matrix product beats adding bit planes."""

_BLOCK = 8192  # frames at once: bounds memory, whatever the number of frames
_NARROW_NEURONS = 128  # at once: their planes of one block stay in the processor's cache
_WIDE_NEURONS = 1024  # at once: bounds memory
_ONES = ~np.uint64(0)

_Step = Callable[[npt.NDArray[Any], int], npt.NDArray[Any]]
"""A layer made ready: (what comes in, number of frames) to what it yields; bits are planes."""


def run(network: Network, frames: npt.ArrayLike) -> dict[str, IntArray]:
    """Return what leaves the hardware for each frame.

    Args:
        network: the network to execute.
        frames: integers ``[N, features]``, each in the range that the network's first layer states.

    Returns:
        The network's outputs by name, each ``[N, *shape]``, as ``network.outputs`` lists them.

    Raises:
        BadInputError: the frames have the wrong shape, type or range.
    """
    require_network(network)
    layers = network.output_layers
    values = _execute(network, frames, list(layers.values()))
    return {name: values[layer] for name, layer in layers.items()}


def trace(network: Network, frames: npt.ArrayLike) -> dict[str, IntArray]:
    """Return what each layer yields for each frame, by layer name, each ``[N, *shape]``.

    Between a ``Steps`` and its ``Accumulate`` that is ``[N, steps, *shape]``. Takes and raises what
    :func:`run` does.
    """
    require_network(network)
    return _execute(network, frames, [layer.name for layer in network.layers])


def check_frames(network: Network, frames: npt.ArrayLike) -> IntArray:
    """Return ``frames`` as integers ``[N, features]``, or raise ``BadInputError``."""
    require_network(network)
    expected = network.input
    takes = f"network '{network.name}' takes integers [N, {expected.count}]"
    try:
        array = np.asarray(frames)
    except (ValueError, TypeError, RuntimeError) as error:  # ragged, or a tensor not on the CPU
        raise BadInputError(
            f"frames are {kind_of(frames)}, not an array; {takes} ({error})"
        ) from None
    if array.ndim == 0:
        raise BadInputError(f"frames are {kind_of(frames)}; {takes}")
    if array.ndim != 2 or array.shape[1] != expected.count:
        one = "; put a single frame into a list" if array.shape == (expected.count,) else ""
        raise BadInputError(f"frames have shape {list(array.shape)}; {takes}{one}")
    if array.dtype.kind not in "iu":
        raise BadInputError(f"frames hold {array.dtype}; give integers, such as frames.astype(int)")
    holds = np.iinfo(array.dtype)
    if expected.low <= holds.min and holds.max <= expected.high:
        return array
    if len(array) and (array.min() < expected.low or array.max() > expected.high):
        outside = (array < expected.low) | (array > expected.high)
        frame, feature = np.argwhere(outside)[0]
        raise BadInputError(
            f"frame {frame}, feature {feature}: {array[frame, feature]} is outside "
            f"{expected.low}..{expected.high}"
        )
    return array


def _execute(
    network: Network, frames: npt.ArrayLike, wanted: Container[str]
) -> dict[str, IntArray]:
    """Return what the layers named in ``wanted`` yield, each ``[N, *shape]``."""
    checked = check_frames(network, frames)
    steps = []
    incoming = network.input
    for layer, outgoing in zip(network.layers, network.values.values(), strict=True):
        steps.append((layer.name, _prepare(layer, incoming), outgoing))
        incoming = outgoing
    most = max((values.steps or 1) for _, _, values in steps)
    size = max(64, _BLOCK // most // 64 * 64)
    blocks = []
    for start in range(0, max(1, len(checked)), size):
        values: npt.NDArray[Any] = checked[start : start + size]
        frames_here = count = len(values)
        block = {}
        for name, step, outgoing in steps:
            values, passes = step(values, count), outgoing.steps
            count = frames_here if passes is None else passes * _padded(frames_here)
            if passes is None and values.dtype != np.uint64:
                values = values[:count]
            if outgoing.is_bits and values.dtype != np.uint64:  # numbers that happen to be bits
                values = _pack(values.T.astype(np.bool_))
            planes = values.dtype == np.uint64
            if name in wanted:
                rows = _unpack(values, count) if planes else values
                rows = rows.reshape(count, *outgoing.shape)
                block[name] = rows if passes is None else _by_frame(rows, passes, frames_here)
        blocks.append(block)
    return {name: np.concatenate([block[name] for block in blocks]) for name in blocks[0]}


def _padded(frames: int) -> int:
    """Return how many frames fill the words that ``frames`` take."""
    return -(-frames // 64) * 64


def _by_frame(rows: IntArray, steps: int, frames: int) -> IntArray:
    """Return rows in the order of execution, step by step, as ``[frames, steps, ...]``."""
    padded = rows.reshape(steps, _padded(frames), *rows.shape[1:])
    return np.ascontiguousarray(padded[:, :frames].swapaxes(0, 1))


def _prepare(layer: Layer, incoming: Values) -> _Step:
    """Return the step that executes ``layer``; what does not depend on the frames is done here."""
    if isinstance(layer, Encode):
        return _encode(layer)
    if isinstance(layer, Quantise):
        return _quantise(layer)
    if isinstance(layer, Dense) and not incoming.is_bits:
        return _weigh(layer, incoming.high)
    if isinstance(layer, Dense):
        return _scores(layer) if layer.thresholds is None else _compare(layer)
    if isinstance(layer, Lookup):
        return _tables(layer)
    if isinstance(layer, Steps):
        return _present(layer)
    if isinstance(layer, Spiking):
        return _spike(layer, incoming.steps or 1)
    if isinstance(layer, Accumulate):
        return _accumulate(incoming.steps or 1)
    if isinstance(layer, Convolution):
        return over_windows(layer, incoming, _prepare(layer.neurons, layer.window(incoming)))
    if isinstance(layer, MaxPool2d):
        return pool(layer, incoming)
    if isinstance(layer, Flatten | Unflatten | Concepts):
        return lambda planes, count: planes  # an image's planes are in its flat order
    if isinstance(layer, GroupSum):
        return _vote(layer)
    if isinstance(layer, ArgMax):
        return _choose
    raise NotImplementedError(f"golden does not execute {layer.type}")


def _pack(bits: npt.NDArray[np.bool_]) -> Planes:
    """Pack ``[bits, frames]`` into planes ``[bits, words]``."""
    packed = np.packbits(bits, axis=1, bitorder="little")
    padding = -packed.shape[1] % 8
    return np.ascontiguousarray(np.pad(packed, ((0, 0), (0, padding)))).view("<u8")


def _unpack(planes: Planes, frames: int) -> IntArray:
    """Unpack planes into 0 and 1, ``[frames, bits]``."""
    return np.ascontiguousarray(_unpack_rows(planes, frames).T).view(np.int8)


def _unpack_rows(planes: Planes, frames: int) -> npt.NDArray[np.uint8]:
    """Unpack planes into 0 and 1, ``[bits, frames]``."""
    raw = np.ascontiguousarray(planes).view(np.uint8)
    return np.unpackbits(raw, axis=1, count=frames, bitorder="little")


def _encode(layer: Encode) -> _Step:
    """The comparisons of features ``[frames, features]``, as planes ``[bits, words]``."""
    low, high = layer.input.low, layer.input.high
    narrow = np.promote_types(np.min_scalar_type(low), np.min_scalar_type(high))
    # One more than the largest feature may not fit the features' own type: no feature reaches it.
    beyond = layer.threshold > high
    threshold = np.where(beyond, high, layer.threshold).astype(narrow)[:, None]
    never = np.flatnonzero(beyond)
    as_they_are = np.array_equal(layer.source, np.arange(layer.features))

    def step(frames: npt.NDArray[Any], count: int) -> Planes:
        features = np.ascontiguousarray(frames.T, narrow)
        planes = _pack((features if as_they_are else features[layer.source]) >= threshold)
        planes[never] = 0
        return planes

    return step


def _quantise(layer: Quantise) -> _Step:
    """The top bits of features ``[frames, features]``, as numbers ``[frames, features]``."""
    low, dropped = layer.input.low, layer.feature_bits - layer.bits

    def step(frames: npt.NDArray[Any], count: int) -> IntArray:
        return np.asarray((frames.astype(np.int32) - low) >> dropped)

    return step


def _weigh(layer: Dense, high: int) -> _Step:
    """What a layer yields that sums numbers ``[frames, in]`` from 0 to ``high``."""
    exact = _float(layer, high)
    weights = layer.weights.T.astype(exact)

    def step(numbers: npt.NDArray[Any], count: int) -> npt.NDArray[Any]:
        sums = numbers.astype(exact) @ weights
        if layer.thresholds is None:
            return np.asarray(sums.astype(np.int64))
        return _pack((sums >= layer.thresholds).T)

    return step


def _float(layer: Dense, high: int = 1) -> type[np.floating[Any]]:
    """Return a type of float that holds every sum on the way exactly, of inputs up to ``high``."""
    most = 2 * high * int(layer.magnitude.max())  # the sums and what is added to them
    return np.float32 if most < 1 << 24 else np.float64


def _compare(layer: Dense) -> _Step:
    """The bits of a thresholded layer, as planes ``[out, words]``."""
    thresholds = layer.popcount_thresholds
    groups = _groups(layer)

    def step(planes: npt.NDArray[Any], count: int) -> Planes:
        out = np.empty((len(layer.weights), planes.shape[1]), np.uint64)
        for neurons, popcounts in groups:
            counted = popcounts(planes, count)
            needed = thresholds[neurons]
            if isinstance(counted, list):
                out[neurons] = _at_least(counted, needed)
            else:
                out[neurons] = _pack(counted >= needed[:, None])
        return out

    return step


def _scores(layer: Dense) -> _Step:
    """The sums of a layer without thresholds, ``[frames, out]``."""
    groups = _groups(layer)
    magnitude, negative = layer.magnitude.astype(np.int32), layer.negative.astype(np.int32)

    def step(planes: npt.NDArray[Any], count: int) -> IntArray:
        popcounts = np.empty((len(layer.weights), count), np.int32)
        for neurons, group in groups:
            counted = group(planes, count)
            popcounts[neurons] = _numbers(counted, count) if isinstance(counted, list) else counted
        if layer.inputs == "bipolar":
            return np.asarray(2 * popcounts.T - magnitude)
        return np.asarray(popcounts.T - negative)

    return step


def _tables(layer: Lookup) -> _Step:
    """The bits of truth tables, as planes ``[out, words]``."""
    sources = layer.source.T

    def step(planes: npt.NDArray[Any], count: int) -> Planes:
        out = np.empty((len(layer.tables), planes.shape[1]), np.uint64)
        for part in _parts(len(out), _NARROW_NEURONS):
            out[part] = _look_up(layer.tables[part], planes[sources[:, part]])
        return out

    return step


def _present(layer: Steps) -> _Step:
    """The planes of each step, one step's words after another's."""

    def step(planes: npt.NDArray[Any], count: int) -> Planes:
        if layer.coding == "direct":
            return np.tile(planes, (1, layer.steps))
        size, words = len(planes) // layer.steps, planes.shape[1]
        runs = planes.reshape(layer.steps, size, words).transpose(1, 0, 2)
        return np.ascontiguousarray(runs).reshape(size, layer.steps * words)

    return step


def _spike(layer: Spiking, steps: int) -> _Step:
    """The spikes of every step, as planes ``[out, words]``."""
    # What all neurons sum in all steps, before anything fires, would take much memory.
    parts = [
        (part, _scores(replace(layer.sums, weights=layer.weights[part])))
        for part in _parts(len(layer.weights), _NARROW_NEURONS)
    ]

    def step(planes: npt.NDArray[Any], count: int) -> Planes:
        out = np.empty((len(layer.weights), planes.shape[1]), np.uint64)
        for part, sums in parts:
            by_step = sums(planes, count).T.reshape(len(out[part]), steps, -1)
            out[part] = _pack(spikes(layer, part, by_step).reshape(len(out[part]), -1))
        return out

    return step


def _accumulate(steps: int) -> _Step:
    """The sums over the steps, ``[frames, ...]``; some frames more, which fill a word."""

    def step(values: npt.NDArray[Any], count: int) -> IntArray:
        rows = _unpack(values, count) if values.dtype == np.uint64 else values
        by_step = rows.reshape(steps, count // steps, *rows.shape[1:])
        return np.asarray(by_step.sum(axis=0, dtype=np.int32))

    return step


def _look_up(tables: IntArray, inputs: Planes) -> Planes:
    """Return the planes ``[out, words]`` of tables ``[out, 2**K]`` on inputs ``[K, out, words]``.

    The highest input selects between the halves of the table, and so on down to single entries.
    """
    return _select(np.where(tables, _ONES, np.uint64(0)), inputs)


def _select(entries: Planes, inputs: Planes) -> Planes:
    """Do what :func:`_look_up` does, on tables whose entries are whole words."""
    select: Planes = inputs[-1]
    half = entries.shape[1] // 2
    if half == 1:
        mixed: Planes = select & (entries[:, :1] ^ entries[:, 1:])
        mixed ^= entries[:, :1]
        return mixed
    low = _select(entries[:, :half], inputs[:-1])
    result = _select(entries[:, half:], inputs[:-1])
    result ^= low
    result &= select
    result ^= low
    return result


def _vote(layer: GroupSum) -> _Step:
    """The popcount of each group, ``[frames, groups]``."""

    def step(planes: npt.NDArray[Any], count: int) -> IntArray:
        size = len(planes) // layer.groups
        members = planes.reshape(layer.groups, size, planes.shape[1]).transpose(1, 0, 2)
        return np.ascontiguousarray(_numbers(_count(members), count).T)

    return step


def _choose(scores: npt.NDArray[Any], count: int) -> IntArray:
    """The index of each frame's largest score, ``[frames, 1]``; scores of one bit are planes."""
    numbers = _unpack(scores, count) if scores.dtype == np.uint64 else scores
    return np.asarray(numbers.argmax(axis=1, keepdims=True).astype(np.int32))


_Popcounts = Callable[[npt.NDArray[Any], int], "list[Planes] | npt.NDArray[np.floating[Any]]"]
"""(planes, number of frames) to the popcounts of some neurons.

Few wires give binary counters: planes ``[neurons, words]``, low bit first. Many give numbers,
``[neurons, frames]``.
"""


def _groups(layer: Dense) -> list[tuple[IntArray, _Popcounts]]:
    """Return all neurons, in groups that are counted together, and how."""
    ternary = (np.abs(layer.weights.astype(np.int16)) <= 1).all(axis=1)
    fan_ins = layer.fan_in
    columns = layer.wires[1]
    first = np.cumsum(fan_ins) - fan_ins  # where each neuron's wires start
    groups: list[tuple[IntArray, _Popcounts]] = []
    narrow = (fan_ins <= WIDE_FAN_IN) & ternary
    for fan_in in np.unique(fan_ins[narrow]):
        same = np.flatnonzero(narrow & (fan_ins == fan_in))
        for part in _parts(len(same), _NARROW_NEURONS):
            neurons = same[part]
            sources = columns[first[neurons] + np.arange(fan_in)[:, None]]
            groups.append((neurons, _narrow(sources, layer.weights[neurons, sources] < 0)))
    wide = np.flatnonzero(~narrow)
    groups += [(wide[part], _wide(layer, wide[part])) for part in _parts(len(wide), _WIDE_NEURONS)]
    return groups


def _parts(neurons: int, at_once: int) -> Iterator[slice]:
    """Yield slices of ``at_once`` that cover ``neurons``."""
    for start in range(0, neurons, at_once):
        yield slice(start, start + at_once)


def _narrow(sources: IntArray, negative: npt.NDArray[np.bool_]) -> _Popcounts:
    """Popcounts of neurons that read bits ``sources``, ``[fan-in, neurons]``, as counters."""
    flip = np.where(negative, _ONES, np.uint64(0))[:, :, None]

    def popcounts(planes: npt.NDArray[Any], count: int) -> list[Planes]:
        bits = planes[sources]
        bits ^= flip
        return _count(bits)

    return popcounts


def _wide(layer: Dense, neurons: IntArray) -> _Popcounts:
    """Popcounts of ``neurons`` of a layer, as numbers.

    A wire of weight w > 0 counts w * b and one of weight -w counts w * (1 - b).
    """
    exact = _float(layer)
    negative = layer.negative[neurons, None].astype(exact)

    def popcounts(planes: npt.NDArray[Any], count: int) -> npt.NDArray[np.floating[Any]]:
        bits = _unpack_rows(planes, count).astype(exact)
        sums: npt.NDArray[np.floating[Any]] = layer.weights[neurons].astype(exact) @ bits
        sums += negative
        return sums

    return popcounts


def _count(bits: Planes) -> list[Planes]:
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


def _at_least(counter: list[Planes], needed: IntArray) -> Planes:
    """Whether counters reach the numbers ``needed``, ``[neurons]``, none negative: planes."""
    result = np.full_like(counter[0], _ONES)
    for bit, plane in enumerate(counter):
        # From the low bit up: greater in this bit, or no less in this bit and enough below.
        spare = np.where(needed >> bit & 1, np.uint64(0), _ONES)[:, None]
        result &= plane | spare
        result |= plane & spare
    result[needed >> len(counter) > 0] = 0  # a number that no popcount reaches
    return result


def _numbers(counter: list[Planes], count: int) -> IntArray:
    """Return counters of ``count`` frames as numbers, ``[neurons, frames]``."""
    total = np.zeros((len(counter[0]), count), np.int32)
    for bit, plane in enumerate(counter):
        total += _unpack_rows(plane, count).astype(np.int32) << bit
    return total
