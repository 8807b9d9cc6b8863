"""The netlist that Yosys makes, read from the Verilog that a build keeps."""

import json
import pkgutil
from collections.abc import Callable
from importlib import import_module
from pathlib import Path

from htaflow.flows.families import FAMILIES
from htaflow.flows.recovery import cells
from htaflow.flows.recovery.cells.cell import Cell, UnknownCellError
from htaflow.flows.recovery.lookup_table import NetName
from htaflow.flows.recovery.netlist import Netlist
from htaflow.flows.tools.step import ToolRun
from htaflow.flows.tools.yosys_json import Wire, YosysCell, YosysModule
from htaflow.model.support.files import write_atomic

AddCell = Callable[[Netlist, Cell], bool]
"""Adds a cell to a netlist and returns True, or returns False if it is none of the family's."""


def _find_families() -> dict[str, AddCell]:
    """Return the functions of the families whose cells are known, by the family's name."""
    here = {each.name for each in pkgutil.iter_modules(cells.__path__)}
    return {
        family: import_module(f"{cells.__name__}.{family}").add_cell
        for family in FAMILIES
        if family in here
    }


ADD_CELL = _find_families()
"""The families whose cells are known."""

_READING = ToolRun(
    tool="yosys",
    arguments=("-q", "-s", "read.ys"),
    outputs=("cells.json",),
    log="yosys.log",
    files={"read.ys": "read_verilog netlist.v\nproc\nclean\nwrite_json cells.json\n"},
)


def read_netlist(verilog: Path, folder: Path, timeout: float | None = None) -> Netlist:
    """Return the netlist of module ``board`` in ``verilog``, which Yosys reads in ``folder``.

    Raises ``UnknownCellError`` for a cell that is not understood, and ``ToolError`` if Yosys fails.
    """
    return netlist_of(read_module(verilog, folder, "board", timeout)).simplified()


def read_module(
    verilog: Path, folder: Path, module: str, timeout: float | None = None
) -> YosysModule:
    """Return ``module`` of the flat design in ``verilog``, which Yosys reads in ``folder``."""
    write_atomic(folder / "netlist.v", verilog.read_bytes())
    _READING.run(folder, timeout)
    return YosysModule.of(json.loads((folder / "cells.json").read_text()), module)


def nets_of(module: YosysModule, signal: str) -> list[NetName]:
    """Return the nets of a signal's bits, low bit first, as they are called in ``netlist_of``.

    Empty if there is no such signal. What a port of ``module`` drives has the port's name there.
    """
    return [f"N{wire}" for wire in module.nets.get(signal, [])]


def netlist_of(module: YosysModule) -> Netlist:
    """Return the netlist of ``module``.

    A port of several bits is a port ``NAME[INDEX]`` a bit. Raises ``UnknownCellError``.
    """
    return _Reader(module).run()


class _Reader:
    def __init__(self, module: YosysModule) -> None:
        self._module = module
        self._netlist = Netlist()
        self._inputs: dict[Wire, NetName] = {}

    def run(self) -> Netlist:
        for name, wires in self._module.inputs.items():  # first: an output may be one of them
            bits = _port_bits(name, wires)
            self._netlist.inputs += bits
            self._inputs |= zip(wires, bits, strict=True)
        for name, wires in self._module.outputs.items():
            nets = map(self._net, wires)
            self._netlist.outputs |= zip(_port_bits(name, wires), nets, strict=True)
        for cell in self._module.cells:
            self._add(cell)
        return self._netlist

    def _net(self, wire: Wire) -> NetName:
        if isinstance(wire, str):
            return wire if wire in "01" else "0"  # an x may be either
        return self._inputs.get(wire, f"N{wire}")

    def _add(self, cell: YosysCell) -> None:
        pins = {
            f"{pin}{index}" if len(wires) > 1 else pin: self._net(wire)
            for pin, wires in cell.pins.items()
            for index, wire in enumerate(wires)
        }
        found = Cell(cell.name, cell.kind, cell.parameters, pins)
        if cell.kind != "$scopeinfo" and not any(
            add(self._netlist, found) for add in ADD_CELL.values()
        ):
            raise UnknownCellError(
                f"the netlist has a {cell.kind}, {cell.name}, which is not understood"
            )


def _port_bits(name: str, wires: list[Wire]) -> list[NetName]:
    """Return what the bits of a port are called."""
    return [name] if len(wires) == 1 else [f"{name}[{index}]" for index in range(len(wires))]
