"""First layers executed: comparisons of features, and features as the numbers that they are."""

from typing import Any

import numpy as np
import numpy.typing as npt

from htaflow.model.integer.golden.kernel import Kernel, prepare
from htaflow.model.integer.golden.planes import Planes, pack
from htaflow.model.integer.layers.base import IntArray, Values
from htaflow.model.integer.layers.encode import Encode
from htaflow.model.integer.layers.quantise import Quantise


@prepare.register
def _(layer: Encode, incoming: Values) -> Kernel:
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
        planes = pack((features if as_they_are else features[layer.source]) >= threshold)
        planes[never] = 0
        return planes

    return step


@prepare.register
def _(layer: Quantise, incoming: Values) -> Kernel:
    """The top bits of features ``[frames, features]``, as numbers ``[frames, features]``."""
    low, dropped = layer.input.low, layer.feature_bits - layer.bits

    def step(frames: npt.NDArray[Any], count: int) -> IntArray:
        return np.asarray((frames.astype(np.int32) - low) >> dropped)

    return step
