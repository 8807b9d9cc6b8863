"""The cells of a netlist as plain Verilog, ready to be put in order.

What each cell does is in Yosys's simulation models; a test compares the two on every input. Cells
that are not here (memories, multipliers) are left to those models.
"""

import re
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from htaflow.flows.levelise import Gate, Update, combinational, registers

_LUTS = {
    "SB_LUT4": ("LUT_INIT", ("I0", "I1", "I2", "I3"), "O"),
    "LUT4": ("INIT", ("A", "B", "C", "D"), "Z"),
}
_GOWIN_LUTS = {f"LUT{size}": ("INIT", ("I0", "I1", "I2", "I3")[:size], "F") for size in range(1, 5)}
_MUXES = {
    "PFUMX": ("BLUT", "ALUT", "C0", "Z"),
    "L6MUX21": ("D0", "D1", "SD", "Z"),
    **{f"MUX2_LUT{size}": ("I0", "I1", "S0", "O") for size in range(5, 9)},
}
"""Inputs that a 0 and a 1 choose, what chooses, and the output."""

_CONSTANTS = {"GND": ("G", "1'b0"), "VCC": ("V", "1'b1")}
_ICE40_FF = re.compile(r"SB_DFF(?P<n>N?)(?P<e>E?)(?P<sr>SR|SS|R|S|)")
_GOWIN_FF = re.compile(r"DFF(?P<n>N?)(?P<sr>[RSCP]?)(?P<e>E?)")
_GOWIN_RESETS = {"R": "RESET", "S": "SET", "C": "CLEAR", "P": "PRESET", "": ""}


class UnknownCellError(Exception):
    """A cell that is not understood here."""


class FlipFlop(NamedTuple):
    """A flip-flop: nets and levels as Verilog; ``reset`` and ``enable`` may be absent."""

    q: str
    d: str
    when: str
    initial: int
    enable: str = ""
    reset: str = ""
    value: int = 0
    asynchronous: bool = False
    reset_first: bool = True  # whether a reset acts without the enable

    @property
    def update(self) -> Update:
        """What it does with an edge."""
        if not self.reset:
            return Update(self.when, self.enable, f"{self.q} <= {self.d};")
        chosen = f"{self.reset} ? 1'b{self.value} : "
        if self.asynchronous:
            kept = f"{self.enable} ? {self.d} : {self.q}" if self.enable else self.d
            when = f"{self.when} or posedge {self.reset}"
            return Update(when, "", f"{self.q} <= {chosen}{kept};")
        condition = self.enable
        if self.enable and self.reset_first:
            condition = f"{self.reset} | {self.enable}"
        return Update(self.when, condition, f"{self.q} <= {chosen}{self.d};")


class _Cell:
    """One cell of Yosys's JSON, its ports as Verilog."""

    def __init__(self, cell: Mapping[str, Any], names: Mapping[int | str, str]) -> None:
        self.kind: str = cell["type"]
        self._parameters: Mapping[str, str] = cell["parameters"]
        self._connections: Mapping[str, list[int | str]] = cell["connections"]
        self._names = names

    def net(self, port: str, idle: str = "1'b0") -> str:
        """Return what ``port``, of one bit, is connected to."""
        bits = self._connections.get(port)
        return idle if not bits else self._names[bits[0]]

    def number(self, parameter: str) -> int:
        """Return a parameter that is a binary number."""
        return int(self._parameters[parameter], 2)

    def text(self, parameter: str, default: str) -> str:
        """Return a parameter that is text."""
        return self._parameters.get(parameter, default).strip()

    def has(self, port: str) -> bool:
        """Whether ``port`` is connected."""
        return bool(self._connections.get(port))


def simulable(netlist: Mapping[str, Any], top: str) -> str:
    """Return fast Verilog, module ``top``, of a flat netlist that Yosys wrote as JSON.

    Raises ``UnknownCellError`` for a cell that is not known here, ``BadInputError`` if the logic is
    a loop.
    """
    module = netlist["modules"][top]
    names: dict[int | str, str] = {"0": "1'b0", "1": "1'b1", "x": "1'bx", "z": "1'bz"}
    ports, outputs = [], []
    for name, port in module["ports"].items():
        width = len(port["bits"])
        span = "" if width == 1 else f"[{width - 1}:0] "
        ports.append(f"{port['direction']} wire {span}{name}")
        if port["direction"] == "input":
            for index, bit in enumerate(port["bits"]):
                names[bit] = name if width == 1 else f"{name}[{index}]"
        else:
            outputs.append((name, port["bits"]))
    for cell in module["cells"].values():
        for bits in cell["connections"].values():
            for bit in bits:
                names.setdefault(bit, f"n{bit}")
    gates: list[Gate] = []
    flip_flops: list[FlipFlop] = []
    tables: dict[int, str] = {}
    for cell in module["cells"].values():
        if cell["type"] == "$scopeinfo":  # a note of Yosys's, no cell
            continue
        part = _Cell(cell, names)
        flip_flop = _flip_flop(part)
        if flip_flop is not None:
            flip_flops.append(flip_flop)
        else:
            gates += _gates(part, tables)
    assigned = [
        f"assign {name} = {{{', '.join(names.get(bit, f'n{bit}') for bit in reversed(bits))}}};"
        for name, bits in outputs
    ]
    lines = [
        f"module {top} (",
        *(f"  {port}," for port in ports[:-1]),
        f"  {ports[-1]}",
        ");",
        *(f"localparam [15:0] {name} = 16'h{table:04x};" for table, name in tables.items()),
        *(f"reg {gate.net};" for gate in gates),
        *(f"reg {each.q} = 1'b{each.initial};" for each in flip_flops),
        *assigned,
        *combinational(gates),
        *registers(each.update for each in flip_flops),
        "endmodule",
    ]
    return "".join(f"{line}\n" for line in lines)


def _gates(cell: _Cell, tables: dict[int, str]) -> Iterator[Gate]:
    """Yield what a combinational cell computes; ``tables`` names the tables of its look-ups."""

    def look_up(net: str, table: int, inputs: list[str]) -> Gate:
        wide = table
        for have in range(len(inputs), 4):
            wide |= wide << (1 << have)
        index = ["1'b0"] * (4 - len(inputs)) + inputs[::-1]
        name = tables.setdefault(wide, f"T{wide:04x}")
        used = tuple(each for each in inputs if not each.startswith("1'b"))
        return Gate(net, f"{name}[{{{', '.join(index)}}}]", used)

    # A LUT4 is Lattice's; Gowin's has other pins.
    gowin = cell.kind in _GOWIN_LUTS and (cell.kind != "LUT4" or cell.has("F"))
    if gowin or cell.kind in _LUTS:
        parameter, pins, output = (_GOWIN_LUTS if gowin else _LUTS)[cell.kind]
        yield look_up(cell.net(output), cell.number(parameter), [cell.net(pin) for pin in pins])
    elif cell.kind in _MUXES:
        *choices, select, output = _MUXES[cell.kind]
        zero, one, select = (cell.net(port) for port in (*choices, select))
        yield Gate(cell.net(output), f"{select} ? {one} : {zero}", (zero, one, select))
    elif cell.kind == "SB_CARRY":
        a, b, carry = (cell.net(port) for port in ("I0", "I1", "CI"))
        yield Gate(cell.net("CO"), f"({a} & {b}) | (({a} | {b}) & {carry})", (a, b, carry))
    elif cell.kind == "CCU2C":
        yield from _carry_pair(cell, look_up)
    elif cell.kind in _CONSTANTS:
        port, value = _CONSTANTS[cell.kind]
        yield Gate(cell.net(port), value, ())
    else:
        raise UnknownCellError(cell.kind)


def _carry_pair(cell: _Cell, look_up: Any) -> Iterator[Gate]:
    """Yield the two bits of an ECP5's adder."""
    carry = cell.net("CIN")
    for half in "01":
        inputs = [cell.net(f"{pin}{half}") for pin in "ABCD"]
        table, out = cell.number(f"INIT{half}"), cell.net(f"S{half}", "")
        stem = (out or cell.net("COUT")) + f"_{half}"
        injected = cell.text(f"INJECT1_{half}", "YES") == "YES"
        yield look_up(f"{stem}a", table, inputs)
        yield look_up(f"{stem}b", table & 15, inputs[:2])
        into, generated = ("1'b0", "1'b0") if injected else (carry, f"{stem}b")
        if out:
            yield Gate(out, f"{stem}a ^ {into}", (f"{stem}a", into))
        following = cell.net("COUT", "") if half == "1" else f"{stem}c"
        if following:
            expression = f"{stem}a ? {carry} : {generated}"
            yield Gate(following, expression, (f"{stem}a", carry, generated))
        carry = following


def _flip_flop(cell: _Cell) -> FlipFlop | None:
    """Return the flip-flop that ``cell`` is, or ``None``."""
    if found := _ICE40_FF.fullmatch(cell.kind):
        reset = found["sr"]
        return FlipFlop(
            q=cell.net("Q"),
            d=cell.net("D"),
            when=f"{'negedge' if found['n'] else 'posedge'} {cell.net('C')}",
            initial=0,
            enable=cell.net("E") if found["e"] else "",
            reset=cell.net(reset[-1]) if reset else "",
            value=int("SS" in reset or reset == "S"),
            asynchronous=len(reset) == 1,
            reset_first=False,
        )
    if cell.kind == "TRELLIS_FF":
        return _trellis(cell)
    if (found := _GOWIN_FF.fullmatch(cell.kind)) and cell.has("CLK"):
        reset = found["sr"]
        return FlipFlop(
            q=cell.net("Q"),
            d=cell.net("D"),
            when=f"{'negedge' if found['n'] else 'posedge'} {cell.net('CLK')}",
            initial=int(reset in ("S", "P")),
            enable=cell.net("CE") if found["e"] else "",
            reset=cell.net(_GOWIN_RESETS[reset]) if reset else "",
            value=int(reset in ("S", "P")),
            asynchronous=reset in ("C", "P"),
        )
    return None


def _trellis(cell: _Cell) -> FlipFlop:
    enables = {"CE": cell.net("CE"), "INV": f"~{cell.net('CE')}", "1": "", "0": "1'b0"}
    reset = cell.net("LSR")
    if cell.text("LSRMUX", "LSR") == "INV":
        reset = f"~{reset}"
    value = int(cell.text("REGSET", "RESET") == "SET")
    if cell.text("LSRMODE", "LSR") != "LSR":
        raise UnknownCellError("TRELLIS_FF with LSRMODE PRLD")
    return FlipFlop(
        q=cell.net("Q"),
        d=cell.net("DI"),
        when=f"{'negedge' if cell.text('CLKMUX', 'CLK') == 'INV' else 'posedge'} {cell.net('CLK')}",
        initial=value,
        enable=enables[cell.text("CEMUX", "CE")],
        reset="" if reset == "1'b0" else reset,
        value=value,
        asynchronous=cell.text("SRMODE", "LSR_OVER_CE") == "ASYNC",
    )
