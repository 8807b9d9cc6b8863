"""Netlists as Verilog: one module for each, ``module NAME(input x, output y)``."""

from collections.abc import Sequence

import numpy as np

from htaflow.hw.logic.netlist import FALSE, TRUE, Instance, Logic, Net, Table
from htaflow.hw.logic.truth_table import AND2, AND3, MAJORITY3, MUX, NOT, OR2, OR3, XOR2, XOR3


def module_verilog(logic: Logic, *, registered: bool = False) -> str:
    """Return the Verilog of ``logic`` alone, without the modules that it instantiates.

    With a register, ``y`` holds what is computed from the clock edge at which ``enable`` is 1;
    it starts as 0 and has no reset.
    """
    body = _Body(logic)
    lines = [
        f"module {logic.name}(",
        *(["  input wire clk,", "  input wire enable,"] if registered else []),
        f"  input wire [{len(logic.inputs) - 1}:0] x,",
        f"  output {'reg' if registered else 'wire'} [{len(logic.outputs) - 1}:0] y",
        ");",
        *body.lines,
    ]
    result = body.word(logic.outputs)
    if registered:
        # The nets go straight into one register: a simulator then puts the word together once
        # a clock, not once a change, and passes it on in one event.
        lines += [
            "  initial y = 0;",
            "  always @(posedge clk)",
            "    if (enable)",
            f"      y <= {result};",
        ]
    else:
        lines.append(f"  assign y = {result};")
    lines += ["endmodule", ""]
    return "\n".join(lines)


def all_modules(logic: Logic, *, registered: bool = False) -> dict[str, str]:
    """Return the Verilog of ``logic`` and of all that it instantiates, by module name.

    ``registered`` is about ``logic``; the modules that it instantiates have no register.
    """
    found = {logic.name: module_verilog(logic, registered=registered)}
    for block in logic.blocks:
        if block.module.name not in found:
            found |= all_modules(block.module)
    if logic.has_cells:
        found |= logic.target.models()
    return found


class _Body:
    """The declarations of a module's nets, each with what drives it.

    Attributes:
        lines: the declarations so far.
    """

    def __init__(self, logic: Logic) -> None:
        self._logic = logic
        self._names: dict[Net, str] = {FALSE: "1'b0", TRUE: "1'b1"}
        self._names.update({net: f"x[{index}]" for index, net in enumerate(logic.inputs)})
        self._constants: set[str] = set()
        self.lines: list[str] = []
        for net, driver in logic.live_drivers():
            if not isinstance(driver, Table):
                if driver[1] == 0:
                    self._add_instance(driver[0])
            elif logic.is_cell(net):
                self._add_cell(net, driver)
            else:
                self._add_table(net, driver)

    def word(self, nets: Sequence[Net]) -> str:
        """Return the concatenation of ``nets``, the first lowest."""
        return f"{{{', '.join(self._names[net] for net in reversed(nets))}}}"

    def _name(self, net: Net) -> str:
        name = self._names[net] = self._logic.names.get(net, f"t{net}")
        return name

    def _add_cell(self, net: Net, table: Table) -> None:
        operands = [self._names[source] for source in table.inputs]
        name = self._name(net)
        self.lines.append(f"  wire {name};")
        self.lines.append(self._logic.target.instance(f"{name}_lut", table.table, operands, name))

    def _add_table(self, net: Net, table: Table) -> None:
        operands = [self._names[source] for source in table.inputs]
        expression = _operator(table.table, operands) or self._selection(table)
        self.lines.append(f"  wire {self._name(net)} = {expression};")

    def _selection(self, table: Table) -> str:
        """Return the bit of a constant that the table's inputs select; declare the constant."""
        inputs = len(table.inputs)
        index, value = self.word(table.inputs), f"{1 << inputs}'h{table.table:x}"
        if not self._logic.target.selects:
            return f"{value} >> {index}"
        constant = f"lut{inputs}_{table.table:x}"
        if constant not in self._constants:
            self._constants.add(constant)
            self.lines.append(f"  localparam [{(1 << inputs) - 1}:0] {constant} = {value};")
        return f"{constant}[{index}]"

    def _add_instance(self, block: Instance) -> None:
        width = len(block.module.outputs)
        name = self._logic.names.get(block.first, f"b{block.first}")
        for offset in range(width):
            self._names[block.first + offset] = f"{name}[{offset}]"
        flips = np.packbits(np.array(block.flip, np.bool_), bitorder="little")
        mask = int.from_bytes(flips.tobytes(), "little")
        fed = "x" if block.inputs == tuple(self._logic.inputs) else self.word(block.inputs)
        if mask:
            fed = f"{fed} ^ {len(block.flip)}'h{mask:x}"
        self.lines.append(f"  wire [{width - 1}:0] {name};")
        self.lines.append(f"  {block.module.name} {name}_count(.x({fed}), .y({name}));")


def _operator(table: int, operands: list[str]) -> str | None:
    """Return a table as a Verilog expression if it is an operator, otherwise None."""
    if table == NOT and len(operands) == 1:
        return f"~{operands[0]}"
    operator = _OPERATORS.get((table, len(operands)))
    if operator:
        return operator.join(operands)
    if table == MUX and len(operands) == 3:
        return f"{operands[2]} ? {operands[1]} : {operands[0]}"
    if table == MAJORITY3 and len(operands) == 3:
        a, b, c = operands
        return f"({a} & {b}) | ({c} & ({a} | {b}))"
    return None


_OPERATORS = {
    (AND2, 2): " & ",
    (OR2, 2): " | ",
    (XOR2, 2): " ^ ",
    (AND3, 3): " & ",
    (OR3, 3): " | ",
    (XOR3, 3): " ^ ",
}
