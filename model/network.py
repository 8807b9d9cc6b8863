"""The integer network: the contract between training and hardware.

A :class:`Network` is a chain of layers, each a frozen dataclass of integers. NumPy only. What a
layer computes is said in its docstring; :mod:`htaflow.model.golden` executes it and
:mod:`htaflow.hw` builds it. :mod:`htaflow.model.netfile` saves and loads it.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass, fields
from functools import cached_property
from typing import Any, ClassVar, Literal

import numpy as np
import numpy.typing as npt

from htaflow.model.errors import BadInputError
from htaflow.model.files import digest_all

IntArray = npt.NDArray[Any]
"""An array of integers; which type they have does not matter."""

MAX_FEATURE_BITS = 16
MAX_LOOKUP_INPUTS = 6
_NAME = re.compile(r"[a-z][a-z0-9_]{0,39}")
_TAKEN = {"clk", "rst", "top", "layers"}  # names of the Verilog around the layers


@dataclass(frozen=True)
class Values:
    """What flows between two layers: integers of one shape, each in ``[low, high]``."""

    shape: tuple[int, ...]
    low: int
    high: int

    @property
    def count(self) -> int:
        """Number of integers in one frame."""
        return int(np.prod(self.shape, dtype=np.int64))

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

    def __str__(self) -> str:
        shape = "x".join(map(str, self.shape))
        return f"{shape} bits" if self.is_bits else f"{shape} integers {self.low}..{self.high}"


@dataclass(frozen=True)
class Problem:
    """One thing wrong with a network: where, what, and what to do."""

    layer: str
    what: str
    fix: str

    def __str__(self) -> str:
        return f"{self.layer}: {self.what}; {self.fix}"


@dataclass(frozen=True, eq=False)
class Layer:
    """Base of all layers. ``name`` is unique in a network and becomes a Verilog name."""

    name: str

    type: ClassVar[str]

    def __post_init__(self) -> None:
        for field in fields(self):
            value = getattr(self, field.name)
            if isinstance(value, np.ndarray):
                object.__setattr__(self, field.name, _compact(value))

    @property
    def tensors(self) -> dict[str, IntArray]:
        """The layer's integer arrays by field name."""
        named = ((field.name, getattr(self, field.name)) for field in fields(self))
        return {name: value for name, value in named if isinstance(value, np.ndarray)}

    @property
    def scalars(self) -> dict[str, Any]:
        """The layer's other fields, as they stand in the file's JSON header."""
        named = ((field.name, getattr(self, field.name)) for field in fields(self))
        return {
            name: value
            for name, value in named
            if value is not None and not isinstance(value, np.ndarray)
        }

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
class Encode(Layer):
    """Integer features to bits, by comparison with constants: always the first layer.

    ``bit[j] = feature[source[j]] >= threshold[j]``. One threshold a feature is a binarisation;
    several are a thermometer. A frame is ``features`` integers of ``feature_bits`` bits, two's
    complement if ``signed``. ``source`` and ``threshold`` have shape ``[bits]``. A threshold of
    one more than the largest feature value gives a bit that is always 0.
    """

    features: int
    feature_bits: int
    signed: bool
    source: IntArray
    threshold: IntArray

    type: ClassVar[str] = "Encode"

    @property
    def input(self) -> Values:
        """The frame that the network takes."""
        if self.signed:
            half = 1 << (self.feature_bits - 1)
            return Values((self.features,), -half, half - 1)
        return Values((self.features,), 0, (1 << self.feature_bits) - 1)

    def output(self, values: Values) -> Values:
        """``[bits]`` bits."""
        return Values((len(self.source),), 0, 1)

    def problems(self, values: Values) -> Iterator[tuple[str, str]]:
        """Sources must name features, thresholds must be in the range of a feature."""
        if not 1 <= self.feature_bits <= MAX_FEATURE_BITS:
            yield f"features have {self.feature_bits} bits", f"use 1 to {MAX_FEATURE_BITS}"
            return
        if self.features < 1:
            yield f"a frame has {self.features} features", "use at least 1"
            return
        if self.source.ndim != 1 or self.source.shape != self.threshold.shape:
            yield (
                f"source {list(self.source.shape)} and threshold {list(self.threshold.shape)} "
                "must be two lists of the same length",
                "give each bit one feature and one threshold",
            )
            return
        if len(self.source) == 0:
            yield "it yields no bits", "give at least one threshold"
        for j in _outside(self.source, 0, self.features - 1):
            yield (
                f"bit {j} reads feature {self.source[j]} of {self.features}",
                f"use 0 to {self.features - 1}",
            )
        low, high = self.input.low, self.input.high
        for j in _outside(self.threshold, low, high + 1):
            yield (
                f"bit {j}: threshold {self.threshold[j]} is out of range",
                f"use {low} to {high + 1}, the range of a feature",
            )


@dataclass(frozen=True, eq=False)
class Dense(Layer):
    """Weighted sums of bits, compared with thresholds or left as integer scores.

    ``acc[n] = sum_i weights[n, i] * v[i]``, with v = 2 * bit - 1 for ``inputs="bipolar"`` (BNN)
    and v = bit for ``"unipolar"`` (DHN, SNN); ``bit[n] = acc[n] >= thresholds[n]``.
    ``weights`` is ``[out, in]`` in {-1, 0, +1}, a zero being no wire; ``thresholds`` is ``[out]``
    or ``None``, and then ``acc`` is the output. A threshold may be one more than the largest
    possible sum: that neuron is always 0.
    """

    weights: IntArray
    thresholds: IntArray | None = None
    inputs: Literal["bipolar", "unipolar"] = "bipolar"

    type: ClassVar[str] = "Dense"

    @property
    def wires(self) -> tuple[IntArray, IntArray]:
        """Where the weights are not zero: neurons, ascending, and their inputs, ascending."""
        flat = self.weights.reshape(-1)
        if flat.dtype != np.int8 or flat.size % 8:
            rows, columns = np.nonzero(self.weights)
            return rows, columns
        # Sparse layers are mostly zeros, which are passed over eight at a time.
        some = np.flatnonzero(flat.view(np.uint64))
        word, byte = np.nonzero(flat.reshape(-1, 8)[some])
        rows, columns = np.divmod(some[word] * 8 + byte, self.weights.shape[1])
        return rows, columns

    @property
    def fan_in(self) -> IntArray:
        """Number of nonzero weights of each neuron, ``[out]``."""
        return np.bincount(self.wires[0], minlength=len(self.weights))

    @property
    def bounds(self) -> tuple[IntArray, IntArray]:
        """The least and the largest possible sum of each neuron, ``[out]`` each."""
        positive = np.maximum(self.weights, 0).sum(axis=1, dtype=np.int64)
        negative = np.minimum(self.weights, 0).sum(axis=1, dtype=np.int64)
        if self.inputs == "unipolar":
            return negative, positive
        return negative - positive, positive - negative

    @property
    def popcount_thresholds(self) -> IntArray:
        """Smallest popcount (of XNORs of bit and weight sign) at which each neuron is 1, ``[out]``.

        With K = fan-in and M = number of negative weights, ``acc = 2 * popcount - K`` (bipolar)
        or ``popcount - M`` (unipolar). The result is within ``[0, K + 1]``.
        """
        if self.thresholds is None:
            raise ValueError(f"{self.name} has no thresholds")
        if self.inputs == "unipolar":
            negative = np.count_nonzero(self.weights < 0, axis=1)
            return np.asarray(self.thresholds + negative)
        return np.asarray(-((-self.thresholds.astype(np.int64) - self.fan_in) // 2))

    def output(self, values: Values) -> Values:
        """``[out]`` bits, or ``[out]`` scores when there are no thresholds."""
        out = (len(self.weights),)
        if self.thresholds is not None:
            return Values(out, 0, 1)
        low, high = self.bounds
        return Values(out, int(low.min(initial=0)), int(high.max(initial=0)))

    def reads(self, values: Values) -> npt.NDArray[np.bool_]:
        """Tell which inputs have a weight that is not zero."""
        return np.asarray(self.weights.any(axis=0))

    def problems(self, values: Values) -> Iterator[tuple[str, str]]:
        """Shapes must chain, weights be ternary, fan-in at least 1, thresholds reachable."""
        if self.inputs not in ("bipolar", "unipolar"):
            yield f"inputs is '{self.inputs}'", "use 'bipolar' or 'unipolar'"
            return
        if not values.is_bits:
            yield f"it is fed {values}, but sums bits", "put a layer that yields bits before it"
        if self.weights.ndim != 2 or len(self.weights) == 0:
            yield f"weights have shape {list(self.weights.shape)}", "use [out, in], both at least 1"
            return
        if self.weights.shape[1] != values.count:
            yield (
                f"weights take {self.weights.shape[1]} inputs, but {values.count} bits come in",
                f"use weights of shape [{len(self.weights)}, {values.count}]",
            )
        for n in np.flatnonzero((np.abs(self.weights) > 1).any(axis=1)):
            i = int(np.argmax(np.abs(self.weights[n]) > 1))
            yield (
                f"neuron {n}: weight {self.weights[n, i]} at input {i} is not -1, 0 or 1",
                "binarise the weights",
            )
        for n in np.flatnonzero(self.fan_in == 0):
            yield f"neuron {n}: fan-in 0, every weight is zero", "remove it or give it an input"
        if self.thresholds is None:
            return
        if self.thresholds.shape != self.weights.shape[:1]:
            yield (
                f"thresholds have shape {list(self.thresholds.shape)}",
                f"use [{len(self.weights)}], one a neuron",
            )
            return
        low, high = self.bounds
        for n in np.flatnonzero((self.thresholds < low) | (self.thresholds > high + 1)):
            yield (
                f"neuron {n}: threshold {self.thresholds[n]} is out of range",
                f"its sum is {low[n]}..{high[n]}: use {low[n]} (always 1) to "
                f"{high[n] + 1} (always 0)",
            )


@dataclass(frozen=True, eq=False)
class Lookup(Layer):
    """Neurons as truth tables: any function of a few bits, not only a threshold on their sum.

    ``bit[n] = tables[n, index[n]]`` with ``index[n] = sum_k bit[source[n, k]] << k``. ``source`` is
    ``[out, K]``, K at most 6; ``tables`` is ``[out, 2**K]`` of 0 and 1.
    """

    source: IntArray
    tables: IntArray

    type: ClassVar[str] = "Lookup"

    @property
    def fan_in(self) -> IntArray:
        """Number of inputs of each neuron, ``[out]``."""
        return np.full(len(self.source), self.source.shape[1])

    def output(self, values: Values) -> Values:
        """``[out]`` bits."""
        return Values((len(self.source),), 0, 1)

    def reads(self, values: Values) -> npt.NDArray[np.bool_]:
        """Tell which inputs some neuron looks at."""
        used = np.zeros(values.count, np.bool_)
        used[self.source] = True
        return used

    def problems(self, values: Values) -> Iterator[tuple[str, str]]:
        """Sources must name bits that come in, tables must hold a bit for each of their values."""
        if not values.is_bits:
            yield f"it is fed {values}, but looks up bits", "put a layer that yields bits before it"
        if self.source.ndim != 2 or not 1 <= self.source.shape[1] <= MAX_LOOKUP_INPUTS:
            yield (
                f"source has shape {list(self.source.shape)}",
                f"use [out, K] with K from 1 to {MAX_LOOKUP_INPUTS}",
            )
            return
        neurons, inputs = self.source.shape
        if neurons == 0:
            yield "it has no neurons", "give at least one"
        if self.tables.shape != (neurons, 1 << inputs):
            yield (
                f"tables have shape {list(self.tables.shape)}",
                f"use [{neurons}, {1 << inputs}], one bit for each value of {inputs} inputs",
            )
            return
        for n in np.flatnonzero(((self.source < 0) | (self.source >= values.count)).any(axis=1)):
            yield (
                f"neuron {n}: it reads bits {self.source[n].tolist()} of {values.count}",
                f"use 0 to {values.count - 1}",
            )
        for n in np.flatnonzero(((self.tables != 0) & (self.tables != 1)).any(axis=1)):
            yield f"neuron {n}: its table holds more than 0 and 1", "give it bits"


@dataclass(frozen=True, eq=False)
class GroupSum(Layer):
    """Votes: ``score[c]`` is the popcount of the c-th of ``groups`` equal runs of bits."""

    groups: int

    type: ClassVar[str] = "GroupSum"

    def output(self, values: Values) -> Values:
        """``[groups]`` scores from 0 to the size of a group."""
        return Values((self.groups,), 0, values.count // self.groups)

    def problems(self, values: Values) -> Iterator[tuple[str, str]]:
        """The bits must divide evenly into groups."""
        if not values.is_bits:
            yield f"it is fed {values}, but counts bits", "put a layer that yields bits before it"
        if self.groups < 1 or values.count % self.groups:
            yield (
                f"{values.count} bits do not divide into {self.groups} equal groups",
                "use a multiple of the number of classes",
            )


@dataclass(frozen=True, eq=False)
class ArgMax(Layer):
    """The index of the largest score; of equal scores the lowest index wins."""

    type: ClassVar[str] = "ArgMax"

    def output(self, values: Values) -> Values:
        """One class index."""
        return Values((1,), 0, values.count - 1)

    def problems(self, values: Values) -> Iterator[tuple[str, str]]:
        """There must be at least two scores to choose from."""
        if values.count < 2:
            yield f"it is fed {values.count} score", "give it at least two"


LAYER_TYPES: dict[str, type[Layer]] = {
    layer.type: layer for layer in (Encode, Dense, Lookup, GroupSum, ArgMax)
}


@dataclass(frozen=True, eq=False)
class Network:
    """A chain of layers, the first an :class:`Encode`. Raises ``BadInputError`` if not valid."""

    name: str
    layers: tuple[Layer, ...]

    def __post_init__(self) -> None:
        problems = find_problems(self.name, self.layers)
        if problems:
            raise BadInputError(describe_problems(f"network '{self.name}'", problems))

    @property
    def encode(self) -> Encode:
        """The first layer."""
        first = self.layers[0]
        assert isinstance(first, Encode)
        return first

    @property
    def input(self) -> Values:
        """One frame: ``[features]`` integers."""
        return self.encode.input

    @property
    def values(self) -> dict[str, Values]:
        """What each layer yields, by layer name."""
        result = {}
        values = self.input
        for layer in self.layers:
            values = result[layer.name] = layer.output(values)
        return result

    @property
    def outputs(self) -> dict[str, Values]:
        """What leaves the hardware for each frame, in order.

        ``class`` and ``scores`` after an ``ArgMax``; else ``scores`` or ``bits``.
        """
        chain = list(self.values.values())
        if isinstance(self.layers[-1], ArgMax):
            return {"class": chain[-1], "scores": chain[-2]}
        return {"bits" if chain[-1].is_bits else "scores": chain[-1]}

    @cached_property
    def digest(self) -> str:
        """SHA-256 of everything that defines the network's function, as 64 hex digits."""
        return digest_all(self._defining_parts())

    def _defining_parts(self) -> Iterator[str | memoryview]:
        """Yield what the digest covers; tensors as 64-bit integers, one at a time."""
        yield self.name
        for layer in self.layers:
            yield repr((layer.type, sorted(layer.scalars.items())))
            for name, tensor in layer.tensors.items():
                yield name
                yield str(tensor.shape)
                yield tensor.astype("<i8").reshape(-1).view(np.uint8).data


def find_problems(name: str, layers: tuple[Layer, ...]) -> list[Problem]:
    """Return every problem of a chain of layers, first to last; an empty list means valid."""
    found = []
    if not is_name(name):
        found.append(Problem("network", f"its name is {name!r}", _NAME_RULE))
    if not layers or not isinstance(layers[0], Encode):
        found.append(Problem("network", "its first layer is not an Encode", "start with one"))
        return found
    seen: set[str] = set()
    values = layers[0].input
    for index, layer in enumerate(layers):
        where = f"layer {index} '{layer.name}'" if is_name(layer.name) else f"layer {index}"
        if not is_name(layer.name):
            found.append(Problem(where, f"its name is {layer.name!r}", _NAME_RULE))
        if layer.name in seen:
            found.append(Problem(where, "its name is used twice", "rename one"))
        seen.add(layer.name)
        if index and isinstance(layer, Encode):
            found.append(Problem(where, "an Encode after the first layer", "remove it"))
        if index and isinstance(layers[index - 1], ArgMax):
            found.append(Problem(where, "it follows an ArgMax", "make the ArgMax last"))
        problems = [Problem(where, *problem) for problem in layer.problems(values)]
        found += problems[:MAX_PROBLEMS_A_LAYER]
        if len(problems) > MAX_PROBLEMS_A_LAYER:
            more = len(problems) - MAX_PROBLEMS_A_LAYER
            found.append(Problem(where, f"{more} more problems like these", "fix them too"))
        if problems:
            return found  # what this layer would yield is not known
        values = layer.output(values)
    return found


MAX_PROBLEMS_A_LAYER = 20
_NAME_RULE = (
    "use a lower-case letter, then at most 39 letters, digits or _; not clk, rst, top or layers"
)


def is_name(name: object) -> bool:
    """Whether ``name`` can name a network or a layer: safe in Verilog, paths and pages."""
    return isinstance(name, str) and _NAME.fullmatch(name) is not None and name not in _TAKEN


def describe_problems(subject: str, problems: list[Problem]) -> str:
    """Return one message that lists ``problems``."""
    if len(problems) == 1:
        return f"{subject}: {problems[0]}"
    return "\n  ".join([f"{subject}: {len(problems)} problems", *map(str, problems)])


def _outside(values: IntArray, low: int, high: int) -> Iterator[int]:
    """Yield the indices of ``values`` outside ``[low, high]``."""
    return map(int, np.flatnonzero((values < low) | (values > high)))


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
