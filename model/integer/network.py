"""The integer network: the contract between training and hardware.

A :class:`Network` is a chain of layers, each a frozen dataclass of integers. NumPy only. What a
layer computes is said in its docstring (:mod:`htaflow.model.integer`);
:mod:`htaflow.model.integer.golden` executes it and :mod:`htaflow.hw` builds it.
:mod:`htaflow.model.integer.problems` says what is wrong with one, and
:mod:`htaflow.model.integer.file` saves and loads it.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from htaflow.model.integer.layers.base import IntArray, Layer, Values
from htaflow.model.integer.layers.concepts import Concepts
from htaflow.model.integer.layers.conv import Conv2d, Convolution, LookupConv2d
from htaflow.model.integer.layers.dense import Dense
from htaflow.model.integer.layers.encode import MAX_FEATURE_BITS, MAX_FEATURES, Encode, FirstLayer
from htaflow.model.integer.layers.image import Flatten, Unflatten
from htaflow.model.integer.layers.lookup import MAX_LOOKUP_INPUTS, Lookup
from htaflow.model.integer.layers.quantise import Quantise
from htaflow.model.integer.layers.scale import Scale
from htaflow.model.integer.layers.spiking import Spiking
from htaflow.model.integer.layers.steps import Accumulate, Steps
from htaflow.model.integer.layers.threshold import Threshold
from htaflow.model.integer.layers.vote import ArgMax, GroupSum
from htaflow.model.integer.layers.window import MaxPool2d, SumPool2d, Windowed
from htaflow.model.integer.problems import describe_problems, find_problems
from htaflow.model.support.errors import BadInputError, kind_of
from htaflow.model.support.files import digest_all

__all__ = [
    "LAYER_TYPES",
    "MAX_FEATURES",
    "MAX_FEATURE_BITS",
    "MAX_LOOKUP_INPUTS",
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
    "Quantise",
    "Scale",
    "Spiking",
    "Steps",
    "SumPool2d",
    "Threshold",
    "Unflatten",
    "Values",
    "Windowed",
    "require_network",
]

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
        SumPool2d,
        Threshold,
        Scale,
        Flatten,
        Steps,
        Spiking,
        Accumulate,
        Concepts,
        GroupSum,
        ArgMax,
    )
}


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

        An integer is ``width`` bits, the low one first. Steps read nothing themselves, so the
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
