"""Quantise executed: the top bits of features, as numbers."""

from typing import Any

import numpy as np
import numpy.typing as npt

from htaflow.model.integer.golden.kernel import Kernel, prepare
from htaflow.model.integer.layers.base import IntArray, Values
from htaflow.model.integer.layers.quantise import Quantise


@prepare.register
def _(layer: Quantise, incoming: Values) -> Kernel:
    """The top bits of features ``[frames, features]``, as numbers ``[frames, features]``."""
    low, dropped = layer.input.low, layer.feature_bits - layer.bits

    def step(frames: npt.NDArray[Any], count: int) -> IntArray:
        return np.asarray((frames.astype(np.int32) - low) >> dropped)

    return step
