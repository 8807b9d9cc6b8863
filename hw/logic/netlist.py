"""Combinational netlists: the Boolean functions of a layer, and their Verilog.

Layers that compute without state are built as a :class:`Logic`: a list of small truth tables, each
reading nets that come before it. It is plain data, so that a million weights become Verilog in
seconds; streams between them are made by :mod:`htaflow.hw.stream.stage`.

A net is an integer: 0 and 1 are the constants, then come the inputs, then one net a table.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from types import MappingProxyType

import numpy as np
import numpy.typing as npt

from htaflow.hw.logic.constants import BitFacts
from htaflow.hw.logic.target import PORTABLE, Target

Net = int

FALSE: Net = 0
TRUE: Net = 1

MAX_TABLE_INPUTS = 6

# Tables: bit i is the output when the inputs, first input lowest, read as the number i.
AND2, OR2, XOR2 = 0b1000, 0b1110, 0b0110
XOR3, MAJORITY3 = 0x96, 0xE8
MUX = 0xCA  # inputs (a, b, select): select ? b : a
_NOT = 0b01


@dataclass(frozen=True)
class Table:
    """One truth table: ``output = table >> {inputs}``, the first input being the lowest bit."""

    table: int
    inputs: tuple[Net, ...]


@dataclass(frozen=True)
class Instance:
    """One instance of a shared module: outputs are the nets from ``first`` on."""

    module: "Logic"
    inputs: tuple[Net, ...]
    flip: tuple[bool, ...]
    first: Net


Driver = Table | tuple[Instance, int]
"""What makes a net: a table, or an output of a shared module, by its index."""


class Logic:
    """A combinational netlist under construction.

    Parameters:
        name: the Verilog module's name.
        inputs: number of input bits.
        target: what it is made for.
        known: what is known of the inputs; by default nothing.

    Attributes:
        sources: for each input the net to read: the input itself, or a simpler one that always has
            the same value.
        outputs: the nets that leave it; assign the list when the logic is complete.
        names: Verilog names of nets worth reading; the others are numbered.
    """

    def __init__(
        self, name: str, inputs: int, target: Target = PORTABLE, known: BitFacts | None = None
    ) -> None:
        if inputs < 1:
            raise ValueError(f"Logic needs at least one input, not {inputs}")
        if known is not None and len(known.same) != inputs:
            raise ValueError(f"{len(known.same)} bits are known, but there are {inputs} inputs")
        self.name = name
        self.target = target
        self.inputs = range(2, 2 + inputs)
        self.outputs: list[Net] = []
        self.names: dict[Net, str] = {}
        self._drivers: dict[Net, Driver] = {}
        self._blocks: list[Instance] = []
        self._nets: dict[Table, Net] = {}
        self._cells: set[Net] = set()
        self._next = 2 + inputs
        self.sources: list[Net] = list(self.inputs)
        for index in known.simpler if known is not None else ():
            assert known is not None
            same = known.same[index]
            net = FALSE if same < 0 else self.inputs[same]
            self.sources[index] = self.invert(net) if known.flip[index] else net

    @property
    def blocks(self) -> list[Instance]:
        """The shared modules it instantiates."""
        return list(self._blocks)

    @property
    def drivers(self) -> Mapping[Net, Driver]:
        """What makes each net; every net comes after those that it reads."""
        return MappingProxyType(self._drivers)

    @property
    def table_count(self) -> int:
        """Number of truth tables, shared modules not counted."""
        return len(self._nets)

    def table(self, table: int, inputs: Sequence[Net]) -> Net:
        """Return the net of a truth table, simplified and shared with an equal one."""
        if len(inputs) > MAX_TABLE_INPUTS:
            raise ValueError(f"a table has at most {MAX_TABLE_INPUTS} inputs, not {len(inputs)}")
        kept: list[Net] = []
        for position, source in enumerate(inputs):
            at = len(kept)
            count = at + len(inputs) - position
            net, table = self._absorb_inverter(source, table, count, at)
            if net <= TRUE:
                table = _cofactor(table, count, at, net)
            elif net in kept:
                table = _merge(table, count, kept.index(net), at)
            else:
                kept.append(net)
        # Now drop the inputs that the table does not depend on.
        for at in reversed(range(len(kept))):
            if not (table ^ table >> (1 << at)) & _low_mask(len(kept), at):
                table = _cofactor(table, len(kept), at, 0)
                del kept[at]
        if not kept:
            return TRUE if table & 1 else FALSE
        if sorted(kept) != kept:  # equal tables must look equal
            order = sorted(range(len(kept)), key=kept.__getitem__)
            table = _reorder(table, order)
            kept = [kept[at] for at in order]
        if len(kept) == 1 and table == 0b10:
            return kept[0]
        return self.add(table, tuple(kept))

    def cell(self, table: int, inputs: Sequence[Net]) -> Net:
        """Return the net of a truth table that synthesis must leave as one look-up table.

        Portable Verilog has no such cells; there it is a table like any other.
        """
        net = self.table(table, inputs)
        driver = self._drivers.get(net)
        if self.target.cell and isinstance(driver, Table) and len(driver.inputs) > 1:
            self._cells.add(net)
        return net

    def literal(self, net: Net) -> tuple[Net, bool]:
        """Return ``net`` as (another net, whether it is inverted), looking through an inverter."""
        driver = self._drivers.get(net)
        if isinstance(driver, Table) and driver.table == _NOT and len(driver.inputs) == 1:
            return driver.inputs[0], True
        return (FALSE, True) if net == TRUE else (net, False)

    def known_outputs(self) -> BitFacts:
        """Return which outputs are constant, or equal to an earlier one or its complement."""
        same: list[int] = []
        flip: list[bool] = []
        first: dict[Net | Table, tuple[int, bool]] = {FALSE: (-1, False)}
        for index, net in enumerate(self.outputs):
            base, inverted = self.literal(net)
            driver = self._drivers.get(base)
            key: Net | Table = base
            if isinstance(driver, Table):
                # Of a table and its complement the one that is 0 for all inputs 0 stands for both.
                key = driver
                if driver.table & 1:
                    key = Table(
                        driver.table ^ ((1 << (1 << len(driver.inputs))) - 1), driver.inputs
                    )
                    inverted = not inverted
            where, was_inverted = first.setdefault(key, (index, inverted))
            same.append(where)
            flip.append(inverted != was_inverted)
        return BitFacts(same, flip)

    def _absorb_inverter(self, net: Net, table: int, count: int, at: int) -> tuple[Net, int]:
        """Return what drives input ``at``, looking through an inverter, and the table to match."""
        driver = self._drivers.get(net)
        if isinstance(driver, Table) and driver.table == _NOT and len(driver.inputs) == 1:
            return driver.inputs[0], _swap_halves(table, count, at)
        return net, table

    def add(self, table: int, inputs: tuple[Net, ...]) -> Net:
        """Return the net of a table known to be in its simplest form: no constant, idle input."""
        key = Table(table, inputs)
        net = self._nets.get(key)
        if net is None:
            net = self._nets[key] = self._next
            self._drivers[net] = key
            self._next += 1
        return net

    def invert(self, net: Net) -> Net:
        """Return NOT ``net``."""
        return self.table(_NOT, [net])

    def name_bit(self, name: str, net: Net) -> None:
        """Name ``net``, unless it is a constant, an input or has a name already."""
        if net in self._drivers:
            self.names.setdefault(net, name)

    def name_number(self, name: str, number: Sequence[Net]) -> None:
        """Name the nets of ``number`` after it: ``NAME_b0`` is the low bit."""
        for bit, net in enumerate(number):
            self.name_bit(f"{name}_b{bit}", net)

    def block(self, module: "Logic", inputs: Sequence[Net], flip: Sequence[bool]) -> list[Net]:
        """Instantiate ``module`` on ``inputs``, each inverted where ``flip`` says so."""
        block = Instance(module, tuple(inputs), tuple(flip), self._next)
        self._blocks.append(block)
        nets = list(range(self._next, self._next + len(module.outputs)))
        for index, net in enumerate(nets):
            self._drivers[net] = (block, index)
        self._next += len(nets)
        return nets

    def evaluate(self, bits: npt.NDArray[np.bool_]) -> npt.NDArray[np.bool_]:
        """Compute the outputs ``[frames, outputs]`` of input bits ``[frames, inputs]``."""
        if bits.ndim != 2 or bits.shape[1] != len(self.inputs):
            raise ValueError(f"bits must be [frames, {len(self.inputs)}], not {bits.shape}")
        values: dict[Net, npt.NDArray[np.bool_]] = {
            FALSE: np.zeros(len(bits), np.bool_),
            TRUE: np.ones(len(bits), np.bool_),
        }
        values.update(zip(self.inputs, bits.T, strict=True))
        for net, driver in self._drivers.items():
            if isinstance(driver, Table):
                index = np.zeros(len(bits), np.uint64)
                for position, source in enumerate(driver.inputs):
                    index |= values[source].astype(np.uint64) << np.uint64(position)
                values[net] = (np.uint64(driver.table) >> index & np.uint64(1)).astype(np.bool_)
            elif driver[1] == 0:
                block = driver[0]
                fed = np.stack([values[source] for source in block.inputs], axis=1)
                result = block.module.evaluate(fed ^ np.array(block.flip))
                for offset, column in enumerate(result.T):
                    values[block.first + offset] = column
        return np.stack([values[net] for net in self.outputs], axis=1)

    def verilog(self, *, registered: bool = False) -> str:
        """Return the Verilog of this module alone: ``module NAME(input x, output y)``.

        With a register, ``y`` holds what is computed from the clock edge at which ``enable`` is 1;
        it starts as 0 and has no reset.
        """
        lines = [
            f"module {self.name}(",
            *(["  input wire clk,", "  input wire enable,"] if registered else []),
            f"  input wire [{len(self.inputs) - 1}:0] x,",
            f"  output {'reg' if registered else 'wire'} [{len(self.outputs) - 1}:0] y",
            ");",
        ]
        live = self._live()
        names = {FALSE: "1'b0", TRUE: "1'b1"}
        names.update({net: f"x[{index}]" for index, net in enumerate(self.inputs)})
        constants: set[str] = set()
        for net, driver in self._drivers.items():
            if net not in live:
                continue
            if isinstance(driver, Table):
                names[net] = name = self.names.get(net, f"t{net}")
                if net in self._cells:
                    operands = [names[source] for source in driver.inputs]
                    lines.append(f"  wire {name};")
                    lines.append(self.target.instance(f"{name}_lut", driver.table, operands, name))
                    continue
                expression = _expression(driver, names)
                if expression is None:
                    index = ", ".join(names[source] for source in reversed(driver.inputs))
                    constant, value = _constant(driver)
                    if not self.target.selects:
                        expression = f"{value} >> {{{index}}}"
                    else:
                        expression = f"{constant}[{{{index}}}]"
                        if constant not in constants:
                            constants.add(constant)
                            last = (1 << len(driver.inputs)) - 1
                            lines.append(f"  localparam [{last}:0] {constant} = {value};")
                lines.append(f"  wire {name} = {expression};")
            elif driver[1] == 0:
                lines += self._block_verilog(driver[0], names)
        ordered = ", ".join(names[net] for net in reversed(self.outputs))
        if registered:
            # The nets go straight into one register: a simulator then puts the word together once
            # a clock, not once a change, and passes it on in one event.
            lines += [
                "  initial y = 0;",
                "  always @(posedge clk)",
                "    if (enable)",
                f"      y <= {{{ordered}}};",
            ]
        else:
            lines.append(f"  assign y = {{{ordered}}};")
        lines += ["endmodule", ""]
        return "\n".join(lines)

    def modules(self, *, registered: bool = False) -> dict[str, str]:
        """Return the Verilog of this module and of all it instantiates, by module name.

        ``registered`` is about this module; those that it instantiates have no register.
        """
        found = {self.name: self.verilog(registered=registered)}
        for block in self._blocks:
            if block.module.name not in found:
                found |= block.module.modules()
        if self._cells:
            found |= self.target.models()
        return found

    def live_drivers(self) -> Iterator[tuple[Net, Driver]]:
        """Yield each net that some output depends on, and its driver.

        Every net comes after those that it reads.
        """
        live = self._live()
        return ((net, driver) for net, driver in self._drivers.items() if net in live)

    def is_cell(self, net: Net) -> bool:
        """Return whether ``net`` is a table that synthesis must leave as one look-up table."""
        return net in self._cells

    def _live(self) -> set[Net]:
        """Return the nets that some output depends on."""
        live: set[Net] = set()
        stack = list(self.outputs)
        while stack:
            net = stack.pop()
            if net in live:
                continue
            live.add(net)
            driver = self._drivers.get(net)
            if isinstance(driver, Table):
                stack += driver.inputs
            elif driver is not None:
                block = driver[0]
                stack += block.inputs
                # All outputs at once: a wide block is looked at once, not once an output.
                live.update(range(block.first, block.first + len(block.module.outputs)))
        return live

    def _block_verilog(self, block: Instance, names: dict[Net, str]) -> list[str]:
        width = len(block.module.outputs)
        name = self.names.get(block.first, f"b{block.first}")
        for offset in range(width):
            names[block.first + offset] = f"{name}[{offset}]"
        flips = np.packbits(np.array(block.flip, np.bool_), bitorder="little")
        mask = int.from_bytes(flips.tobytes(), "little")
        if block.inputs == tuple(self.inputs):
            fed = "x"
        else:
            fed = f"{{{', '.join(names[net] for net in reversed(block.inputs))}}}"
        fed = f"{fed} ^ {len(block.flip)}'h{mask:x}" if mask else fed
        return [
            f"  wire [{width - 1}:0] {name};",
            f"  {block.module.name} {name}_count(.x({fed}), .y({name}));",
        ]


def _constant(driver: Table) -> tuple[str, str]:
    """Return a name for the constant that a table is, ``lutINPUTS_TABLE``, and its Verilog."""
    inputs = len(driver.inputs)
    return f"lut{inputs}_{driver.table:x}", f"{1 << inputs}'h{driver.table:x}"


def _expression(driver: Table, names: dict[Net, str]) -> str | None:
    """Return a table as a Verilog expression if it is an operator, otherwise None."""
    operands = [names[net] for net in driver.inputs]
    if driver.table == _NOT and len(operands) == 1:
        return f"~{operands[0]}"
    operator = _OPERATORS.get((driver.table, len(operands)))
    if operator:
        return operator.join(operands)
    if driver.table == MUX and len(operands) == 3:
        return f"{operands[2]} ? {operands[1]} : {operands[0]}"
    if driver.table == MAJORITY3 and len(operands) == 3:
        a, b, c = operands
        return f"({a} & {b}) | ({c} & ({a} | {b}))"
    return None


_OPERATORS = {
    (AND2, 2): " & ",
    (OR2, 2): " | ",
    (XOR2, 2): " ^ ",
    (0x80, 3): " & ",
    (0xFE, 3): " | ",
    (XOR3, 3): " ^ ",
}


@cache
def _low_mask(count: int, at: int) -> int:
    """Return the mask of the table entries of ``count`` inputs in which input ``at`` is 0."""
    return sum(1 << index for index in range(1 << count) if not index >> at & 1)


@cache
def _cofactor_masks(count: int, at: int) -> list[tuple[int, int]]:
    """Return the (shift, mask) steps that close the gaps between entries with input ``at`` 0."""
    entries = [index for index in range(1 << count) if not index >> at & 1]
    steps = []
    for above in range(at, count - 1):
        # Runs of 1 << above entries lie twice as far apart as they should: move every other down.
        shift = 1 << above
        entries = [e - shift if e >> (above + 1) & 1 else e for e in entries]
        steps.append((shift, sum(1 << e for e in entries)))
    return steps


def _cofactor(table: int, count: int, at: int, value: int) -> int:
    """Return the table of ``count - 1`` inputs that is left when input ``at`` is ``value``."""
    table = table >> (value << at) & _low_mask(count, at)
    for shift, mask in _cofactor_masks(count, at):
        table = (table | table >> shift) & mask
    return table


def _swap_halves(table: int, count: int, at: int) -> int:
    """Return the table with input ``at`` inverted."""
    low = _low_mask(count, at)
    return (table & low) << (1 << at) | (table >> (1 << at)) & low


def _merge(table: int, count: int, first: int, second: int) -> int:
    """Return the table of ``count - 1`` inputs that is left when two inputs are the same net."""
    first_is_0 = _low_mask(count - 1, first)
    both_0, both_1 = (_cofactor(table, count, second, value) for value in (0, 1))
    return both_0 & first_is_0 | both_1 & first_is_0 << (1 << first)


def _reorder(table: int, order: Sequence[int]) -> int:
    """Return the table whose input k is input ``order[k]`` of ``table``."""
    result = 0
    for index in range(1 << len(order)):
        old = sum((index >> k & 1) << at for k, at in enumerate(order))
        result |= (table >> old & 1) << index
    return result
