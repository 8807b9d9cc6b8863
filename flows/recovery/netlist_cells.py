"""The netlist that Yosys makes, read from the Verilog that a build keeps.

The cells are those of Yosys's ``cells_sim.v`` of each family: iCE40, ECP5 and Gowin. A test
compares what they do here with those models.
"""

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from htaflow.flows.recovery.netlist import (
    PLL_IDLE,
    Control,
    FlipFlop,
    LookupTable,
    Memory,
    Netlist,
    NetName,
    RecoveredPll,
)
from htaflow.flows.tools.step import ToolRun
from htaflow.model.support.errors import BadInputError
from htaflow.model.support.files import write_atomic

_MULTIPLEXERS = {
    "PFUMX": ("BLUT", "ALUT", "C0", "Z"),
    "L6MUX21": ("D0", "D1", "SD", "Z"),
    **{f"MUX2_LUT{size}": ("I0", "I1", "S0", "O") for size in range(5, 9)},
}
"""What 0 and 1 choose, what chooses, and the output."""

_ICE40_FLIP_FLOP = re.compile(r"SB_DFF(?P<falling>N?)(?P<enable>E?)(?P<reset>SR|SS|R|S|)")
_GOWIN_FLIP_FLOP = re.compile(r"DFF(?P<falling>N?)(?P<reset>[RSCP]?)(?P<enable>E?)")
_GOWIN_RESETS = {"R": "RESET", "S": "SET", "C": "CLEAR", "P": "PRESET"}
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
    return netlist_of(read_design(verilog, folder, timeout), "board").simplified()


def read_design(verilog: Path, folder: Path, timeout: float | None = None) -> dict[str, Any]:
    """Return what is in ``verilog`` as Yosys's JSON; it runs in ``folder``."""
    write_atomic(folder / "netlist.v", verilog.read_bytes())
    _READING.run(folder, timeout)
    design: dict[str, Any] = json.loads((folder / "cells.json").read_text())
    return design


def nets_of(design: Mapping[str, Any], module: str, signal: str) -> list[NetName]:
    """Return the nets of a signal's bits, low bit first, as they are called in ``netlist_of``.

    Empty if there is no such signal. What a port of ``module`` drives has the port's name there.
    """
    named = design["modules"][module]["netnames"].get(signal)
    return [] if named is None else [f"N{bit}" for bit in named["bits"]]


def netlist_of(design: Mapping[str, Any], module: str) -> Netlist:
    """Return ``module`` of the flat ``design`` that Yosys wrote as JSON.

    A port of several bits is a port ``NAME[INDEX]`` a bit. Raises ``UnknownCellError``.
    """
    return _Reader(design["modules"][module]).run()


class UnknownCellError(BadInputError):
    """The netlist has a cell that is not understood here."""


class _Reader:
    def __init__(self, module: Mapping[str, Any]) -> None:
        self._module = module
        self._netlist = Netlist()
        self._inputs: dict[int, NetName] = {}

    def run(self) -> Netlist:
        for way in ("input", "output"):  # inputs first: an output may be one of them
            for name, port in self._module["ports"].items():
                if port["direction"] == way:
                    self._add_port(name, way, port["bits"])
        for name, cell in self._module["cells"].items():
            self._add(name, cell)
        return self._netlist

    def _add_port(self, name: str, way: str, bits: list[int | str]) -> None:
        for index, bit in enumerate(bits):
            own = name if len(bits) == 1 else f"{name}[{index}]"
            if way == "output":
                self._netlist.outputs[own] = self._net(bit)
            else:
                self._netlist.inputs.append(own)
                self._inputs[int(bit)] = own

    def _net(self, bit: int | str) -> NetName:
        if isinstance(bit, str):
            return bit if bit in "01" else "0"  # an x may be either
        return self._inputs.get(bit, f"N{bit}")

    def _add(self, name: str, cell: Mapping[str, Any]) -> None:
        kind, parameters = cell["type"], cell["parameters"]
        pins = {
            f"{pin}{index}" if len(bits) > 1 else pin: self._net(bit)
            for pin, bits in cell["connections"].items()
            for index, bit in enumerate(bits)
        }
        tables = self._netlist.tables
        if kind == "SB_LUT4":
            inputs = tuple(pins.get(f"I{place}", "0") for place in range(4))
            tables[pins["O"]] = LookupTable(inputs, int(parameters["LUT_INIT"], 2))
        elif kind == "SB_CARRY":
            inputs = tuple(pins.get(pin, "0") for pin in ("I0", "I1", "CI"))
            tables[pins["CO"]] = LookupTable(inputs, 0b11101000)
        elif found := _ICE40_FLIP_FLOP.fullmatch(kind):
            self._add_ice40_flip_flop(found, pins)
        elif "F" in pins and kind in ("LUT1", "LUT2", "LUT3", "LUT4"):  # Gowin's
            inputs = tuple(pins[f"I{place}"] for place in range(int(kind[-1])))
            tables[pins["F"]] = LookupTable(inputs, int(parameters["INIT"], 2))
        elif kind in ("GND", "VCC"):
            tables[pins[kind[0]]] = LookupTable((), int(kind == "VCC"))
        elif found := _GOWIN_FLIP_FLOP.fullmatch(kind):
            self._add_gowin_flip_flop(found, pins)
        elif kind == "LUT4":
            inputs = tuple(pins.get(pin, "1") for pin in "ABCD")
            tables[pins["Z"]] = LookupTable(inputs, int(parameters["INIT"], 2))
        elif kind in _MULTIPLEXERS:
            *inputs_of, output = _MULTIPLEXERS[kind]
            tables[pins[output]] = LookupTable(tuple(pins[pin] for pin in inputs_of), 0b11001010)
        elif kind == "CCU2C":
            self._add_carry(parameters, pins)
        elif kind == "TRELLIS_FF":
            self._netlist.flip_flops[pins["Q"]] = _flip_flop(name, parameters, pins)
        elif kind == "TRELLIS_DPR16X4":
            self._add_memory(parameters, pins)
        elif kind == "EHXPLLL":
            self._add_pll(parameters, pins)
        elif kind != "$scopeinfo":
            raise UnknownCellError(f"the netlist has a {kind}, {name}, which is not understood")

    def _add_ice40_flip_flop(self, found: re.Match[str], pins: Mapping[str, NetName]) -> None:
        """Add a flip-flop, which starts as 0; a reset at the edge acts only with the enable."""
        kind, data, own = found["reset"], pins["D"], pins["Q"]
        if kind in ("SR", "SS"):
            data = f"{own}_D"
            function = 0b1110 if kind == "SS" else 0b0010
            self._netlist.tables[data] = LookupTable((pins["D"], pins[kind[-1]]), function)
        if kind == "S":
            raise UnknownCellError(f"the netlist has an {found[0]}, which is not understood")
        control = Control(
            clock=pins["C"],
            falling=bool(found["falling"]),
            enable=pins["E"] if found["enable"] else "1",
            reset=pins["R"] if kind == "R" else "0",
            at_once=kind == "R",
        )
        self._netlist.flip_flops[own] = FlipFlop(data, control, 0)

    def _add_gowin_flip_flop(self, found: re.Match[str], pins: Mapping[str, NetName]) -> None:
        kind = found["reset"]
        control = Control(
            clock=pins["CLK"],
            falling=bool(found["falling"]),
            enable=pins["CE"] if found["enable"] else "1",
            reset=pins[_GOWIN_RESETS[kind]] if kind else "0",
            at_once=kind in ("C", "P"),
        )
        self._netlist.flip_flops[pins["Q"]] = FlipFlop(pins["D"], control, int(kind in ("S", "P")))

    def _add_carry(self, parameters: Mapping[str, str], pins: Mapping[str, NetName]) -> None:
        """Add both halves of a carry cell: their sums and the carries out of them."""
        carry, stem = pins.get("CIN", "0"), f"CARRY{len(self._netlist.tables)}"
        for half in (0, 1):
            table = int(parameters[f"INIT{half}"], 2)
            free = parameters.get(f"INJECT1_{half}", "YES") != "YES"
            total = out = 0
            for at in range(32):
                low, carry_in = at & 15, at >> 4
                value, made = table >> low & 1, table >> (low & 3) & 1
                total |= (value ^ (carry_in & free)) << at
                out |= (carry_in if value else made & free) << at
            inputs = (*(pins.get(f"{pin}{half}", "1") for pin in "ABCD"), carry)
            following = f"{stem}_0" if half == 0 else pins.get("COUT", f"{stem}_1")
            if f"S{half}" in pins:
                self._netlist.tables[pins[f"S{half}"]] = LookupTable(inputs, total)
            self._netlist.tables[following] = LookupTable(inputs, out)
            carry = following

    def _add_memory(self, parameters: Mapping[str, str], pins: Mapping[str, NetName]) -> None:
        """Add the four columns of a memory, their addresses in the order of a look-up table."""
        order = (3, 1, 2, 0)
        contents = int(parameters["INITVAL"].replace("x", "0"), 2)
        for column in range(4):
            value = 0
            for at in range(16):
                word = sum((at >> k & 1) << bit for k, bit in enumerate(order))
                value |= (contents >> (4 * word + column) & 1) << at
            if f"DO{column}" in pins:
                self._netlist.memories[pins[f"DO{column}"]] = Memory(
                    read=tuple(pins[f"RAD{bit}"] for bit in order),
                    write=tuple(pins[f"WAD{bit}"] for bit in order),
                    data=pins[f"DI{column}"],
                    control=Control(
                        clock=pins["WCK"],
                        falling=parameters.get("WCKMUX") == "INV",
                        enable=pins["WRE"],
                        enable_low=parameters.get("WREMUX") == "INV",
                    ),
                    value=value,
                )

    def _add_pll(self, parameters: Mapping[str, str], pins: Mapping[str, NetName]) -> None:
        pll = RecoveredPll(
            clock=pins["CLKI"],
            output=pins["CLKOP"],
            lock=pins["LOCK"],
            reference=_number(parameters["CLKI_DIV"]),
            feedback=_number(parameters["CLKFB_DIV"]),
            divisor=_number(parameters["CLKOP_DIV"]),
            phase=_number(parameters["CLKOP_CPHASE"]),
            fed_back=pins["CLKFB"],
            idle=tuple(pins.get(name, "0") for name in PLL_IDLE),
        )
        self._netlist.plls |= {pll.output: pll, pll.lock: pll}


def _flip_flop(name: str, parameters: Mapping[str, str], pins: Mapping[str, NetName]) -> FlipFlop:
    enable, reset = parameters.get("CEMUX", "CE"), parameters.get("LSRMUX", "LSR")
    if parameters.get("LSRMODE", "LSR") != "LSR":
        raise BadInputError(f"flip-flop {name} of the netlist is preset: that is not understood")
    return FlipFlop(
        data=pins["DI"],
        control=Control(
            clock=pins["CLK"],
            falling=parameters.get("CLKMUX", "CLK") == "INV",
            enable=enable if enable in ("0", "1") else pins.get("CE", "1"),
            enable_low=enable == "INV",
            reset=pins.get("LSR", "0"),
            reset_low=reset == "INV" and "LSR" in pins,
            at_once=parameters.get("SRMODE", "LSR_OVER_CE") == "ASYNC",
        ),
        value=int(parameters.get("REGSET", "RESET") == "SET"),
    )


def _number(text: str) -> int:
    """Return a parameter's value, which Yosys writes in binary."""
    return int(text, 2)
