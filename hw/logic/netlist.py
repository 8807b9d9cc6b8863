"""Combinational netlists: the Boolean functions of a layer.

Layers that compute without state are built as a :class:`Logic`: a list of small truth tables, each
reading nets that come before it. It is plain data, so that a million weights become Verilog in
seconds by :mod:`htaflow.hw.logic.verilog`; :mod:`htaflow.hw.logic.evaluate` executes it. Streams
between layers are made by :mod:`htaflow.hw.stream.stage`.

A net is an integer: 0 and 1 are the constants, then come the inputs, then one net a table.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

from htaflow.hw.logic.constants import BitFacts
from htaflow.hw.logic.target import PORTABLE, Target
from htaflow.hw.logic.truth_table import (
    NOT,
    cofactor,
    depends_on,
    invert_input,
    merge_inputs,
    reorder_inputs,
)

Net = int

FALSE: Net = 0
TRUE: Net = 1

MAX_TABLE_INPUTS = 6


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
                table = cofactor(table, count, at, net)
            elif net in kept:
                table = merge_inputs(table, count, kept.index(net), at)
            else:
                kept.append(net)
        # Now drop the inputs that the table does not depend on.
        for at in reversed(range(len(kept))):
            if not depends_on(table, len(kept), at):
                table = cofactor(table, len(kept), at, 0)
                del kept[at]
        if not kept:
            return TRUE if table & 1 else FALSE
        if sorted(kept) != kept:  # equal tables must look equal
            order = sorted(range(len(kept)), key=kept.__getitem__)
            table = reorder_inputs(table, order)
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
        if isinstance(driver, Table) and driver.table == NOT and len(driver.inputs) == 1:
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
        if isinstance(driver, Table) and driver.table == NOT and len(driver.inputs) == 1:
            return driver.inputs[0], invert_input(table, count, at)
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
        return self.table(NOT, [net])

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

    def live_drivers(self) -> Iterator[tuple[Net, Driver]]:
        """Yield each net that some output depends on, and its driver.

        Every net comes after those that it reads.
        """
        live = self._live()
        return ((net, driver) for net, driver in self._drivers.items() if net in live)

    @property
    def has_cells(self) -> bool:
        """Whether some table is one that synthesis must leave as one look-up table."""
        return bool(self._cells)

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
