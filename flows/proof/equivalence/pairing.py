"""What stands for the same in both designs, by its name."""

from collections.abc import Iterator, Mapping
from typing import Literal

from htaflow.flows.proof.gates import Bit, Box, Gates

Side = Literal[0, 1]
"""The Verilog is 0, the netlist 1."""

Unit = tuple[Side, Bit]
"""A flip-flop of one of the designs; a pair of one name goes by that of the Verilog."""

CONSTANT: Unit = (0, 0)


class Pairing:
    """The two designs, and what has one name in both.

    Attributes:
        designs: the Verilog and the netlist.
        sources: for each input of the netlist, and output of a closed cell, the Verilog's bit.
        named: for flip-flops of the netlist the one of the Verilog with the same name.
        units: all flip-flops, a pair of one name once.
        sorted: those that are sorted into classes; a pair of one name stands for itself.
    """

    def __init__(self, designs: tuple[Gates, Gates]) -> None:
        self.designs = designs
        self.sources = self._match_sources()
        self.named = self._match_names()
        pairs = set(self.named.values())
        self.units: list[Unit] = [(0, bit) for bit in designs[0].flops]
        self.units += [(1, bit) for bit in designs[1].flops if bit not in self.named]
        self.sorted = [unit for unit in self.units if unit[0] == 1 or unit[1] not in pairs]

    def _match_sources(self) -> dict[Bit, Bit]:
        """Return for each input of the netlist, and output of a closed cell, the Verilog's bit."""
        first, second = self.designs
        pairs = side_by_side(first.inputs, second.inputs)
        for one, two in self.cells():
            pairs += side_by_side(one.outputs, two.outputs)
        return {theirs: ours for ours, theirs in pairs}

    def cells(self) -> list[tuple[Box, Box]]:
        """Return the closed cells of the designs, side by side."""
        others = {box.kind: box for box in self.designs[1].boxes.values()}
        return [(box, others[box.kind]) for box in self.designs[0].boxes.values()]

    def _match_names(self) -> dict[Bit, Bit]:
        """Return for flip-flops of the netlist the one of the Verilog with the same name."""
        first, second = self.designs
        found: dict[Bit, Bit] = {}
        taken: set[Bit] = set()
        for theirs, ours in self.namesakes():
            if theirs not in second.flops or theirs in found or ours in taken:
                continue
            other = first.flops.get(ours)
            if other is not None and other.init == second.flops[theirs].init is not None:
                found[theirs] = ours
                taken.add(ours)
        return found

    def namesakes(self) -> Iterator[tuple[Bit, Bit]]:
        """Yield bits of the netlist, each with one of the Verilog that has the same name."""
        for name, bits in self.designs[1].signals.items():
            if "$auto$" not in name:  # these are numbered by Yosys as it went
                yield from zip(bits, self.designs[0].signals.get(name, []), strict=False)

    def init(self, unit: Unit) -> int:
        """Return what a flip-flop starts as; a constant is 0, and so is what nothing defines."""
        return 0 if unit == CONSTANT else self.designs[unit[0]].flops[unit[1]].init or 0

    def unit(self, side: Side, bit: Bit) -> Unit:
        """Return the flip-flop, or the pair, that ``bit`` is of."""
        return (0, self.named[bit]) if side == 1 and bit in self.named else (side, bit)


def side_by_side(
    ours: Mapping[str, list[Bit]], theirs: Mapping[str, list[Bit]]
) -> list[tuple[Bit, Bit]]:
    """Return the bits of ports of the same names, those that both have."""
    return [
        pair
        for name, bits in ours.items()
        for pair in zip(bits, theirs.get(name, []), strict=False)
    ]
