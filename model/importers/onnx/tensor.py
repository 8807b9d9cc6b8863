"""What flows through a graph while it is imported: integers, and what is still done to them."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from math import prod
from typing import Any

import numpy as np
import numpy.typing as npt

from htaflow.model.importers.onnx.exact import Numbers, combine
from htaflow.model.importers.onnx.steps import Affine, Step


class Unsupported(Exception):  # noqa: N818
    """What a node does cannot be told as an integer network: why, and what to change."""

    def __init__(self, what: str, fix: str) -> None:
        super().__init__(f"{what}; {fix}")
        self.what, self.fix = what, fix


@dataclass(frozen=True)
class Pool:
    """A max pooling of an image of ``shape``, after the first ``steps`` steps."""

    shape: tuple[int, ...]
    steps: int
    kernel: tuple[int, int]
    stride: tuple[int, int]
    padding: tuple[int, int]


@dataclass(frozen=True)
class Tensor:
    """A tensor that depends on the frame.

    Attributes:
        shape: without the batch: ``(features,)`` or ``(channels, height, width)``.
        source: the number of integer layers behind which its integers are.
        steps: what is done to those integers, still to be put into layers.
        pools: max poolings among the steps.
        padding: rows and columns of a value to be added around the image, and that value.
        picked: which features it has, if not all in their order.
        axes: where the graph has the axes of an image, if channels do not come first there: its
            axis k is axis ``axes[k]`` of ``shape``.
        order: where the graph has flat values in another order: its value k is ``order[k]`` here.
    """

    shape: tuple[int, ...]
    source: int
    steps: tuple[Step, ...] = ()
    pools: tuple[Pool, ...] = ()
    padding: tuple[tuple[int, int], float] | None = None
    picked: tuple[int, ...] | None = None
    axes: tuple[int, ...] | None = None
    order: tuple[int, ...] | None = None

    @property
    def channels(self) -> int:
        """Number of channels, each with its own numbers in the steps."""
        return self.shape[0]

    def then(self, *steps: Step) -> "Tensor":
        """Return the tensor with more done to it."""
        return replace(self, steps=(*self.steps, *steps))

    @property
    def graph_shape(self) -> tuple[int, ...]:
        """The shape that the tensor has in the graph."""
        return self.shape if self.axes is None else tuple(self.shape[axis] for axis in self.axes)

    def transposed(self, axes: tuple[int, ...]) -> "Tensor":
        """Return an image whose axis k in the graph was its axis ``axes[k]``."""
        before = self.axes or (0, 1, 2)
        found = tuple(before[axis] for axis in axes)
        return replace(self, axes=None if found == (0, 1, 2) else found)

    def reshaped(self, shape: tuple[int, ...]) -> "Tensor":
        """Return the tensor with another shape in the graph. Raises ``Unsupported``."""
        if self.axes is not None:
            return self._flattened(shape)
        if self.order is not None and shape != self.shape:
            raise Unsupported("it makes an image of values in another order", "keep them flat")
        if prod(shape) != prod(self.shape):
            raise Unsupported(
                f"it turns {list(self.shape)} into {list(shape)}", "keep each frame by itself"
            )
        if shape == self.shape or self.padding is not None or self.pools:
            if shape != self.shape:
                raise Unsupported("it reshapes a padded or pooled image", "quantise it first")
            return self
        if len(shape) == 1:
            times = prod(self.shape[1:])
            return replace(self, shape=shape, steps=tuple(s.spread(times) for s in self.steps))
        if shape[0] != self.shape[0] and any(step.size > 1 for step in self.steps):
            raise Unsupported(
                "it makes an image of values with scales of their own", "use one scale for all"
            )
        return replace(self, shape=shape)

    def _flattened(self, shape: tuple[int, ...]) -> "Tensor":
        """Return an image whose channels come last as flat values."""
        assert self.axes is not None
        sizes = [size for size in self.graph_shape if size > 1]
        if [size for size in shape if size > 1] == sizes and len(shape) > 1:
            return self
        if len(shape) > 1 or self.pools or self.padding is not None:
            raise Unsupported("it reshapes an image whose channels come last", "flatten it")
        order = _flat_order(self.shape, self.axes)
        flat = replace(self, axes=None).reshaped(shape)
        return replace(flat, order=None if list(order) == sorted(order) else order)


def _flat_order(shape: tuple[int, ...], axes: tuple[int, ...]) -> tuple[int, ...]:
    """Return where the values of a transposed image of ``shape`` were before."""
    places = np.arange(prod(shape)).reshape(shape).transpose(axes)
    return tuple(places.reshape(-1).tolist())


def affine_of(steps: Sequence[Step]) -> tuple[Numbers, Numbers]:
    """Return steps that are all affine as one: scale and offset of each channel, or of all."""
    scale: Numbers = (Fraction(1),)
    offset: Numbers = (Fraction(0),)
    for step in steps:
        assert isinstance(step, Affine)
        scale = combine(step.scale, scale, lambda a, b: a * b)
        offset = combine(
            combine(step.scale, offset, lambda a, b: a * b), step.offset, lambda a, b: a + b
        )
    return scale, offset


@dataclass(frozen=True)
class Constant:
    """A tensor of the graph that depends on nothing.

    ``integers * scale`` is what it is, if it is known to be quantised; ``scale`` has its shape.
    """

    value: npt.NDArray[Any]
    integers: npt.NDArray[np.int64] | None = None
    scale: npt.NDArray[Any] | None = None

    def mapped(self, change: Any) -> "Constant":
        """Return what a change of shape makes of it."""
        if self.integers is None or self.scale is None:
            return Constant(change(self.value))
        return Constant(change(self.value), change(self.integers), change(self.scale))
