"""What every layer of an integer network has, and what flows between two of them."""

import math
from collections.abc import Iterator
from dataclasses import dataclass, fields, replace
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt

from htaflow.model.support.errors import BadInputError, abbreviate

IntArray = npt.NDArray[Any]
"""An array of integers; which type they have does not matter."""


MAX_VALUES = 1 << 22
"""Values of a layer in one frame, at most, all its steps together."""

MAX_NUMBER_BITS = 32
"""Most bits of a number within a network, two's complement."""


@dataclass(frozen=True)
class Values:
    """What flows between two layers: integers of one shape, each in ``[low, high]``.

    ``steps`` is how many such sets of integers make a frame, one after another, between a layer
    :class:`htaflow.model.integer.layers.steps.Steps` and an ``Accumulate``; ``None`` elsewhere.
    """

    shape: tuple[int, ...]
    low: int
    high: int
    steps: int | None = None

    @property
    def count(self) -> int:
        """Number of integers in one frame, or in one step of it."""
        return math.prod(self.shape)

    @property
    def pixel(self) -> "Values":
        """What comes in one transfer of a stream: an image's channels, or all of flat values."""
        return replace(self, shape=self.shape[:1])

    @property
    def signed(self) -> bool:
        """Whether two's complement is needed."""
        return self.low < 0

    @property
    def width(self) -> int:
        """Bits of one integer: the fewest that hold ``low`` and ``high``."""
        if self.signed:
            return max(self.high.bit_length(), (-self.low - 1).bit_length()) + 1
        return max(1, self.high.bit_length())

    @property
    def is_bits(self) -> bool:
        """Whether every value is 0 or 1."""
        return self.low == 0 and self.high == 1

    @property
    def problem(self) -> tuple[str, str] | None:
        """What is wrong, and what to do, if there are too many values, or too large ones."""
        if self.count * (self.steps or 1) > MAX_VALUES:
            return f"it yields {self}, more than {MAX_VALUES} values a frame", "make it smaller"
        if not fits(self.low, self.high):
            what = f"it yields {self}, which do not fit {MAX_NUMBER_BITS} bits"
            return what, "use fewer or smaller weights, or thresholds in between"
        return None

    def __str__(self) -> str:
        shape = "x".join(map(str, self.shape))
        what = f"{shape} bits" if self.is_bits else f"{shape} integers {self.low}..{self.high}"
        return what if self.steps is None else f"{what} in each of {self.steps} steps"


@dataclass(frozen=True, eq=False)
class Layer:
    """Base of all layers. ``name`` is unique in a network and becomes a Verilog name."""

    name: str

    type: ClassVar[str]
    dimensions: ClassVar[tuple[int, ...]] = (1,)
    """Of what it may be fed: 1 for flat values, 3 for an image (channels, height, width)."""
    since_format_2: ClassVar[frozenset[str]] = frozenset()
    """Fields that files of format 1 do not have; they are written where they differ from the
    default."""

    def __post_init__(self) -> None:
        for field in fields(self):
            try:
                value = _settled(getattr(self, field.name))
            except BadInputError as error:
                where = f"{self.type} {abbreviate(self.name)}, field '{field.name}'"
                raise BadInputError(f"{where}: {error}") from None
            object.__setattr__(self, field.name, value)

    @property
    def tensors(self) -> dict[str, IntArray]:
        """The layer's integer arrays by field name."""
        named = ((field.name, getattr(self, field.name)) for field in fields(self))
        return {name: value for name, value in named if isinstance(value, np.ndarray)}

    @property
    def scalars(self) -> dict[str, Any]:
        """The layer's other fields, as they stand in the file's JSON header."""
        return {
            field.name: value
            for field in fields(self)
            if (value := getattr(self, field.name)) is not None
            and not isinstance(value, np.ndarray)
            and not (field.name in self.since_format_2 and value == field.default)
        }

    @property
    def needs_format_2(self) -> bool:
        """Whether a file of format 1 cannot hold the layer."""
        return any(name in self.since_format_2 for name in self.scalars)

    @property
    def fan_in(self) -> IntArray | None:
        """Number of inputs of each neuron, ``[out]``; None for a layer that has no neurons."""
        raise NotImplementedError(f"no fan-in is known of a {self.type}")

    def wires_to(self, output: int, values: Values) -> list[tuple[int, int]]:
        """Return which incoming values one output depends on, each with its weight, or 1.

        ``values`` is what the layer is fed.
        """
        raise NotImplementedError(f"no wires are known of a {self.type}")

    def noun(self, values: Values) -> str:
        """Return what one of the ``values`` that it yields is called.

        Most layers use :func:`bit_or_score`.
        """
        raise NotImplementedError(f"no noun is known of what a {self.type} yields")

    def output(self, values: Values) -> Values:
        """Return what the layer yields when fed ``values``."""
        raise NotImplementedError

    def reads(self, values: Values) -> npt.NDArray[np.bool_]:
        """Tell which of the ``values.count`` incoming values the layer has a wire to."""
        return np.ones(values.count, np.bool_)

    def problems(self, values: Values) -> Iterator[tuple[str, str]]:
        """Yield (what is wrong, what to do) for this layer when fed ``values``."""
        raise NotImplementedError


@dataclass(frozen=True, eq=False)
class Elementwise(Layer):
    """Base of layers whose every output depends on the value at the same index alone."""

    @property
    def fan_in(self) -> IntArray | None:
        """None: it has no neurons."""
        return None

    def wires_to(self, output: int, values: Values) -> list[tuple[int, int]]:
        """Return the value at the same index."""
        return [(output, 1)]


def bit_or_score(layer: Layer, values: Values) -> str:
    """Return "bit" where ``values`` are bits, else "score": a layer's ``noun``."""
    return "bit" if values.is_bits else "score"


def fits(low: int, high: int) -> bool:
    """Whether every number of a network from ``low`` to ``high`` has few enough bits."""
    half = 1 << (MAX_NUMBER_BITS - 1)
    return -half <= low and high < half


def outside(values: IntArray, low: int, high: int) -> Iterator[int]:
    """Yield the indices of ``values`` outside ``[low, high]``."""
    return map(int, np.flatnonzero((values < low) | (values > high)))


def _settled(value: object) -> object:
    """Return ``value`` as a field holds it: what a file would give back."""
    if isinstance(value, np.ndarray):
        return _compact(value)
    if isinstance(value, list | tuple):
        return tuple(map(_settled, value))
    return int(value) if isinstance(value, np.integer) else value


def _compact(values: npt.NDArray[Any]) -> IntArray:
    """Return a read-only copy of ``values`` in the narrowest signed integer type that holds it."""
    if values.dtype.kind not in "iu":
        raise BadInputError(f"a network holds integers, not {values.dtype}")
    low, high = int(values.min(initial=0)), int(values.max(initial=0))
    for dtype in (np.int8, np.int16, np.int32, np.int64):
        if np.iinfo(dtype).min <= low and high <= np.iinfo(dtype).max:
            compact = values.astype(dtype, order="C")
            compact.flags.writeable = False
            return compact
    raise BadInputError(f"integers {low}..{high} do not fit 64 bits")
