"""What the logic is made for: how wide a look-up table is, and how to ask for one by name.

Synthesis rebuilds Boolean logic, and rebuilds compressor trees worse than they were. So where the
structure is known to be good it is stated in the part's own cells, which synthesis leaves alone.
Their behaviour stands beside them in the Verilog, for simulators only.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from htaflow.model.support.errors import BadInputError, did_you_mean


@dataclass(frozen=True)
class Target:
    """A kind of part.

    Parameters:
        name: Yosys's name for the family.
        lut_inputs: inputs of the widest look-up table that logic is made for.
        cell: name of a look-up table of ``{n}`` inputs; empty for portable Verilog without cells.
        sizes: the inputs that such cells may have.
        parameter: name of the cell's parameter that holds the table.
        pins: names of the cell's inputs, the lowest bit of the table's index first.
        output: name of the cell's output.
        selects: whether a truth table in Verilog selects a bit of a constant, instead of shifting
            the constant: Yosys makes up to 7 % less logic of it for LUT6, but 0.4 % more for LUT4.
    """

    name: str
    lut_inputs: int
    cell: str = ""
    sizes: tuple[int, ...] = ()
    parameter: str = "INIT"
    pins: tuple[str, ...] = ("I0", "I1", "I2", "I3", "I4", "I5")
    output: str = "O"
    selects: bool = True

    def instance(self, name: str, table: int, inputs: Sequence[str], output: str) -> str:
        """Return one look-up table in Verilog, ``output = table >> {inputs}``."""
        size = next(size for size in self.sizes if size >= len(inputs))
        for have in range(len(inputs), size):  # an idle input is tied to 0, and does not matter
            table |= table << (1 << have)
        tied = [*inputs, *["1'b0"] * (size - len(inputs))]
        ports = [f".{pin}({net})" for pin, net in zip(self.pins, tied, strict=False)]
        ports.append(f".{self.output}({output})")
        cell = self.cell.format(n=size)
        return f"  {cell} #(.{self.parameter}({1 << size}'h{table:x})) {name}({', '.join(ports)});"

    def models(self) -> dict[str, str]:
        """Return what the cells compute, as Verilog that synthesis skips, by module name."""
        found = {}
        for size in self.sizes:
            cell, pins = self.cell.format(n=size), self.pins[:size]
            lines = [
                "`ifndef YOSYS",
                f"module {cell} #(parameter [{(1 << size) - 1}:0] {self.parameter} = 0) (",
                f"  input wire {', '.join(pins)},",
                f"  output wire {self.output}",
                ");",
                f"  wire [{size - 1}:0] index = {{{', '.join(reversed(pins))}}};",
                f"  assign {self.output} = {self.parameter}[index];",
                "endmodule",
                "`endif",
                "",
            ]
            found[cell] = "\n".join(lines)
        return found


PORTABLE = Target("portable", 4)
"""Plain Verilog, for any tool."""

TARGETS = {
    target.name: target
    for target in (
        PORTABLE,
        Target("xilinx", 6, "LUT{n}", (2, 3, 4, 5, 6)),
        Target("ice40", 4, "SB_LUT4", (4,), parameter="LUT_INIT", selects=False),
        Target("ecp5", 4, "LUT4", (4,), pins=("A", "B", "C", "D"), output="Z", selects=False),
    )
}


def find_target(name: str) -> Target:
    """Return the target called ``name``. Raises ``BadInputError`` with the nearest name."""
    if name not in TARGETS:
        raise BadInputError(f"there is no target '{name}'{did_you_mean(name, TARGETS)}")
    return TARGETS[name]
