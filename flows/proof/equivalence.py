"""A board's netlist against the Verilog it was made from: equal in every cycle, for all inputs.

Both designs are read as gates (:mod:`htaflow.flows.proof.gates`). Their flip-flops are sorted into
classes of such that are always equal, or always each other's complement, one of them for constants.
By induction over the clock cycles that is so if all of a class start as they should and, whatever
the classes' values, take equal values: which is proved with decision diagrams, for every flip-flop
by itself. Then outputs are compared in the same way.

Classes are guessed: flip-flops of one name belong together, and others with those that take the
same in simulation. A guess that is wrong is found by the proof, never believed.

Source: C. A. J. van Eijk, "Sequential Equivalence Checking Based on Structural Similarities", IEEE
Transactions on Computer-Aided Design, 2000.
"""

import random
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Literal

from htaflow.flows.proof.algebra import Words
from htaflow.flows.proof.bdd import FALSE, Bdd, Edge, TooManyNodesError
from htaflow.flows.proof.gates import Bit, Box, Gates
from htaflow.model.support.progress import Progress, silent

MOST_NODES = 2_000_000
"""Nodes of the diagrams of one comparison, above which it is given up."""

MOST_DIFFERENCES = 20
"""Differences that are kept; the others are counted."""

_PATTERNS = 2048
_DENSITIES = (1, 4, 8, 12, 15, 8, 8, 8)
"""Of 16 random bits how many are 1, in each eighth of the patterns: counters reach their ends."""
_QUIET_ROUNDS = 12
"""Rounds of simulation without a change after which the classes are taken for found."""

Side = Literal[0, 1]
"""The Verilog is 0, the netlist 1."""

Unit = tuple[Side, Bit]
"""A flip-flop of one of the designs; a pair of one name goes by that of the Verilog."""

CONSTANT: Unit = (0, 0)


@dataclass
class Equivalence:
    """What was compared, and what is not equal.

    Attributes:
        flops: flip-flops of the netlist that are proved equal to one of the Verilog, or constant.
        outputs: outputs, and inputs of closed cells, that were compared.
        left_out: flip-flops of the Verilog that the netlist lacks: they are constant, equal to
            others, or nothing reads them.
        differences: how many comparisons failed; ``different`` describes the first of them: the
            signal, values of flip-flops and inputs that show it, and what each design then gives.
        wrong: flip-flops of the Verilog that take something else than the netlist's of their name.
        open: what could not be decided, in words.
    """

    flops: int = 0
    outputs: int = 0
    left_out: int = 0
    differences: int = 0
    different: list[dict[str, Any]] = field(default_factory=list)
    wrong: list[Bit] = field(default_factory=list)
    open: list[str] = field(default_factory=list)

    @property
    def closed(self) -> bool:
        """Whether the designs are proved equal."""
        return not self.differences and not self.open


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
        self.designs = designs
        self.places: dict[Unit, tuple[int, int]] = {
            (0, bit): (place, -index)
            for index, number in enumerate(numbers)
            for place, bit in enumerate(number)
        }
        self.result = result
        self.progress = progress
        self.sources = self._match_sources()
        self.named = self._match_names()
        pairs = set(self.named.values())
        self.units: list[Unit] = [(0, bit) for bit in designs[0].flops]
        self.units += [(1, bit) for bit in designs[1].flops if bit not in self.named]
        # A pair of one name stands for itself; the others are sorted.
        self.sorted = [unit for unit in self.units if unit[0] == 1 or unit[1] not in pairs]
        self.leader: dict[Unit, Unit] = dict.fromkeys(self.units, CONSTANT)

    def run(self) -> None:
        """Find the classes, prove them, and compare the outputs."""
        self._sort_by_simulation()
        while self._join_named():
            pass
        rounds = 0
        while self._split_by_proof():
            rounds += 1
            self.progress(f"prove: flip-flops sorted again ({rounds})")
        self._compare_pairs()
        self._compare_outputs()

    # --- What stands for the same in both designs --------------------------------------------

    def _match_sources(self) -> dict[Bit, Bit]:
        """Return for each input of the netlist, and output of a closed cell, the Verilog's bit."""
        first, second = self.designs
        pairs = _side_by_side(first.inputs, second.inputs)
        for one, two in self._cells():
            pairs += _side_by_side(one.outputs, two.outputs)
        return {theirs: ours for ours, theirs in pairs}

    def _cells(self) -> list[tuple[Box, Box]]:
        """Return the closed cells of the designs, side by side."""
        others = {box.kind: box for box in self.designs[1].boxes.values()}
        return [(box, others[box.kind]) for box in self.designs[0].boxes.values()]

    def _match_names(self) -> dict[Bit, Bit]:
        """Return for flip-flops of the netlist the one of the Verilog with the same name."""
        first, second = self.designs
        found: dict[Bit, Bit] = {}
        taken: set[Bit] = set()
        for theirs, ours in self._namesakes():
            if theirs not in second.flops or theirs in found or ours in taken:
                continue
            other = first.flops.get(ours)
            if other is not None and other.init == second.flops[theirs].init is not None:
                found[theirs] = ours
                taken.add(ours)
        return found

    def _namesakes(self) -> Iterator[tuple[Bit, Bit]]:
        """Yield bits of the netlist, each with one of the Verilog that has the same name."""
        for name, bits in self.designs[1].signals.items():
            if "$auto$" not in name:  # these are numbered by Yosys as it went
                yield from zip(bits, self.designs[0].signals.get(name, []), strict=False)

    def _init(self, unit: Unit) -> int:
        """Return what a flip-flop starts as; a constant is 0, and so is what nothing defines."""
        return 0 if unit == CONSTANT else self.designs[unit[0]].flops[unit[1]].init or 0

    def _unit(self, side: Side, bit: Bit) -> Unit:
        """Return the flip-flop, or the pair, that ``bit`` is of."""
        return (0, self.named[bit]) if side == 1 and bit in self.named else (side, bit)

    # --- Classes -----------------------------------------------------------------------------

    def _sort_by_simulation(self) -> None:
        """Sort flip-flops by what they take for random values of the classes."""
        sorting = set(self.sorted)
        undefined = [u for u in self.sorted if self.designs[u[0]].flops[u[1]].init is None]
        for unit in self.units:
            if unit not in sorting or unit in undefined:
                self.leader[unit] = unit
        draw = random.Random(0)  # noqa: S311 - patterns, no secrets
        words = Words(_PATTERNS)
        quiet = 0
        while quiet < _QUIET_ROUNDS:
            _, taken = self._simulate(words, draw)
            groups: dict[tuple[Unit, int], Unit] = {}
            changed = False
            # Those that keep their class first, so that only the others get a new one.
            for unit in sorted(taken, key=lambda unit: self.leader.get(unit, unit) != unit):
                old = self.leader.get(unit, CONSTANT)
                new = unit
                if unit == CONSTANT or unit in sorting or old == unit:
                    new = groups.setdefault((old, taken[unit]), unit)
                if unit not in sorting:
                    new = unit
                if unit != CONSTANT:
                    changed = changed or new != old
                    self.leader[unit] = new
            quiet = 0 if changed else quiet + 1

    def _simulate(
        self, words: Words, draw: random.Random
    ) -> tuple[dict[Unit, int], dict[Unit, int]]:
        """Return random values of the classes, and what each flip-flop then takes.

        Values and what is taken are complemented where a flip-flop starts as 1.
        """
        values: dict[Unit, int] = {CONSTANT: 0}
        taken: dict[Unit, int] = {CONSTANT: 0}
        for side, design in enumerate(self.designs):
            flops = list(design.flops)
            data = [design.flops[bit].data for bit in flops]
            value = partial(self._word, values, words, draw, 1 if side else 0)
            results = design.evaluate(words, data, {}, value)
            for bit, word in zip(flops, results, strict=True):
                unit = self._unit(1 if side else 0, bit)
                if unit not in taken:  # of a pair, what the Verilog takes
                    taken[unit] = words.invert(word) if self._init(unit) else word
        return values, taken

    def _join_named(self) -> bool:
        """Join classes without a named pair to a pair that may be equal; return if one was joined.

        It may be if both take the same whenever both hold the same.
        """
        pairs = [(0, bit) for bit in self.named.values()]
        alone = {self.leader[unit] for unit in self.sorted} - {CONSTANT} - set(pairs)
        found = {unit: list[Unit](pairs) for unit in alone}  # type: ignore[arg-type]
        draw = random.Random(1)  # noqa: S311 - patterns, no secrets
        words = Words(_PATTERNS)
        for _ in range(_QUIET_ROUNDS):
            if not any(found.values()):
                break
            values, taken = self._simulate(words, draw)
            for unit, others in found.items():
                held, takes = values.get(unit, 0), taken[unit]
                found[unit] = [
                    other
                    for other in others
                    if not (takes ^ taken[other]) & ~(held ^ values.get(other, 0))
                ]
        for unit in self.sorted:
            others = found.get(self.leader[unit], [])
            if others:
                self.leader[unit] = others[0]
        return any(found.values())

    def _word(
        self, values: dict[Unit, int], words: Words, draw: random.Random, side: Side, bit: Bit
    ) -> int:
        """Return the simulated value of a bit that no gate drives."""
        if bit in self.designs[side].flops:
            unit = self._unit(side, bit)
            leader = self.leader[unit]
            flip = self._init(unit)
        else:
            leader, flip = (0, self.sources.get(bit, bit) if side else bit), 0
        word = values.get(leader)
        if word is None:
            word = 0
            eighth = _PATTERNS // len(_DENSITIES)
            for place, density in enumerate(_DENSITIES):
                word |= _random_word(draw, eighth, density) << place * eighth
            values[leader] = word
        return words.invert(word) if flip else word

    def _split_by_proof(self) -> bool:
        """Prove that all of a class take the same; return whether one did not and was split off."""
        split: dict[Unit, Unit] = {}
        apart: dict[Unit, Unit] = {}
        for unit in self.sorted:
            leader = self.leader[unit]
            if leader == unit:
                continue
            differ = self._differ(self._data(unit), self._data(leader), None)
            if differ is not False:
                split[unit] = apart.setdefault(leader, unit)
        self.leader.update(split)
        return bool(split)

    def _data(self, unit: Unit) -> tuple[Side, Bit, int]:
        """Return what a flip-flop takes: the side, the bit, and whether it is complemented."""
        if unit == CONSTANT:
            return 0, 0, 0
        return unit[0], self.designs[unit[0]].flops[unit[1]].data, self._init(unit)

    # --- Proof -------------------------------------------------------------------------------

    def _source(self, side: Side, bit: Bit) -> tuple[Unit, int]:
        """Return what stands for a bit that no gate drives, and whether it is complemented."""
        if bit in self.designs[side].flops:
            unit = self._unit(side, bit)
            leader = self.leader[unit]
            return leader, self._init(unit) ^ self._init(leader)
        return (0, self.sources[bit]) if side == 1 and bit in self.sources else (side, bit), 0

    def _turns(self, *roots: tuple[Side, Bit]) -> list[Unit]:
        """Return bits of numbers on which a root depends, in the order of their variables."""
        if not self.places:
            return []
        found: set[Unit] = set()
        for side, root in roots:
            gates = self.designs[side].gates
            seen = {root}
            stack = [root]
            while stack:
                bit = stack.pop()
                if bit not in gates:
                    found.add(self._source(side, bit)[0])
                    continue
                fed = set(gates[bit][1]) - seen
                seen |= fed
                stack += fed
        return sorted(self.places.keys() & found, key=self.places.__getitem__, reverse=True)

    def _differ(
        self, ours: tuple[Side, Bit, int], theirs: tuple[Side, Bit, int], what: str | None
    ) -> bool | None:
        """Return whether two bits differ for some values of the classes; ``None``: not decided.

        With ``what`` it is a comparison that counts: it is noted if they do, or nobody knows.
        """
        variables = {unit: place for place, unit in enumerate(self._turns(ours[:2], theirs[:2]))}
        bdd = Bdd(MOST_NODES)

        def edge(side: Side, bit: Bit) -> Edge:
            source, flip = self._source(side, bit)
            if source == CONSTANT:
                return flip
            return bdd.var(variables.setdefault(source, len(variables))) ^ flip

        try:
            (one,), (two,) = (
                self.designs[side].evaluate(
                    bdd,
                    [bit],
                    {},
                    lambda bit, side=side: edge(side, bit),  # type: ignore[misc]
                )
                for side, bit, _ in (ours, theirs)
            )
        except TooManyNodesError as error:
            if what is not None:
                self.result.open.append(f"{what}: {error} in the diagrams")
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

    def _note(
        self,
        bdd: Bdd,
        variables: dict[tuple[Side, Bit], int],
        differ: Edge,
        values: tuple[Edge, Edge],
        what: str,
    ) -> None:
        """Note a difference, with an example."""
        self.result.differences += 1
        if len(self.result.different) >= MOST_DIFFERENCES:
            return
        example = bdd.example(differ)
        shown = {
            self.designs[side].name_of(bit): int(example[var])
            for (side, bit), var in variables.items()
            if var in example and bit > 0
        }
        verilog, netlist = (int(bdd.value(f, lambda v: example.get(v, False))) for f in values)
        self.result.different.append(
            {"signal": what, "with": shown, "verilog": verilog, "netlist": netlist}
        )

    def _compare_pairs(self) -> None:
        """Prove that flip-flops of one name take the same, and account for all others."""
        first, second = self.designs
        for theirs, ours in self.named.items():
            name = f"flip-flop {first.name_of(ours)}"
            data = first.flops[ours].data, second.flops[theirs].data
            if self._differ((0, data[0], 0), (1, data[1], 0), name):
                self.result.wrong.append(ours)
            self._differ((0, first.flops[ours].clock, 0), (1, second.flops[theirs].clock, 0), name)
        self.result.flops = len(self.named)
        classes = {self.leader[unit] for unit in self.units if unit[0] == 0} | {CONSTANT}
        clocks = {flop.clock for flop in first.flops.values()}
        for bit, flop in second.flops.items():
            if bit in self.named:
                continue
            if self.leader[1, bit] in classes:
                self.result.flops += 1
                clock: tuple[Side, Bit, int] = (0, next(iter(clocks)), 0)
                self._differ(clock, (1, flop.clock, 0), second.name_of(bit))
            else:
                self._note_alone(bit)
        if len(clocks) > 1:
            self.result.open.append("flip-flops of the Verilog have several clocks")
        self.result.left_out = len(first.flops) - len(second.flops)

    def _note_alone(self, bit: Bit) -> None:
        """Note a flip-flop of the netlist that is equal to none of the Verilog."""
        name = self.designs[1].name_of(bit)
        namesake = next(
            (
                self.designs[0].flops[ours]
                for theirs, ours in self._namesakes()
                if theirs == bit and ours in self.designs[0].flops
            ),
            None,
        )
        found: dict[str, Any] = {"signal": f"flip-flop {name}", "with": {}}
        if namesake is not None and namesake.init != self.designs[1].flops[bit].init:
            found |= {"verilog": namesake.init, "netlist": self.designs[1].flops[bit].init}
            found["what"] = "the initial values"
        else:
            found["what"] = "no flip-flop of the Verilog is equal to it"
        self.result.differences += 1
        self.result.different.append(found)

    def _compare_outputs(self) -> None:
        """Prove that outputs, and what closed cells are fed, are equal."""
        pairs = _side_by_side(self.designs[0].outputs, self.designs[1].outputs)
        for one, two in self._cells():
            pairs += _side_by_side(one.inputs, two.inputs)
        for ours, theirs in pairs:
            self.result.outputs += 1
            name = self.designs[0].name_of(ours)
            self._differ((0, ours, 0), (1, theirs, 0), f"output {name}")


def _side_by_side(
    ours: Mapping[str, list[Bit]], theirs: Mapping[str, list[Bit]]
) -> list[tuple[Bit, Bit]]:
    """Return the bits of ports of the same names, those that both have."""
    return [
        pair
        for name, bits in ours.items()
        for pair in zip(bits, theirs.get(name, []), strict=False)
    ]


def _random_word(draw: random.Random, bits: int, density: int) -> int:
    """Return ``bits`` random bits, of which ``density`` in 16 are 1."""
    word = 0
    for place in range(4):  # the binary digits of the density, the lowest first
        more = draw.getrandbits(bits)
        word = word | more if density >> place & 1 else word & more
    return word


def differences(result: Equivalence) -> Sequence[str]:
    """Return what is wrong with ``result``, a line each."""
    lines = []
    for found in result.different:
        where = ", ".join(f"{name} = {value}" for name, value in list(found["with"].items())[:12])
        if "verilog" in found:
            line = (
                f"{found['signal']}: {found['verilog']} in the Verilog, {found['netlist']} in the "
            )
            line += f"netlist ({found.get('what', where)})"
        else:
            line = f"{found['signal']}: {found['what']}"
        lines.append(line)
    return lines + result.open
