"""The integer network: the contract between training and hardware.

A :class:`Network` is a chain of layers, each a frozen dataclass of integers. NumPy only. What a
layer computes is said in its docstring (:mod:`htaflow.model.integer`);
:mod:`htaflow.model.integer.golden` executes it and :mod:`htaflow.hw` builds it.
:mod:`htaflow.model.integer.file` saves and loads it.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from htaflow.model.integer.layers.base import IntArray, Layer, Values
from htaflow.model.integer.layers.concepts import Concepts
from htaflow.model.integer.layers.conv import Conv2d, Convolution, LookupConv2d
from htaflow.model.integer.layers.dense import Dense
from htaflow.model.integer.layers.encode import MAX_FEATURE_BITS, MAX_FEATURES, Encode, FirstLayer
from htaflow.model.integer.layers.field_types import ill_typed
from htaflow.model.integer.layers.image import Flatten, Unflatten
from htaflow.model.integer.layers.lookup import MAX_LOOKUP_INPUTS, Lookup
from htaflow.model.integer.layers.quantise import Quantise
from htaflow.model.integer.layers.spiking import Spiking
from htaflow.model.integer.layers.steps import Accumulate, Steps
from htaflow.model.integer.layers.vote import ArgMax, GroupSum
from htaflow.model.integer.layers.window import MaxPool2d, Windowed
from htaflow.model.support.errors import BadInputError, abbreviate, kind_of
from htaflow.model.support.files import digest_all

__all__ = [
    "LAYER_TYPES",
    "MAX_FEATURES",
    "MAX_FEATURE_BITS",
    "MAX_LOOKUP_INPUTS",
    "NAME_RULE",
    "Accumulate",
    "ArgMax",
    "Concepts",
    "Conv2d",
    "Convolution",
    "Dense",
    "Encode",
    "FirstLayer",
    "Flatten",
    "GroupSum",
    "IntArray",
    "Layer",
    "Lookup",
    "LookupConv2d",
    "MaxPool2d",
    "Network",
    "Problem",
    "Quantise",
    "Spiking",
    "Steps",
    "Unflatten",
    "Values",
    "Windowed",
    "describe_problems",
    "find_problems",
    "is_name",
    "require_network",
]

_NAME = re.compile(r"(?!layers\d*$)[a-z][a-z0-9_]{0,39}")
_TAKEN = {"clk", "rst", "top"}  # these, and layers, are names of the Verilog around the layers

LAYER_TYPES: dict[str, type[Layer]] = {
    layer.type: layer
    for layer in (
        Encode,
        Quantise,
        Dense,
        Lookup,
        Unflatten,
        Conv2d,
        LookupConv2d,
        MaxPool2d,
        Flatten,
        Steps,
        Spiking,
        Accumulate,
        Concepts,
        GroupSum,
        ArgMax,
    )
}


@dataclass(frozen=True)
class Problem:
    """One thing wrong with a network: where, what, and what to do."""

    layer: str
    what: str
    fix: str

    def __str__(self) -> str:
        return f"{self.layer}: {self.what}; {self.fix}"


@dataclass(frozen=True, eq=False)
class Network:
    """A chain of layers, the first a :class:`FirstLayer`. Raises ``BadInputError`` if not valid."""

    name: str
    layers: tuple[Layer, ...]

    def __post_init__(self) -> None:
        problems = find_problems(self.name, self.layers)
        if problems:
            raise BadInputError(describe_problems(f"network '{self.name}'", problems))

    @property
    def encode(self) -> FirstLayer:
        """The first layer."""
        first = self.layers[0]
        assert isinstance(first, FirstLayer)
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

        ``class`` and ``scores`` after an ``ArgMax``; else ``scores`` or ``bits``. Then
        ``concepts``, if the network names some.
        """
        return {name: self.values[layer] for name, layer in self.output_layers.items()}

    @property
    def output_layers(self) -> dict[str, str]:
        """The name of the layer that yields each of :attr:`outputs`."""
        last = self.layers[-1]
        if isinstance(last, ArgMax):
            found = {"class": last.name, "scores": self.layers[-2].name}
        elif isinstance(last, Concepts):
            found = {}
        else:
            found = {"bits" if self.values[last.name].is_bits else "scores": last.name}
        if self.concepts is not None:
            found["concepts"] = self.concepts.name
        return found

    @property
    def concepts(self) -> Concepts | None:
        """The layer that names concepts, or ``None``."""
        return next((layer for layer in self.layers if isinstance(layer, Concepts)), None)

    @property
    def used_bits(self) -> IntArray:
        """Indices of the first layer's bits that the next one reads, ascending; all if none.

        Integers are so many bits each, the low one first. Steps read nothing themselves, so the
        layer after them counts.
        """
        every = self.values[self.encode.name]
        followers = self.layers[1:3]
        if len(followers) == 2 and isinstance(followers[0], Steps):
            steps, reader = followers
            read = reader.reads(steps.output(every))
            read = np.tile(read, every.count // len(read))
        else:
            read = followers[0].reads(every) if followers else np.ones(every.count, np.bool_)
        return np.flatnonzero(np.repeat(read, every.width))

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


def require_network(value: object) -> None:
    """Raise ``BadInputError`` if ``value`` is no :class:`Network`."""
    if not isinstance(value, Network):
        raise BadInputError(f"the network is {kind_of(value)}; give a Network, as lower returns")


def find_problems(name: str, layers: tuple[Layer, ...]) -> list[Problem]:
    """Return every problem of a chain of layers, first to last; an empty list means valid."""
    found = []
    if not is_name(name):
        found.append(Problem("network", f"its name is {abbreviate(name)}", NAME_RULE))
    if not isinstance(layers, list | tuple):
        what = f"its layers are {kind_of(layers)}"
        return [*found, Problem("network", what, "give a tuple of layers")]
    for index, layer in enumerate(layers):
        if not isinstance(layer, Layer):
            what = f"it is {kind_of(layer)}, no integer layer"
            fix = "use those of htaflow.model.integer.network"
            return [*found, Problem(f"layer {index}", what, fix)]
    if not layers or not isinstance(layers[0], FirstLayer):
        what = "its first layer is not an Encode or a Quantise"
        found.append(Problem("network", what, "start with one"))
        return found
    mistyped = [
        Problem(_where(index, layer), *problem)
        for index, layer in enumerate(layers)
        for problem in ill_typed(type(layer), vars(layer))
    ]
    if mistyped:
        return [*found, *mistyped]
    seen: set[str] = set()
    concepts: str | None = None
    wrong = list(layers[0].frame_problems())
    if wrong:
        return [*found, *(Problem(_where(0, layers[0]), *problem) for problem in wrong)]
    values = layers[0].input
    for index, layer in enumerate(layers):
        where = _where(index, layer)
        if not is_name(layer.name):
            found.append(Problem(where, f"its name is {abbreviate(layer.name)}", NAME_RULE))
        if layer.name in seen:
            found.append(Problem(where, "its name is used twice", "rename one"))
        seen.add(layer.name)
        if index and isinstance(layer, FirstLayer):
            what = f"an {layer.type} after" if layer.type == "Encode" else f"a {layer.type} after"
            found.append(Problem(where, f"{what} the first layer", "remove it"))
        if concepts is not None and isinstance(layer, Concepts):
            found.append(Problem(where, f"'{concepts}' names concepts already", "remove one"))
        elif concepts is not None and not isinstance(layer, _AFTER_CONCEPTS):
            what = f"its type, {layer.type}, cannot follow the concepts of '{concepts}'"
            found.append(Problem(where, what, "put it before them"))
        elif isinstance(layer, Concepts):
            concepts = layer.name
        if index and isinstance(layers[index - 1], ArgMax):
            found.append(Problem(where, "it follows an ArgMax", "make the ArgMax last"))
        given = _misshapen(layer, values) or layer.problems(values)
        problems = [Problem(where, *problem) for problem in given]
        found += problems[:MAX_PROBLEMS_A_LAYER]
        if len(problems) > MAX_PROBLEMS_A_LAYER:
            more = len(problems) - MAX_PROBLEMS_A_LAYER
            found.append(Problem(where, f"{more} more problems like these", "fix them too"))
        if problems:
            return found  # what this layer would yield is not known
        steps, values = values.steps, layer.output(values)
        if values.problem is not None:
            found.append(Problem(where, *values.problem))
            return found
        if steps is not None and values.steps is None and not isinstance(layer, Accumulate):
            found.append(Problem(where, "it does not work step by step", _SUM_STEPS))
            return found
    if values.steps is not None:
        found.append(Problem("network", "it ends within the steps of a frame", _SUM_STEPS))
    if len(values.shape) > 1:
        found.append(Problem("network", f"its result is an image, {values}", "end with a Flatten"))
    return found


def _where(index: int, layer: Layer) -> str:
    return f"layer {index} '{layer.name}'" if is_name(layer.name) else f"layer {index}"


def _misshapen(layer: Layer, values: Values) -> list[tuple[str, str]]:
    """Return what is wrong if ``layer`` is fed an image and takes none, or the other way round."""
    if len(values.shape) == layer.dimensions:
        return []
    if layer.dimensions == 1:
        return [(f"it is fed an image, {values}, but takes flat values", "put a Flatten before it")]
    return [(f"it is fed {values}, but takes an image", "put an Unflatten before it")]


MAX_PROBLEMS_A_LAYER = 20
MAX_PROBLEMS_SHOWN = 40
_AFTER_CONCEPTS = (Dense, Lookup, GroupSum, ArgMax)
_SUM_STEPS = "put an Accumulate after the steps"
NAME_RULE = (
    "use a lower-case letter, then at most 39 letters, digits or _; not clk, rst, top, nor layers, "
    "alone or with a number"
)


def is_name(name: object) -> bool:
    """Whether ``name`` can name a network or a layer: safe in Verilog, paths and pages."""
    return isinstance(name, str) and _NAME.fullmatch(name) is not None and name not in _TAKEN


def describe_problems(subject: str, problems: list[Problem]) -> str:
    """Return one message that lists ``problems``."""
    if len(problems) == 1:
        return f"{subject}: {problems[0]}"
    more = len(problems) - MAX_PROBLEMS_SHOWN
    rest = [f"and {more} more"] if more > 0 else []
    lines = [*map(str, problems[:MAX_PROBLEMS_SHOWN]), *rest]
    return "\n  ".join([f"{subject}: {len(problems)} problems", *lines])
