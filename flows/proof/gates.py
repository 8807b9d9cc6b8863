"""A design as simple gates and flip-flops: what Yosys makes of Verilog, read into Python.

Yosys reads the very text that is simulated and synthesised, replaces processes, hierarchy, memories
and operators by single-bit gates, and optimises nothing away. Signals keep their names, a module's
after its instance's: ``core.layers.hidden1__output__payload``.
"""

import json
import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import Any, NamedTuple, Protocol

from htaflow.flows.tools.tools import find_tool, run_tool
from htaflow.model.support.errors import HtaflowError
from htaflow.model.support.files import write_atomic

Bit = int
"""A wire. 0 and 1 are the constants; those below 0 have values that nothing defines."""

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
_XILINX = {f"LUT{size}": ("INIT", [f"I{pin}" for pin in range(size)], "O") for size in range(2, 7)}
_LOOKUPS = {
    "": {},
    "portable": {},
    "xilinx": _XILINX,
    "ice40": {"SB_LUT4": ("LUT_INIT", ["I0", "I1", "I2", "I3"], "O")},
    "ecp5": {"LUT4": ("INIT", ["A", "B", "C", "D"], "Z")},
}
"""Look-up tables of a family: the parameter that is the table, inputs (low bit first), output."""

_SELECT = "select"
"""A gate whose first inputs are its candidates, 2**k of them, and the last k say which one."""


class GateError(HtaflowError):
    """A design holds something that is no gate and no flip-flop on a rising edge."""

    exit_code = 1


class Algebra(Protocol):
    """What gates can be evaluated in: false is 0."""

    true: int

    def conj(self, f: int, g: int, /) -> int:
        """Return ``f and g``."""

    def xor(self, f: int, g: int, /) -> int:
        """Return ``f != g``."""

    def invert(self, f: int, /) -> int:
        """Return ``not f``."""

    def mux(self, select: int, low: int, high: int, /) -> int:
        """Return ``high if select else low``."""


class Words:
    """As many independent bits as a mask has, evaluated at once: for simulation."""

    def __init__(self, width: int) -> None:
        self.true = (1 << width) - 1

    def conj(self, f: int, g: int) -> int:
        """Return ``f and g``."""
        return f & g

    def xor(self, f: int, g: int) -> int:
        """Return ``f != g``."""
        return f ^ g

    def invert(self, f: int) -> int:
        """Return ``not f``."""
        return f ^ self.true

    def mux(self, select: int, low: int, high: int) -> int:
        """Return ``high if select else low``."""
        return low ^ select & (low ^ high)


@dataclass(frozen=True)
class Flop:
    """A flip-flop: what it takes at a rising edge of ``clock``, and what it starts as, if known."""

    data: Bit
    clock: Bit
    init: int | None


class Box(NamedTuple):
    """A cell that is not looked into: its type, what it is fed, what it drives, its parameters."""

    kind: str
    inputs: Mapping[str, list[Bit]]
    outputs: Mapping[str, list[Bit]]
    settings: Mapping[str, str]


@dataclass(frozen=True)
class Gates:
    """A flat design.

    Attributes:
        gates: what drives a bit: the gate's type and inputs.
        flops: flip-flops by the bit they drive.
        boxes: cells that stay closed, such as a PLL, by name.
        signals: bits of each named signal, low bit first.
        inputs, outputs: bits of the ports.
    """

    gates: Mapping[Bit, tuple[str, tuple[Bit, ...]]]
    flops: Mapping[Bit, Flop]
    boxes: Mapping[str, Box]
    signals: Mapping[str, list[Bit]]
    inputs: Mapping[str, list[Bit]]
    outputs: Mapping[str, list[Bit]]

    def evaluate(
        self,
        algebra: Algebra,
        roots: Iterable[Bit],
        values: dict[Bit, int],
        other: Callable[[Bit], int],
    ) -> list[int]:
        """Return the values of ``roots`` in ``algebra``.

        ``values`` gives those of some bits and receives those of all bits on the way; ``other`` is
        asked for each bit that no gate drives and that ``values`` lacks. Raises ``GateError`` if
        gates form a loop.
        """
        values[0], values[1] = 0, algebra.true
        roots = list(roots)
        for root in roots:
            stack = [root]
            waiting: set[Bit] = set()
            while stack:
                bit = stack[-1]
                if bit in values:
                    stack.pop()
                    continue
                gate = self.gates.get(bit)
                if gate is None:
                    values[bit] = other(bit)
                    continue
                kind, inputs = gate
                if kind == "$_MUX_" and values.get(inputs[2]) in (0, algebra.true):
                    # What is not chosen need not be looked at: it may be a register's own value.
                    inputs = (inputs[1 if values[inputs[2]] else 0],)
                    kind = "$_BUF_"
                missing = [source for source in inputs if source not in values]
                if kind == "$_MUX_" and inputs[2] in missing:
                    missing = [inputs[2]]
                if not missing:
                    values[bit] = _apply(algebra, kind, [values[source] for source in inputs])
                elif bit in waiting and not waiting.isdisjoint(missing):
                    raise GateError(f"its gates form a loop at {self.name_of(bit)}")
                else:
                    waiting.add(bit)
                    stack += missing
        return [values[root] for root in roots]

    def name_of(self, bit: Bit) -> str:
        """Return the shortest name of ``bit``."""
        found = [
            f"{name}[{bits.index(bit)}]" if len(bits) > 1 else name
            for name, bits in self.signals.items()
            if bit in bits
        ]
        return min(found, key=len, default=f"bit {bit}")


def _apply(algebra: Algebra, kind: str, fed: list[int]) -> int:
    """Return the value of one gate."""
    a, b = fed[0], fed[-1]
    invert = algebra.invert
    match kind:
        case "$_BUF_":
            return a
        case "$_NOT_":
            return invert(a)
        case "$_AND_":
            return algebra.conj(a, b)
        case "$_NAND_":
            return invert(algebra.conj(a, b))
        case "$_OR_":
            return invert(algebra.conj(invert(a), invert(b)))
        case "$_NOR_":
            return algebra.conj(invert(a), invert(b))
        case "$_XOR_":
            return algebra.xor(a, b)
        case "$_XNOR_":
            return invert(algebra.xor(a, b))
        case "$_ANDNOT_":
            return algebra.conj(a, invert(b))
        case "$_ORNOT_":
            return invert(algebra.conj(invert(a), b))
        case "$_MUX_":
            return algebra.mux(fed[2], a, fed[1])
        case _:
            return _select(algebra, fed)


def _select(algebra: Algebra, fed: list[int]) -> int:
    """Return the candidate that the last inputs, the lowest bit first, choose."""
    index_bits = len(fed).bit_length() - 1
    candidates, index = fed[:-index_bits], fed[-index_bits:]
    for select in index:
        candidates = [
            low if low == high else algebra.mux(select, low, high)
            for low, high in zip(candidates[::2], candidates[1::2], strict=True)
        ]
    return candidates[0]


def read_gates(text: str, top: str, family: str = "", timeout: float | None = None) -> Gates:
    """Return the design ``top`` in Verilog ``text`` as gates.

    ``family`` is that of the cells in it, a target's name. Look-up tables are what they are; of a
    PLL nothing is looked into; other cells are what Yosys's models say. Raises ``ToolError`` if
    Yosys fails, and ``GateError`` if something is left that is no gate.
    """
    if family not in _LOOKUPS:
        raise GateError(f"the cells of {family} are not known here")
    models = f"+/{family}/cells_sim.v"
    script = [
        # Each is read when it is needed: models of memories that no design has take half a minute.
        f"read_verilog -DNO_INCLUDES -defer {models}" if family in ("ice40", "ecp5") else "",
        "read_verilog -lib +/ecp5/cells_bb.v" if family == "ecp5" else "",  # a PLL, closed
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
    with tempfile.TemporaryDirectory(prefix="htaflow-") as name:
        folder = Path(name)
        write_atomic(folder / "design.v", text)
        write_atomic(folder / "closed.v", _closed(family))
        write_atomic(folder / "gates.ys", "".join(f"{line}\n" for line in script))
        run_tool(
            find_tool("yosys"),
            ("-q", "-s", "gates.ys"),
            folder=folder,
            log="yosys.log",
            outputs=("gates.json",),
            timeout=timeout,
        )
        design = json.loads((folder / "gates.json").read_text())
    return _read(design["modules"][top], _LOOKUPS[family])


def _closed(family: str) -> str:
    """Return the ports of the cells that are not opened, as Verilog."""
    lines = [
        f"(* blackbox *) module {name}(input {', '.join(pins)}, output {out}); "
        f"parameter {parameter} = 0; endmodule\n"
        for name, (parameter, pins, out) in _LOOKUPS[family].items()
    ]
    return "".join(lines)


def _selections(
    kind: str, wires: Mapping[str, list[Bit]], undefined: Callable[[], Bit]
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
        yield out, (_SELECT, (*candidates, *index))


MOST_INDEX_BITS = 16


Lookup = tuple[str, list[str], str]


def _read(module: Mapping[str, Any], lookups: Mapping[str, Lookup]) -> Gates:
    """Return a module of Yosys's JSON."""
    loose = count(-1, -1)

    def undefined() -> Bit:
        return next(loose)

    def bits(connection: Iterable[int | str]) -> list[Bit]:
        return [
            bit if isinstance(bit, int) else int(bit) if bit in "01" else undefined()
            for bit in connection
        ]

    starts: dict[Bit, int] = {}
    for net in module["netnames"].values():
        word = str(net["attributes"].get("init", ""))
        for bit, value in zip(bits(net["bits"]), reversed(word), strict=False):
            if value in "01":
                starts[bit] = int(value)
    gates: dict[Bit, tuple[str, tuple[Bit, ...]]] = {}
    flops: dict[Bit, Flop] = {}
    boxes: dict[str, Box] = {}
    for name, cell in module["cells"].items():
        kind = str(cell["type"])
        wires = {port: bits(connection) for port, connection in cell["connections"].items()}
        if kind in _GATES:
            gates[wires["Y"][0]] = kind, tuple(wires[port][0] for port in _GATES[kind])
        elif kind == "$_DFF_P_":
            out = wires["Q"][0]
            flops[out] = Flop(wires["D"][0], wires["C"][0], starts.get(out))
        elif kind in ("$shiftx", "$shr", "$bmux"):
            gates.update(_selections(kind, wires, undefined))
        elif kind in lookups:
            parameter, pins, port = lookups[kind]
            table = int(cell["parameters"][parameter], 2)
            candidates = (table >> index & 1 for index in range(1 << len(pins)))
            # An open input may be anything.
            index = (wires[pin][0] if wires.get(pin) else undefined() for pin in pins)
            gates[wires[port][0]] = _SELECT, (*candidates, *index)
        elif kind == "$scopeinfo":
            continue
        elif kind.startswith("$"):
            raise GateError(f"cell {name} of type {kind} is neither a gate nor a plain flip-flop")
        else:
            directions = cell["port_directions"]
            fed = {port: wires[port] for port in wires if directions[port] == "input"}
            made = {port: wires[port] for port in wires if directions[port] == "output"}
            settings = {key: str(value) for key, value in cell["parameters"].items()}
            boxes[name] = Box(kind, fed, made, settings)
    ports = {
        kind: {
            name: bits(port["bits"])
            for name, port in module["ports"].items()
            if port["direction"] == kind
        }
        for kind in ("input", "output")
    }
    signals = {name: bits(net["bits"]) for name, net in module["netnames"].items()}
    return Gates(gates, flops, boxes, signals, ports["input"], ports["output"])
