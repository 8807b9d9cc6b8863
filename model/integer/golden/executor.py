"""The golden executor: what an integer network computes, bit for bit.

It is the reference for everything downstream. Activations are kept as bit planes, one row of
``uint64`` words for each bit of a frame, 64 frames to a word; so a neuron of small fan-in costs a
few word operations for 64 frames. Wide neurons, and those with weights beyond -1, 0 and 1, are
matrix products instead, of small integers that a float holds exactly. What is more than bits is
kept as numbers, a row a frame. The steps of a frame are executed as further frames: the first of
all frames, padded to whole words, then the second.
"""

from collections.abc import Container
from typing import Any

import numpy as np
import numpy.typing as npt

from htaflow.model.integer.golden.kernel import prepare
from htaflow.model.integer.golden.planes import as_rows, pack, padded
from htaflow.model.integer.network import IntArray, Network, require_network
from htaflow.model.support.errors import BadInputError, kind_of

_BLOCK = 8192  # frames at once, which bounds memory


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
    array = array.astype(array.dtype.newbyteorder("="), copy=False)
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
        steps.append((layer.name, prepare(layer, incoming), outgoing))
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
            count = frames_here if passes is None else passes * padded(frames_here)
            if passes is None and values.dtype != np.uint64:
                values = values[:count]
            if outgoing.is_bits and values.dtype != np.uint64:  # numbers that happen to be bits
                values = pack(values.T.astype(np.bool_))
            if name in wanted:
                rows = as_rows(values, count)
                rows = rows.reshape(count, *outgoing.shape)
                block[name] = rows if passes is None else _by_frame(rows, passes, frames_here)
        blocks.append(block)
    return {name: np.concatenate([block[name] for block in blocks]) for name in blocks[0]}


def _by_frame(rows: IntArray, steps: int, frames: int) -> IntArray:
    """Return rows in the order of execution, step by step, as ``[frames, steps, ...]``."""
    by_step = rows.reshape(steps, padded(frames), *rows.shape[1:])
    return np.ascontiguousarray(by_step[:, :frames].swapaxes(0, 1))
