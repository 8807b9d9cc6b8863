"""Cells of the iCE40."""

import re

from htaflow.flows.recovery.cells.cell import Cell, UnknownCellError
from htaflow.flows.recovery.lookup_table import LookupTable
from htaflow.flows.recovery.netlist import Control, FlipFlop, Netlist

_FLIP_FLOP = re.compile(r"SB_DFF(?P<falling>N?)(?P<enable>E?)(?P<reset>SR|SS|R|S|)")
_MAJORITY = 0b11101000


def add_cell(netlist: Netlist, cell: Cell) -> bool:
    """Add ``cell`` to ``netlist`` and return True, or False if it is none of the iCE40."""
    pins = cell.pins
    if cell.kind == "SB_LUT4":
        inputs = tuple(pins.get(f"I{place}", "0") for place in range(4))
        netlist.tables[pins["O"]] = LookupTable(inputs, int(cell.parameters["LUT_INIT"], 2))
    elif cell.kind == "SB_CARRY":
        inputs = tuple(pins.get(pin, "0") for pin in ("I0", "I1", "CI"))
        netlist.tables[pins["CO"]] = LookupTable(inputs, _MAJORITY)
    elif found := _FLIP_FLOP.fullmatch(cell.kind):
        _add_flip_flop(netlist, found, cell)
    else:
        return False
    return True


def _add_flip_flop(netlist: Netlist, found: re.Match[str], cell: Cell) -> None:
    """Add a flip-flop, which starts as 0; a reset at the edge acts only with the enable."""
    pins = cell.pins
    kind, data, own = found["reset"], pins["D"], pins["Q"]
    if kind in ("SR", "SS"):
        data = f"{own}_D"
        function = 0b1110 if kind == "SS" else 0b0010
        netlist.tables[data] = LookupTable((pins["D"], pins[kind[-1]]), function)
    if kind == "S":
        raise UnknownCellError(f"the netlist has an {found[0]}, which is not understood")
    control = Control(
        clock=pins["C"],
        falling=bool(found["falling"]),
        enable=pins["E"] if found["enable"] else "1",
        reset=pins["R"] if kind == "R" else "0",
        at_once=kind == "R",
    )
    netlist.flip_flops[own] = FlipFlop(data, control, 0)
