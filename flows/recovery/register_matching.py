"""Proves that two netlists do the same for all inputs, by matching their nets.

All nets are sorted into classes, finer and finer, until the classes are stable: the flip-flops of
one class start with the same value and take, as functions of classes, the same data at the same
edges, and likewise for memories; two tables are of one class if they are the same function of the
same classes. By induction from the start, all nets of a class then have the same value for ever. So
if each output's nets in both netlists are of one class, the netlists cannot be told apart.

Nothing is assumed of names or of the order of inputs, and nothing is searched: what synthesis made
and what place and route left of it are the same cells, so this decides in seconds.
"""

import heapq
from collections import defaultdict
from collections.abc import Callable, Hashable, Iterable, Iterator
from dataclasses import dataclass, replace
from functools import cache

from htaflow.flows.recovery.lookup_table import LookupTable, NetName, permute, simplify
from htaflow.flows.recovery.netlist import Control, Netlist, in_order

_MOST_NAMED = 5


@dataclass(frozen=True)
class Correspondence:
    """What was found.

    Attributes:
        unproved: the outputs that are not proved the same; none is the proof.
        proved: how many outputs are proved the same.
        unmatched: some cells of the second netlist that are nowhere in the first, near to where the
            two part: most often the ones that are wrong.
        missed: the same of the first netlist: cells that are nowhere in the second.
        classes: how many classes the nets have.
        rounds: how many times they were made finer.
    """

    unproved: tuple[str, ...]
    proved: int
    unmatched: tuple[NetName, ...]
    missed: tuple[NetName, ...]
    classes: int
    rounds: int


def correspond(first: Netlist, second: Netlist) -> Correspondence:
    """Return whether two netlists do the same; both must be simplified."""
    both = _Classes(first, second)
    rounds = sum(1 for _ in both.refine())
    ports = sorted(first.outputs.keys() | second.outputs.keys())
    unproved = tuple(port for port in ports if not both.agree(port))
    missed, unmatched = _parting(first, second) if unproved else ((), ())
    proved = len(ports) - len(unproved)
    return Correspondence(unproved, proved, unmatched, missed, both.count, rounds)


def _parting(first: Netlist, second: Netlist) -> tuple[tuple[NetName, ...], tuple[NetName, ...]]:
    """Return cells that only the first has, and such that only the second has.

    In the end hardly anything corresponds: what parts first is of interest.
    """
    classes = _Classes(first, second)
    rounds = classes.refine()
    while True:
        alone = classes.alone("1 "), classes.alone("2 ")
        if any(alone) or next(rounds, StopIteration) is StopIteration:
            return alone


class _Classes:
    """The classes of the nets of two netlists; a class is named as a net is."""

    def __init__(self, first: Netlist, second: Netlist) -> None:
        inputs = {*first.inputs, *second.inputs, "0", "1"}
        self._sides = [_renamed(first, "1 ", inputs), _renamed(second, "2 ", inputs)]
        self._tables = self._sides[0].tables | self._sides[1].tables
        self._names: dict[Hashable, str] = {}
        self._class: dict[NetName, str] = {net: net for net in inputs}
        self._cells = _cells(self._sides[0]) | _cells(self._sides[1])
        for net, cell in self._cells.items():
            self._class[net] = self._name(("at first", cell.start))
        ordered = in_order(self._tables, self._tables_read)
        self._order = {net: number for number, net in enumerate(ordered)}
        self._table_readers: dict[NetName, list[NetName]] = defaultdict(list)
        self._cell_readers: dict[NetName, list[NetName]] = defaultdict(list)
        for net, table in self._tables.items():
            for read in table.inputs:
                self._table_readers[read].append(net)
        for net, cell in self._cells.items():
            for read in cell.reads:
                self._cell_readers[read].append(net)
        for net in self._order:
            self._class[net] = self._of_table(net)

    def _tables_read(self, net: NetName) -> list[NetName]:
        return [read for read in self._tables[net].inputs if read in self._tables]

    @property
    def count(self) -> int:
        """How many classes there are now."""
        return len(set(self._class.values()))

    def refine(self) -> Iterator[None]:
        """Split classes until they are stable; yields after each round."""
        members: dict[str, set[NetName]] = defaultdict(set)
        takes: dict[NetName, Hashable] = {}
        touched: Iterable[NetName] = self._cells
        for net in self._cells:
            members[self._class[net]].add(net)
        while touched:
            moved: list[NetName] = []
            for net in touched:
                takes[net] = self._cells[net].takes(self._class)
            for name in {self._class[net]: None for net in touched}:
                parts: dict[Hashable, list[NetName]] = defaultdict(list)
                for net in sorted(members[name]):
                    parts[takes[net]].append(net)
                # The largest keeps the name, so that little changes.
                for part in sorted(parts.values(), key=len)[:-1]:
                    new = self._name(("split", len(self._names)))
                    members[name] -= set(part)
                    members[new] = set(part)
                    self._class.update(dict.fromkeys(part, new))
                    moved += part
            touched = self._pass_on(moved)
            yield

    def _pass_on(self, moved: Iterable[NetName]) -> list[NetName]:
        """Class anew the tables behind nets; return the cells that read any that changed."""
        touched: dict[NetName, None] = {}
        waiting = [(-1, net) for net in moved]
        queued = set(moved)
        while waiting:
            _, net = heapq.heappop(waiting)
            if net in self._tables:
                name = self._of_table(net)
                if name == self._class[net]:
                    continue
                self._class[net] = name
            touched |= dict.fromkeys(self._cell_readers[net])
            for reader in self._table_readers[net]:
                if reader not in queued:
                    queued.add(reader)
                    heapq.heappush(waiting, (self._order[reader], reader))
        return list(touched)

    def _name(self, key: Hashable) -> str:
        """Return the class of ``key``; equal keys have one."""
        return self._names.setdefault(key, f"c{len(self._names)}")

    def _of_table(self, net: NetName) -> str:
        """Return the class of a table: a constant, one of its inputs', or its own."""
        table = self._tables[net]
        read = [self._class[name] for name in table.inputs]
        distinct = sorted(set(read) - {"0", "1"})
        pattern = tuple(name if name in ("0", "1") else f"?{distinct.index(name)}" for name in read)
        places, function = _canonical(table.function, pattern)
        inputs = [distinct[place] for place in places]
        if not inputs:
            return str(function)
        if len(inputs) == 1 and function == 0b10:
            return inputs[0]
        return self._name(("table", *inputs, function))

    def agree(self, port: str) -> bool:
        """Whether both netlists have the output, of one class."""
        nets = [side.outputs.get(port) for side in self._sides]
        first, second = (None if net is None else self._class[net] for net in nets)
        return first is not None and first == second

    def alone(self, side: str) -> tuple[NetName, ...]:
        """Return cells of a side whose class the other lacks, while it has all that they read."""
        there = {name for net, name in self._class.items() if not net.startswith(side)}
        reads = {net: table.inputs for net, table in self._tables.items()}
        reads |= {net: cell.reads for net, cell in self._cells.items()}
        found = [
            net.removeprefix(side)
            for net, name in self._class.items()
            if name not in there and all(self._class[read] in there for read in reads[net])
        ]
        return tuple(found[:_MOST_NAMED])


@dataclass(frozen=True)
class _Cell:
    """What has a state: its kind and first value, what it reads, and what it makes of classes."""

    start: Hashable
    reads: tuple[NetName, ...]
    takes: Callable[[dict[NetName, str]], Hashable]


def _cells(netlist: Netlist) -> dict[NetName, _Cell]:
    """Return everything with a state."""
    result: dict[NetName, _Cell] = {}

    def add(
        net: NetName, start: Hashable, reads: tuple[NetName, ...], settings: Hashable = None
    ) -> None:
        def takes(classes: dict[NetName, str]) -> Hashable:
            return (settings, *(classes[read] for read in reads))

        result[net] = _Cell(start, reads, takes)

    for net, cell in netlist.flip_flops.items():
        nets, how = _control(cell.control)
        add(net, ("flip-flop", cell.value), (cell.data, *nets), how)
    for net, memory in netlist.memories.items():
        nets, how = _control(memory.control)
        reads = (*memory.read, *memory.write, memory.data, *nets)
        add(net, ("memory", memory.value), reads, how)
    for net, pll in netlist.plls.items():
        settings = (pll.reference, pll.feedback, pll.divisor, pll.phase)
        add(net, ("pll", net == pll.lock), (pll.clock, pll.fed_back, *pll.idle), settings)
    return result


def _control(control: Control) -> tuple[tuple[NetName, NetName, NetName], Hashable]:
    """Return the nets of a control, and the rest of it."""
    rest = control._replace(clock="", enable="", reset="")
    return (control.clock, control.enable, control.reset), rest


@cache
def _canonical(function: int, pattern: tuple[str, ...]) -> tuple[tuple[int, ...], int]:
    """Return which inputs a table depends on, in order, and how: ``?3`` is input 3."""
    table = simplify(LookupTable(pattern, function))
    order = sorted(table.inputs, key=lambda name: int(name[1:]))
    return tuple(int(name[1:]) for name in order), permute(table, order)


def _renamed(netlist: Netlist, prefix: str, shared: set[NetName]) -> Netlist:
    """Return the netlist with ``prefix`` before all names but the shared ones."""

    def new(net: NetName) -> NetName:
        return net if net in shared else prefix + net

    return Netlist(
        inputs=netlist.inputs,
        outputs={port: new(net) for port, net in netlist.outputs.items()},
        tables={
            new(net): LookupTable(tuple(map(new, table.inputs)), table.function)
            for net, table in netlist.tables.items()
        },
        flip_flops={new(net): cell.reading(new) for net, cell in netlist.flip_flops.items()},
        memories={new(net): memory.reading(new) for net, memory in netlist.memories.items()},
        plls={
            new(net): replace(pll.reading(new), output=new(pll.output), lock=new(pll.lock))
            for net, pll in netlist.plls.items()
        },
    )
