"""Kernels: how each layer type is executed, one registration a type in its own module here."""

from collections.abc import Callable
from functools import singledispatch
from typing import Any

import numpy.typing as npt

from htaflow.model.integer.layers.base import Layer, Values

Kernel = Callable[[npt.NDArray[Any], int], npt.NDArray[Any]]
"""A layer made ready: (what comes in, number of frames) to what it yields; bits are planes."""


@singledispatch
def prepare(layer: Layer, incoming: Values) -> Kernel:
    """Return the kernel of ``layer``, fed ``incoming``.

    What does not depend on the frames is done here, once. Raises ``NotImplementedError`` for a type
    that no module of :mod:`htaflow.model.integer.golden` registers.
    """
    raise NotImplementedError(f"golden does not execute {layer.type}")
