"""The comparison of two designs: classes guessed, split until they are proved, then outputs."""

from collections.abc import Mapping, Sequence
from typing import Any

from htaflow.flows.proof.equivalence.classes import FlopClasses
from htaflow.flows.proof.equivalence.difference import Differ, SignedBit
from htaflow.flows.proof.equivalence.pairing import CONSTANT, Pairing, Unit, side_by_side
from htaflow.flows.proof.equivalence.result import Equivalence
from htaflow.flows.proof.equivalence.simulation import join_named, sort_by_simulation
from htaflow.flows.proof.gates import Bit, Gates
from htaflow.model.support.progress import Progress, silent


def compare(
    verilog: Gates,
    netlist: Gates,
    progress: Progress = silent,
    numbers: Sequence[Sequence[Bit]] = (),
) -> Equivalence:
    """Return whether ``netlist`` does what ``verilog`` does.

    Args:
        verilog: what the netlist was made from.
        netlist: what synthesis made of it.
        progress: is told what is being done.
        numbers: flip-flops of the Verilog that hold numbers, each low bit first. Where such are
            compared with each other, diagrams are small only if their bits take turns, highest
            first.
    """
    result = Equivalence()
    for kind in ("inputs", "outputs"):
        ours, theirs = (
            {name: len(bits) for name, bits in getattr(gates, kind).items()}
            for gates in (verilog, netlist)
        )
        if ours != theirs:
            result.open.append(f"the {kind} are {ours} in the Verilog, {theirs} in the netlist")
    cells = [{box.kind: box.settings for box in g.boxes.values()} for g in (verilog, netlist)]
    if cells[0] != cells[1] or any(len(g.boxes) != len(cells[0]) for g in (verilog, netlist)):
        result.open.append(f"cells that are not looked into differ: {cells[0]}, {cells[1]}")
    if not result.open:
        _Comparison((verilog, netlist), result, progress, numbers).run()
    return result


def numbers(gates: Gates, interface: Mapping[str, Any]) -> list[list[Bit]]:
    """Return the flip-flops that hold numbers of more than a bit, by stage, low bit first."""
    found = []
    for stage in interface["stages"]:
        bits, width = gates.signals.get(stage["probe"], []), stage["width"]
        if width > 1:
            found += [bits[at : at + width] for at in range(0, stage["count"] * width, width)]
    return found


class _Comparison:
    """The two designs and the classes of their flip-flops."""

    def __init__(
        self,
        designs: tuple[Gates, Gates],
        result: Equivalence,
        progress: Progress,
        numbers: Sequence[Sequence[Bit]],
    ) -> None:
        self._designs = designs
        self._result = result
        self._progress = progress
        self._pairing = Pairing(designs)
        self._classes = FlopClasses(self._pairing)
        self._differ = Differ(self._classes, result, numbers).differ

    def run(self) -> None:
        """Find the classes, prove them, and compare the outputs."""
        sort_by_simulation(self._classes)
        while join_named(self._classes):
            pass
        rounds = 0
        while self._split_by_proof():
            rounds += 1
            self._progress(f"prove: flip-flops sorted again ({rounds})")
        self._compare_pairs()
        self._account_for_others()
        self._compare_outputs()

    def _split_by_proof(self) -> bool:
        """Prove that all of a class take the same; return whether one did not and was split off."""
        split: dict[Unit, Unit] = {}
        apart: dict[Unit, Unit] = {}
        for unit in self._pairing.sorted:
            leader = self._classes.leader[unit]
            if leader == unit:
                continue
            differ = self._differ(self._data(unit), self._data(leader), None)
            if differ is not False:
                split[unit] = apart.setdefault(leader, unit)
        self._classes.leader.update(split)
        return bool(split)

    def _data(self, unit: Unit) -> SignedBit:
        """Return what a flip-flop takes: the side, the bit, and whether it is complemented."""
        if unit == CONSTANT:
            return 0, 0, 0
        return unit[0], self._designs[unit[0]].flops[unit[1]].data, self._pairing.init(unit)

    def _compare_pairs(self) -> None:
        """Prove that flip-flops of one name take the same."""
        first, second = self._designs
        for theirs, ours in self._pairing.named.items():
            name = f"flip-flop {first.name_of(ours)}"
            data = first.flops[ours].data, second.flops[theirs].data
            if self._differ((0, data[0], 0), (1, data[1], 0), name):
                self._result.wrong.append(ours)
            self._differ((0, first.flops[ours].clock, 0), (1, second.flops[theirs].clock, 0), name)
            self._result.flops += 1

    def _account_for_others(self) -> None:
        """Count flip-flops of the netlist that are equal to one of another name, or constant."""
        first, second = self._designs
        leader = self._classes.leader
        classes = {CONSTANT, *(leader[unit] for unit in self._pairing.units if unit[0] == 0)}
        clocks = {flop.clock for flop in first.flops.values()}
        for bit, flop in second.flops.items():
            if bit in self._pairing.named:
                continue
            if leader[1, bit] in classes:
                self._result.flops += 1
                clock: SignedBit = (0, next(iter(clocks)), 0)
                self._differ(clock, (1, flop.clock, 0), second.name_of(bit))
            else:
                self._note_alone(bit)
        if len(clocks) > 1:
            self._result.open.append("flip-flops of the Verilog have several clocks")
        self._result.left_out = len(first.flops) - len(second.flops)

    def _note_alone(self, bit: Bit) -> None:
        """Note a flip-flop of the netlist that is equal to none of the Verilog."""
        name = self._designs[1].name_of(bit)
        namesake = next(
            (
                self._designs[0].flops[ours]
                for theirs, ours in self._pairing.namesakes()
                if theirs == bit and ours in self._designs[0].flops
            ),
            None,
        )
        found: dict[str, Any] = {"signal": f"flip-flop {name}", "with": {}}
        if namesake is not None and namesake.init != self._designs[1].flops[bit].init:
            found |= {"verilog": namesake.init, "netlist": self._designs[1].flops[bit].init}
            found["what"] = "the initial values"
        else:
            found["what"] = "no flip-flop of the Verilog is equal to it"
        self._result.differences += 1
        self._result.different.append(found)

    def _compare_outputs(self) -> None:
        """Prove that outputs, and what closed cells are fed, are equal."""
        pairs = side_by_side(self._designs[0].outputs, self._designs[1].outputs)
        for one, two in self._pairing.cells():
            pairs += side_by_side(one.inputs, two.inputs)
        for ours, theirs in pairs:
            self._result.outputs += 1
            name = self._designs[0].name_of(ours)
            self._differ((0, ours, 0), (1, theirs, 0), f"output {name}")
