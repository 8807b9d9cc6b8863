"""Cells of Gowin's families."""

import re

from htaflow.flows.recovery.cells.cell import Cell
from htaflow.flows.recovery.lookup_table import LookupTable, multiplexer
from htaflow.flows.recovery.netlist import Control, FlipFlop, Netlist

_FLIP_FLOP = re.compile(r"DFF(?P<falling>N?)(?P<reset>[RSCP]?)(?P<enable>E?)")
_RESETS = {"R": "RESET", "S": "SET", "C": "CLEAR", "P": "PRESET"}


def add_cell(netlist: Netlist, cell: Cell) -> bool:
    """Add ``cell`` to ``netlist`` and return True, or False if it is none of Gowin's."""
    kind, pins = cell.kind, cell.pins
    if "F" in pins and kind in ("LUT1", "LUT2", "LUT3", "LUT4"):  # the ECP5 has a LUT4, too
        inputs = tuple(pins[f"I{place}"] for place in range(int(kind[-1])))
        netlist.tables[pins["F"]] = LookupTable(inputs, int(cell.parameters["INIT"], 2))
    elif kind in ("GND", "VCC"):
        netlist.tables[pins[kind[0]]] = LookupTable((), int(kind == "VCC"))
    elif re.fullmatch("MUX2_LUT[5-8]", kind):
        netlist.tables[pins["O"]] = multiplexer(pins["I0"], pins["I1"], pins["S0"])
    elif found := _FLIP_FLOP.fullmatch(kind):
        _add_flip_flop(netlist, found, cell)
    else:
        return False
    return True


def _add_flip_flop(netlist: Netlist, found: re.Match[str], cell: Cell) -> None:
    kind, pins = found["reset"], cell.pins
    control = Control(
        clock=pins["CLK"],
        falling=bool(found["falling"]),
        enable=pins["CE"] if found["enable"] else "1",
        reset=pins[_RESETS[kind]] if kind else "0",
        at_once=kind in ("C", "P"),
    )
    netlist.flip_flops[pins["Q"]] = FlipFlop(pins["D"], control, int(kind in ("S", "P")))
