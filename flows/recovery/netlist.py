"""Netlists: look-up tables, flip-flops, memories and PLLs."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from typing import NamedTuple

from htaflow.flows.recovery.lookup_table import LookupTable, NetName, simplify
from htaflow.model.support.errors import BadInputError

PLL_IDLE = (
    "RST",
    "STDBY",
    "PHASESEL0",
    "PHASESEL1",
    "PHASEDIR",
    "PHASESTEP",
    "PHASELOADREG",
    "PLLWAKESYNC",
    "ENCLKOP",
)
"""The inputs of a PLL that must be 0."""


Rename = Callable[[NetName], NetName]


class Control(NamedTuple):
    """What flip-flops of one register share.

    They take their data at the rising edge of ``clock``, or the falling one, if ``enable`` is 1, or
    0 if ``enable_low``. Whatever that is, ``reset`` resets them, at the edge or ``at_once``.
    """

    clock: NetName
    falling: bool
    enable: NetName = "1"
    enable_low: bool = False
    reset: NetName = "0"
    reset_low: bool = False
    at_once: bool = False

    def reading(self, new: Rename) -> "Control":
        """Return the same with each net that it reads renamed."""
        return self._replace(clock=new(self.clock), enable=new(self.enable), reset=new(self.reset))


@dataclass(frozen=True)
class FlipFlop:
    """A flip-flop. ``value`` is what it starts with, and what a reset makes it."""

    data: NetName
    control: Control
    value: int

    def reading(self, new: Rename) -> "FlipFlop":
        """Return the same with each net that it reads renamed."""
        control = self.control.reading(new)
        return replace(self, data=new(self.data), control=control)


@dataclass(frozen=True)
class Memory:
    """Sixteen bits, read at any time and written at a clock edge.

    ``read`` and ``write`` are addresses, the first net lowest; ``control`` has no reset. Bit ``i``
    of ``value`` is what is at address ``i`` at the start.
    """

    read: tuple[NetName, ...]
    write: tuple[NetName, ...]
    data: NetName
    control: Control
    value: int

    def reading(self, new: Rename) -> "Memory":
        """Return the same with each net that it reads renamed."""
        return replace(
            self,
            read=tuple(map(new, self.read)),
            write=tuple(map(new, self.write)),
            data=new(self.data),
            control=self.control.reading(new),
        )


@dataclass(frozen=True)
class RecoveredPll:
    """A phase-locked loop, which makes ``output`` from ``clock``, times feedback by reference.

    ``lock`` says that it does. All of ``idle`` must be 0: they would stop or shift it.
    """

    clock: NetName
    output: NetName
    lock: NetName
    reference: int
    feedback: int
    divisor: int
    phase: int
    fed_back: NetName
    idle: tuple[NetName, ...]

    def reading(self, new: Rename) -> "RecoveredPll":
        """Return the same with each net that it reads renamed."""
        return replace(
            self,
            clock=new(self.clock),
            fed_back=new(self.fed_back),
            idle=tuple(map(new, self.idle)),
        )


@dataclass
class Netlist:
    """Cells by the nets that each drives, and the ports of the whole."""

    inputs: list[NetName] = field(default_factory=list)
    outputs: dict[str, NetName] = field(default_factory=dict)
    tables: dict[NetName, LookupTable] = field(default_factory=dict)
    flip_flops: dict[NetName, FlipFlop] = field(default_factory=dict)
    memories: dict[NetName, Memory] = field(default_factory=dict)
    plls: dict[NetName, RecoveredPll] = field(default_factory=dict)

    def simplified(self) -> "Netlist":
        """Return the same without constants, buffers, unread inputs and what drives no output.

        Raises ``BadInputError`` for tables that read one another in a loop, and for a net that is
        read and that nothing drives.
        """
        return _Simplifier(self).run()


class _Simplifier:
    def __init__(self, netlist: Netlist) -> None:
        self._old = netlist
        self._new = Netlist(inputs=list(netlist.inputs))
        self._done: dict[NetName, NetName] = {net: net for net in ("0", "1", *netlist.inputs)}
        self._met: list[NetName] = []

    def run(self) -> Netlist:
        self._new.outputs = {port: self._net(net) for port, net in self._old.outputs.items()}
        old, new = self._old, self._new
        for net in self._met:  # it grows as it is gone through
            if net in old.plls:
                new.plls[net] = old.plls[net].reading(self._net)
            elif net in old.memories:
                new.memories[net] = old.memories[net].reading(self._net)
            elif net not in old.flip_flops:
                raise BadInputError(f"net {net} is read, and nothing drives it")
            else:
                new.flip_flops[net] = old.flip_flops[net].reading(self._net)
        return new

    def _net(self, wanted: NetName) -> NetName:
        """Return what ``wanted`` comes down to, having simplified the tables behind it."""

        def reads(net: NetName) -> list[NetName]:
            table = None if net in self._done else self._old.tables.get(net)
            return [name for name in table.inputs if name not in self._done] if table else []

        for net in in_order([wanted], reads):
            if net in self._done:
                continue
            table = self._old.tables.get(net)
            if table is None:
                self._done[net] = net
                self._met.append(net)
            else:
                self._done[net] = self._add(net, simplify(table, self._done))
        return self._done[wanted]

    def _add(self, net: NetName, table: LookupTable) -> NetName:
        if not table.inputs:
            return str(table.function)
        if len(table.inputs) == 1 and table.function == 0b10:
            return table.inputs[0]
        self._new.tables[net] = table
        return net


def in_order(
    nets: Iterable[NetName], reads: Callable[[NetName], Sequence[NetName]]
) -> list[NetName]:
    """Return ``nets`` and what they read, each after what it reads.

    ``reads`` gives those inputs of a net that are in question. Raises ``BadInputError`` if nets
    read one another in a loop.
    """
    ordered: list[NetName] = []
    done: dict[NetName, bool] = {}  # False: on the way down to its inputs
    for start in nets:
        stack = [start]
        while stack:
            net = stack[-1]
            if done.get(net):
                stack.pop()
                continue
            waiting = [each for each in reads(net) if not done.get(each)]
            if not waiting:
                done[net] = True
                ordered.append(net)
                stack.pop()
                continue
            if any(done.get(each) is False for each in waiting):
                raise BadInputError(f"the logic that drives {net} is a loop")
            done[net] = False
            stack += waiting
    return ordered
