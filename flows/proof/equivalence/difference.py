"""Whether two bits differ for some values of the classes and inputs."""

from collections.abc import Sequence
from functools import partial

from htaflow.flows.proof.bdd import FALSE, Bdd, Edge, TooManyNodesError
from htaflow.flows.proof.equivalence.classes import FlopClasses
from htaflow.flows.proof.equivalence.pairing import CONSTANT, Side, Unit
from htaflow.flows.proof.equivalence.result import MOST_DIFFERENCES, Equivalence
from htaflow.flows.proof.gates import Bit

MOST_NODES = 2_000_000
"""Nodes of the diagrams of one comparison, above which it is given up."""

SignedBit = tuple[Side, Bit, int]
"""A bit of one of the designs, and whether it is complemented."""


class Differ:
    """Compares bits with decision diagrams, and notes in a result what differs."""

    def __init__(
        self, classes: FlopClasses, result: Equivalence, numbers: Sequence[Sequence[Bit]]
    ) -> None:
        self._classes = classes
        self._designs = classes.pairing.designs
        self._result = result
        self._places: dict[Unit, tuple[int, int]] = {
            (0, bit): (place, -index)
            for index, number in enumerate(numbers)
            for place, bit in enumerate(number)
        }

    def differ(self, ours: SignedBit, theirs: SignedBit, what: str | None) -> bool | None:
        """Return whether two bits differ for some values of the classes; ``None``: not decided.

        With ``what`` the comparison counts: it is noted if they do, or if that is not known.
        """
        variables = {unit: place for place, unit in enumerate(self._turns(ours[:2], theirs[:2]))}
        bdd = Bdd(MOST_NODES)

        def edge(side: Side, bit: Bit) -> Edge:
            source, flip = self._classes.source(side, bit)
            if source == CONSTANT:
                return flip
            return bdd.var(variables.setdefault(source, len(variables))) ^ flip

        try:
            (one,), (two,) = (
                self._designs[side].evaluate(bdd, [bit], {}, partial(edge, side))
                for side, bit, _ in (ours, theirs)
            )
        except TooManyNodesError as error:
            if what is not None:
                self._result.open.append(f"{what}: {error} in the diagrams")
            return None
        one, two = one ^ ours[2], two ^ theirs[2]
        differ = bdd.xor(one, two)
        for (_, bit), var in variables.items():
            if bit < 0:  # what nothing defines may be either, and the netlist is free to choose
                differ = bdd.forall(var, differ)
        if differ == FALSE:
            return False
        if what is not None:
            self._note(bdd, variables, differ, (one, two), what)
        return True

    def _turns(self, *roots: tuple[Side, Bit]) -> list[Unit]:
        """Return bits of numbers on which a root depends, in the order of their variables."""
        if not self._places:
            return []
        found: set[Unit] = set()
        for side, root in roots:
            gates = self._designs[side].gates
            seen = {root}
            stack = [root]
            while stack:
                bit = stack.pop()
                if bit not in gates:
                    found.add(self._classes.source(side, bit)[0])
                    continue
                fed = set(gates[bit][1]) - seen
                seen |= fed
                stack += fed
        return sorted(self._places.keys() & found, key=self._places.__getitem__, reverse=True)

    def _note(
        self,
        bdd: Bdd,
        variables: dict[Unit, int],
        differ: Edge,
        values: tuple[Edge, Edge],
        what: str,
    ) -> None:
        """Note a difference, with an example."""
        self._result.differences += 1
        if len(self._result.different) >= MOST_DIFFERENCES:
            return
        example = bdd.example(differ)
        shown = {
            self._designs[side].name_of(bit): int(example[var])
            for (side, bit), var in variables.items()
            if var in example and bit > 0
        }
        verilog, netlist = (int(bdd.value(f, lambda v: example.get(v, False))) for f in values)
        self._result.different.append(
            {"signal": what, "with": shown, "verilog": verilog, "netlist": netlist}
        )
