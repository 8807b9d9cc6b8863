"""The golden executor: what an integer network computes, bit for bit.

It is the reference for everything downstream. Activations are kept as bit planes, one row of
``uint64`` words for each bit of a frame, 64 frames to a word; so a neuron of small fan-in costs a
few word operations for 64 frames. Wide neurons use ``numpy.bitwise_count`` on frames packed the
other way round.
"""

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt

from htaflow.model.errors import BadInputError
from htaflow.model.network import ArgMax, Dense, Encode, GroupSum, IntArray, Lookup, Network

Planes = npt.NDArray[np.uint64]
"""Bits of many frames, ``[bits, words]``: frame f is bit f % 64 of word f // 64."""

WIDE_FAN_IN = 48
"""Above this fan-in, counting whole words beats adding bit planes one by one."""

_BLOCK = 8192  # frames at once: bounds memory, whatever the number of frames


def run(network: Network, frames: npt.ArrayLike) -> dict[str, IntArray]:
    """Return what leaves the hardware for each frame.

    Args:
        network: the network to execute.
        frames: integers ``[N, features]``, each in the range that the network's Encode states.

    Returns:
        The network's outputs by name, each ``[N, *shape]``, as ``network.outputs`` lists them.

    Raises:
        BadInputError: the frames have the wrong shape, type or range.
    """
    values = trace(network, frames)
    chain = list(values.values())
    if isinstance(network.layers[-1], ArgMax):
        return {"class": chain[-1], "scores": chain[-2]}
    return dict.fromkeys(network.outputs, chain[-1])


def trace(network: Network, frames: npt.ArrayLike) -> dict[str, IntArray]:
    """Return what each layer yields for each frame, by layer name, each ``[N, *shape]``.

    Takes and raises what :func:`run` does.
    """
    checked = check_frames(network, frames)
    blocks = [
        _trace_block(network, checked[start : start + _BLOCK])
        for start in range(0, max(1, len(checked)), _BLOCK)
    ]
    return {name: np.concatenate([block[name] for block in blocks]) for name in blocks[0]}


def check_frames(network: Network, frames: npt.ArrayLike) -> IntArray:
    """Return ``frames`` as integers ``[N, features]``, or raise ``BadInputError``."""
    array = np.asarray(frames)
    expected = network.input
    if array.ndim != 2 or array.shape[1] != expected.count:
        raise BadInputError(
            f"frames have shape {list(array.shape)}; network '{network.name}' takes "
            f"[N, {expected.count}]"
        )
    if array.dtype.kind not in "iu":
        raise BadInputError(f"frames hold {array.dtype}; give integers")
    outside = (array < expected.low) | (array > expected.high)
    if outside.any():
        frame, feature = np.argwhere(outside)[0]
        raise BadInputError(
            f"frame {frame}, feature {feature}: {array[frame, feature]} is outside "
            f"{expected.low}..{expected.high}"
        )
    return array


def _trace_block(network: Network, frames: IntArray) -> dict[str, IntArray]:
    count = len(frames)
    result: dict[str, IntArray] = {}
    planes: Planes | None = None
    values: IntArray = frames
    for layer in network.layers:
        if isinstance(layer, Encode):
            planes = _pack(frames.T[layer.source] >= layer.threshold[:, None])
        elif isinstance(layer, Dense):
            assert planes is not None
            if layer.thresholds is not None:
                planes = _compare(layer, planes, count)
            else:
                values, planes = _scores(layer, planes, count), None
        elif isinstance(layer, Lookup):
            assert planes is not None
            planes = _look_up(layer.tables, planes[layer.source.T])
        elif isinstance(layer, GroupSum):
            assert planes is not None
            votes = _unpack(planes, count).reshape(count, layer.groups, -1)
            values, planes = votes.sum(axis=2, dtype=np.int32), None
        elif isinstance(layer, ArgMax):
            values = values.argmax(axis=1, keepdims=True).astype(np.int32)
        else:
            raise NotImplementedError(f"golden does not execute {layer.type}")
        result[layer.name] = values if planes is None else _unpack(planes, count)
    return result


def _pack(bits: npt.NDArray[np.bool_]) -> Planes:
    """Pack ``[bits, frames]`` into planes ``[bits, words]``."""
    packed = np.packbits(bits, axis=1, bitorder="little")
    padding = -packed.shape[1] % 8
    return np.ascontiguousarray(np.pad(packed, ((0, 0), (0, padding)))).view("<u8")


def _unpack(planes: Planes, frames: int) -> IntArray:
    """Unpack planes into 0 and 1, ``[frames, bits]``."""
    raw = np.ascontiguousarray(planes).view(np.uint8)
    bits = np.unpackbits(raw, axis=1, count=frames, bitorder="little")
    return np.ascontiguousarray(bits.T).view(np.int8)


def _compare(layer: Dense, planes: Planes, count: int) -> Planes:
    """The bits of a thresholded layer, as planes ``[out, words]``."""
    out = np.empty((len(layer.weights), planes.shape[1]), np.uint64)
    thresholds = layer.popcount_thresholds
    for fan_in, neurons in _by_fan_in(layer):
        if fan_in > WIDE_FAN_IN:
            popcounts = _wide_popcounts(layer, neurons, planes, count)
            out[neurons] = _pack(popcounts >= thresholds[neurons, None])
            continue
        counter = _narrow_counter(layer, neurons, fan_in, planes)
        # popcount >= threshold, compared from the low bit up, all neurons at once
        at_least = np.full((len(neurons), planes.shape[1]), ~np.uint64(0))
        needed = thresholds[neurons]
        for bit, plane in enumerate(counter):
            wanted = np.where(needed >> bit & 1, ~np.uint64(0), np.uint64(0))[:, None]
            at_least = (plane & ~wanted) | (~(plane ^ wanted) & at_least)
        at_least[needed >> len(counter) > 0] = 0  # a threshold that no popcount reaches
        out[neurons] = at_least
    return out


def _scores(layer: Dense, planes: Planes, count: int) -> IntArray:
    """The sums of a layer without thresholds, ``[count, out]``."""
    popcounts = np.empty((len(layer.weights), count), np.int32)
    for fan_in, neurons in _by_fan_in(layer):
        if fan_in > WIDE_FAN_IN:
            popcounts[neurons] = _wide_popcounts(layer, neurons, planes, count)
            continue
        total = np.zeros((len(neurons), count), np.int32)
        for bit, plane in enumerate(_narrow_counter(layer, neurons, fan_in, planes)):
            total += _unpack(plane, count).T.astype(np.int32) << bit
        popcounts[neurons] = total
    if layer.inputs == "bipolar":
        return np.asarray(2 * popcounts.T - layer.fan_in.astype(np.int32))
    negative = np.count_nonzero(layer.weights < 0, axis=1)
    return np.asarray(popcounts.T - negative.astype(np.int32))


def _look_up(tables: IntArray, inputs: Planes) -> Planes:
    """Return the planes ``[out, words]`` of tables ``[out, 2**K]`` on inputs ``[K, out, words]``.

    The highest input selects between the halves of the table, and so on down to single entries.
    """
    if len(inputs) == 0:
        return np.where(tables, ~np.uint64(0), np.uint64(0))
    half = tables.shape[1] // 2
    select = inputs[-1]
    low = _look_up(tables[:, :half], inputs[:-1])
    high = _look_up(tables[:, half:], inputs[:-1])
    return np.asarray((select & high) | (~select & low))


def _by_fan_in(layer: Dense) -> Iterator[tuple[int, IntArray]]:
    """Yield (fan-in, indices of the neurons that have it)."""
    for fan_in in np.unique(layer.fan_in):
        yield int(fan_in), np.flatnonzero(layer.fan_in == fan_in)


def _narrow_counter(layer: Dense, neurons: IntArray, fan_in: int, planes: Planes) -> list[Planes]:
    """Popcounts of neurons of one fan-in as binary counters: planes, low bit first."""
    weights = layer.weights[neurons]
    sources = np.nonzero(weights)[1].reshape(len(neurons), fan_in)
    flip = np.take_along_axis(weights, sources, axis=1) < 0
    counter: list[Planes] = []
    for k in range(fan_in):
        carry = planes[sources[:, k]] ^ np.where(flip[:, k], ~np.uint64(0), np.uint64(0))[:, None]
        for bit, plane in enumerate(counter):
            counter[bit], carry = plane ^ carry, plane & carry
        if (k + 1) & k == 0:  # the count can now reach a new power of two
            counter.append(carry)
    return counter


def _wide_popcounts(layer: Dense, neurons: IntArray, planes: Planes, count: int) -> IntArray:
    """Popcounts of wide neurons, ``[len(neurons), count]``."""
    frames = _pack(_unpack(planes, count).astype(np.bool_))
    weights = layer.weights[neurons]
    flip, wired = _pack(weights < 0), _pack(weights != 0)
    result = np.empty((len(neurons), count), np.int32)
    for n in range(len(neurons)):
        ones = np.bitwise_count((frames ^ flip[n]) & wired[n])
        result[n] = ones.sum(axis=1, dtype=np.int32)
    return result
