"""What Yosys makes of Verilog, read as gates.

Yosys reads the very text that is simulated and synthesised, replaces processes, hierarchy, memories
and operators by single-bit gates, and optimises nothing away.
"""

import json
import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping
from itertools import count
from pathlib import Path

from htaflow.flows.families import FAMILIES, LookupCell
from htaflow.flows.proof.algebra import SELECT
from htaflow.flows.proof.gates import Bit, Box, Flop, GateError, Gates
from htaflow.flows.tools.tools import find_tool, run_tool
from htaflow.flows.tools.yosys_json import Wire, YosysCell, YosysModule
from htaflow.model.support.files import write_atomic

MOST_INDEX_BITS = 16

Wires = Mapping[str, list[Bit]]

_GATES = {
    "$_BUF_": "A",
    "$_NOT_": "A",
    "$_AND_": "AB",
    "$_NAND_": "AB",
    "$_OR_": "AB",
    "$_NOR_": "AB",
    "$_XOR_": "AB",
    "$_XNOR_": "AB",
    "$_ANDNOT_": "AB",
    "$_ORNOT_": "AB",
    "$_MUX_": "ABS",
}
_XILINX = {
    f"LUT{size}": LookupCell("INIT", tuple(f"I{pin}" for pin in range(size)), "O")
    for size in range(2, 7)
}
_LOOKUPS: dict[str, Mapping[str, LookupCell]] = {
    "": {},
    "portable": {},
    "xilinx": _XILINX,  # a target that is no family: htaflow only counts its cells
    **{name: family.lookups for name, family in FAMILIES.items() if family.lookups is not None},
}
"""Look-up tables of a target, by their cells' names."""


def read_gates(text: str, top: str, family: str = "", timeout: float | None = None) -> Gates:
    """Return the design ``top`` in Verilog ``text`` as gates.

    ``family`` is that of the cells in it, a target's name. Look-up tables are what they are; of a
    PLL nothing is looked into; other cells are what Yosys's models say. Raises ``ToolError`` if
    Yosys fails, and ``GateError`` if something is left that is no gate.
    """
    if family not in _LOOKUPS:
        raise GateError(f"the cells of {family} are not known here")
    with tempfile.TemporaryDirectory(prefix="htaflow-") as name:
        folder = Path(name)
        write_atomic(folder / "design.v", text)
        write_atomic(folder / "closed.v", _closed(family))
        write_atomic(folder / "gates.ys", "".join(f"{line}\n" for line in _script(top, family)))
        run_tool(
            find_tool("yosys"),
            ("-q", "-s", "gates.ys"),
            folder=folder,
            log="yosys.log",
            outputs=("gates.json",),
            timeout=timeout,
        )
        design = json.loads((folder / "gates.json").read_text())
    return _Reader(YosysModule.of(design, top), _LOOKUPS[family]).run()


def _script(top: str, family: str) -> list[str]:
    """Return what Yosys is told: it makes gates, and optimises nothing away."""
    models, closed = f"+/{family}/cells_sim.v", ""
    if family in FAMILIES:
        closed = FAMILIES[family].closed_models
    return [
        # Each is read when it is needed: models of memories that no design has take half a minute.
        f"read_verilog -DNO_INCLUDES -defer {models}" if family in FAMILIES else "",
        f"read_verilog -lib +/{family}/{closed}" if closed else "",
        "read_verilog -sv closed.v design.v",
        f"hierarchy -check -purge_lib -top {top}",
        "proc",
        "flatten",
        "memory_map",
        "dffunmap",
        "techmap t:$* t:$shiftx %d t:$shr %d t:$bmux %d",
        "techmap t:$* t:$shiftx %d t:$shr %d t:$bmux %d",
        "simplemap",
        "write_json gates.json",
    ]


def _closed(family: str) -> str:
    """Return the ports of the cells that are not opened, as Verilog."""
    lines = [
        f"(* blackbox *) module {name}(input {', '.join(pins)}, output {out}); "
        f"parameter {parameter} = 0; endmodule\n"
        for name, (parameter, pins, out) in _LOOKUPS[family].items()
    ]
    return "".join(lines)


class _Reader:
    """A module of Yosys's JSON on its way to gates."""

    def __init__(self, module: YosysModule, lookups: Mapping[str, LookupCell]) -> None:
        self._module = module
        self._lookups = lookups
        self._loose = count(-1, -1)
        self._gates: dict[Bit, tuple[str, tuple[Bit, ...]]] = {}
        self._flops: dict[Bit, Flop] = {}
        self._boxes: dict[str, Box] = {}

    def run(self) -> Gates:
        for cell in self._module.cells:
            self._add(cell)
        inputs, outputs, signals = (
            {name: self._bits(wires) for name, wires in found.items()}
            for found in (self._module.inputs, self._module.outputs, self._module.nets)
        )
        return Gates(self._gates, self._flops, self._boxes, signals, inputs, outputs)

    def _undefined(self) -> Bit:
        return next(self._loose)

    def _bits(self, wires: Iterable[Wire]) -> list[Bit]:
        return [
            wire if isinstance(wire, int) else int(wire) if wire in "01" else self._undefined()
            for wire in wires
        ]

    def _add(self, cell: YosysCell) -> None:
        kind = cell.kind
        wires = {pin: self._bits(connected) for pin, connected in cell.pins.items()}
        if kind in _GATES:
            self._gates[wires["Y"][0]] = kind, tuple(wires[pin][0] for pin in _GATES[kind])
        elif kind == "$_DFF_P_":
            out = wires["Q"][0]
            start = self._module.starts.get(out)
            self._flops[out] = Flop(wires["D"][0], wires["C"][0], start)
        elif kind in ("$shiftx", "$shr", "$bmux"):
            self._gates.update(_selections(kind, wires, self._undefined))
        elif kind in self._lookups:
            self._add_lookup(cell, wires)
        elif not kind.startswith("$"):
            self._boxes[cell.name] = _box(cell, wires)
        elif kind != "$scopeinfo":
            raise GateError(
                f"cell {cell.name} of type {kind} is neither a gate nor a plain flip-flop"
            )

    def _add_lookup(self, cell: YosysCell, wires: Wires) -> None:
        parameter, pins, out = self._lookups[cell.kind]
        table = int(cell.parameters[parameter], 2)
        candidates = (table >> index & 1 for index in range(1 << len(pins)))
        # An open input may be anything.
        index = (wires[pin][0] if wires.get(pin) else self._undefined() for pin in pins)
        self._gates[wires[out][0]] = SELECT, (*candidates, *index)


def _box(cell: YosysCell, wires: Wires) -> Box:
    fed = {pin: bits for pin, bits in wires.items() if cell.directions[pin] == "input"}
    made = {pin: bits for pin, bits in wires.items() if cell.directions[pin] == "output"}
    return Box(cell.kind, fed, made, cell.parameters)


def _selections(
    kind: str, wires: Wires, undefined: Callable[[], Bit]
) -> Iterator[tuple[Bit, tuple[str, tuple[Bit, ...]]]]:
    """Yield the gates of a cell that selects some of its bits."""
    data, index = wires["A"], wires["S" if kind == "$bmux" else "B"]
    step = len(wires["Y"]) if kind == "$bmux" else 1
    if len(index) > MOST_INDEX_BITS:
        raise GateError(f"a {kind} with an index of {len(index)} bits is too wide")
    for place, out in enumerate(wires["Y"]):
        at = (place + step * number for number in range(1 << len(index)))
        candidates = [
            data[bit] if bit < len(data) else undefined() if kind == "$shiftx" else 0 for bit in at
        ]
        yield out, (SELECT, (*candidates, *index))
