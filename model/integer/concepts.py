"""Concepts: bits that have names and leave the hardware beside the decision, to explain it."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

from htaflow.model.integer.layer import Layer, Values

MAX_CONCEPT_NAME = 60
"""Characters of a concept's name, at most."""


@dataclass(frozen=True, eq=False)
class Concepts(Layer):
    """Names bits, ``concepts[i]`` bit i, and changes none. They leave the hardware with the class.

    What follows, to the end of the network, is flat and takes a frame at once: ``Dense``,
    ``Lookup``, ``GroupSum`` or ``ArgMax``.
    """

    concepts: tuple[str, ...]

    type: ClassVar[str] = "Concepts"

    def output(self, values: Values) -> Values:
        """The same bits."""
        return values

    def problems(self, values: Values) -> Iterator[tuple[str, str]]:
        """Each bit has one name, and no name two bits."""
        if not values.is_bits:
            yield f"it is fed {values}, but concepts are bits", "put a layer that yields bits first"
        elif values.steps is not None:
            yield (
                f"it is fed {values}",
                "put it before the steps, or after the layer that ends them",
            )
        if len(self.concepts) != values.count:
            yield f"it has {len(self.concepts)} names for {values.count} bits", "name each bit once"
        for name, times in Counter(self.concepts).items():
            if times > 1:
                at = [index for index, other in enumerate(self.concepts) if other == name]
                yield f"concepts {at[0]} and {at[1]} are both called {name!r}", "rename one"
            if not name.isprintable() or not 1 <= len(name) <= MAX_CONCEPT_NAME:
                yield (
                    f"concept {self.concepts.index(name)} is called {name!r}",
                    f"use 1 to {MAX_CONCEPT_NAME} printable characters",
                )
