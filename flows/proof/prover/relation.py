"""What the definition of a layer guarantees to the layer behind it."""

from collections.abc import Sequence
from dataclasses import dataclass

from htaflow.flows.proof.bdd import FALSE, Edge


@dataclass(frozen=True)
class Relation:
    """What is known of the bits between two layers: for each the literal that stands for it.

    Literals are (index of a bit or -1 for a constant, complemented).
    """

    literals: Sequence[tuple[int, bool]]

    @classmethod
    def none(cls, count: int) -> "Relation":
        """Return that nothing is known of ``count`` bits."""
        return cls([(index, False) for index in range(count)])

    @classmethod
    def of(cls, functions: Sequence[Edge]) -> "Relation":
        """Return which of ``functions`` are constant, equal, or each other's complement."""
        first = {FALSE: (-1, False)}
        found = []
        for index, edge in enumerate(functions):
            where, flip = first.setdefault(edge & ~1, (index, bool(edge & 1)))
            found.append((where, flip != bool(edge & 1)))
        return cls(found)

    @property
    def text(self) -> str:
        """What is known, in words."""
        constant = sum(where < 0 for where, _ in self.literals)
        equal = sum(0 <= where != index for index, (where, _) in enumerate(self.literals))
        if not constant + equal:
            return ""
        return (
            f"{constant} inputs are constant and {equal} equal to another one or its complement, "
            "in every transfer: proved of the layer before"
        )
