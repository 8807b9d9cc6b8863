"""Concepts: bits that have names and leave the hardware beside the decision, to explain it."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import ClassVar

from htaflow.model.integer.layers.base import Elementwise, Values, bit_or_score
from htaflow.model.support.errors import abbreviate

MAX_CONCEPT_NAME = 60
"""Characters of a concept's name, at most."""


@dataclass(frozen=True, eq=False)
class Concepts(Elementwise):
    """Names bits, ``concepts[i]`` bit i, and changes none. They leave the hardware with the class.

    What follows, to the end of the network, is flat and takes a frame at once: ``Dense``,
    ``Lookup``, ``GroupSum`` or ``ArgMax``.
    """

    concepts: tuple[str, ...]

    type: ClassVar[str] = "Concepts"
    noun = bit_or_score

    def output(self, values: Values) -> Values:
        """The same bits."""
        return values

    def problems(self, values: Values) -> Iterator[tuple[str, str]]:
        """Each bit has one name, and no name two bits."""
        if not values.is_bits:
            yield f"it is fed {values}, but concepts are bits", "put a layer that yields bits first"
        elif values.steps is not None:
            yield f"it is fed {values}", "put it after an Accumulate and a Dense with thresholds"
        if len(self.concepts) != values.count:
            yield f"it has {len(self.concepts)} names for {values.count} bits", "name each bit once"
        yield from name_problems(self.concepts)


def name_problems(names: Sequence[object]) -> Iterator[tuple[str, str]]:
    """Yield (what is wrong, what to do) with the names of concepts: each is its own."""
    seen: dict[object, int] = {}
    for index, name in enumerate(names):
        fine = isinstance(name, str) and name.isprintable() and name == name.strip()
        if not fine or not 1 <= len(str(name)) <= MAX_CONCEPT_NAME:
            yield (
                f"concept {index} is called {abbreviate(name)}",
                f"use 1 to {MAX_CONCEPT_NAME} printable characters, no space at the ends",
            )
        if name in seen:
            what = f"concepts {seen[name]} and {index} are both called {abbreviate(name)}"
            yield what, "rename one"
        seen.setdefault(name, index)
