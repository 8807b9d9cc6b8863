"""Verilog of a netlist in which most gates change in most cycles, that simulates fast.

An event-driven simulator follows every change through every wire: where many paths of unequal
length meet, a gate is evaluated many times over in one cycle. Here the gates between registers that
hang together are one process, in an order in which each is evaluated once. That pays for a network
that takes a frame a cycle; for a serial line, on which little happens, there is
:func:`htaflow.flows.recovery.netlist_verilog.to_verilog`.
"""

import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import NamedTuple

from htaflow.flows.recovery.lookup_table import LookupTable, NetName
from htaflow.flows.recovery.netlist import Control, FlipFlop, Netlist, in_order
from htaflow.flows.recovery.netlist_verilog import wakes_at
from htaflow.model.support.errors import BadInputError

_BIT = re.compile(r"(?P<port>\w+)\[(?P<index>\d+)\]")


class _Gate(NamedTuple):
    expression: str
    inputs: Sequence[NetName]


def to_ordered_verilog(netlist: Netlist, module: str) -> str:
    """Return ``module`` in SystemVerilog; ports named ``a[0]``, ``a[1]``... are one vector ``a``.

    Raises ``BadInputError`` if the logic is a loop, or has a PLL.
    """
    if netlist.plls:
        raise BadInputError("the netlist has a PLL, which a core has not")
    memories = {net: f"MEM{number}" for number, net in enumerate(netlist.memories)}
    gates = _gates(netlist, memories)
    lines = [
        *_declarations(netlist, module, gates, memories),
        *_logic(gates),
        *_registers(netlist, memories),
        "endmodule",
    ]
    return "".join(f"{line}\n" for line in lines)


def _gates(netlist: Netlist, memories: Mapping[NetName, str]) -> dict[NetName, _Gate]:
    """Return what is computed without a clock: tables, and what is read from memories."""
    gates = {
        net: _Gate(f"{_constant(table)}[{_vector(table.inputs)}]", table.inputs)
        for net, table in netlist.tables.items()
    }
    for net, memory in netlist.memories.items():
        name = memories[net]
        gates[net] = _Gate(f"{name}[{_vector(memory.read)}]", (*memory.read, name))
    return gates


def _constant(table: LookupTable) -> str:
    """Return the name of the constant that holds a table."""
    return f"T{len(table.inputs)}_{table.function:x}"


def _declarations(
    netlist: Netlist, module: str, gates: Iterable[NetName], memories: Mapping[NetName, str]
) -> Iterator[str]:
    """Yield the module's head and all that it declares."""
    ports = _ports(netlist.inputs, "input") | _ports(netlist.outputs, "output")
    yield f"module {module} ("
    yield ",\n".join(f"  {port}" for port in ports.values())
    yield ");"
    tables = {(len(table.inputs), table.function): table for table in netlist.tables.values()}
    for (inputs, function), table in sorted(tables.items(), key=lambda item: item[0]):
        size = 1 << inputs
        yield f"localparam [{size - 1}:0] {_constant(table)} = {size}'h{function:x};"
    for net in netlist.inputs:
        if _BIT.fullmatch(net):
            yield f"wire {_literal(net)} = {net};"
    for net in gates:
        yield f"reg {net};"
    for net, cell in netlist.flip_flops.items():
        yield f"reg {net} = 1'b{cell.value};"
    for net, memory in netlist.memories.items():
        yield f"reg [15:0] {memories[net]} = 16'h{memory.value:04x};"
    for port, net in netlist.outputs.items():
        yield f"assign {port} = {_literal(net)};"


def _logic(gates: Mapping[NetName, _Gate]) -> Iterator[str]:
    """Yield a process for the gates that hang together, each gate after those that it reads."""

    def reads(net: NetName) -> list[NetName]:
        return [each for each in gates[net].inputs if each in gates]

    for component in _components(gates):
        wakes = any(gates[net].inputs for net in component)
        yield "always_comb begin" if wakes else "initial begin"
        for net in in_order(component, reads):
            yield f"  {net} = {gates[net].expression};"
        yield "end"


def _registers(netlist: Netlist, memories: Mapping[NetName, str]) -> Iterator[str]:
    """Yield a process for the flip-flops and memories that act on the same occasion."""
    together: dict[tuple[str, str], list[str]] = defaultdict(list)
    for net, cell in netlist.flip_flops.items():
        together[_when(cell.control)].append(_update(net, cell))
    for net, memory in netlist.memories.items():
        target = f"{memories[net]}[{_vector(memory.write)}]"
        together[_when(memory.control)].append(f"{target} <= {_literal(memory.data)};")
    for (edge, condition), updates in together.items():
        test = f"if ({condition}) " if condition else ""
        yield f"always @({edge}) {test}begin"
        yield from (f"  {each}" for each in updates)
        yield "end"


def _ports(names: Iterable[str], way: str) -> dict[str, str]:
    """Return the declarations of ports, by name."""
    widths: dict[str, int] = {}
    for name in names:
        found = _BIT.fullmatch(name)
        port, width = (found["port"], int(found["index"]) + 1) if found else (name, 0)
        widths[port] = max(width, widths.get(port, 0))
    return {
        port: f"{way} wire {f'[{width - 1}:0] ' if width else ''}{port}"
        for port, width in widths.items()
    }


def _when(control: Control) -> tuple[str, str]:
    """Return the edges at which flip-flops wake, and on which condition they then act."""
    edge, enable, reset = wakes_at(control), _enable(control), _reset(control)
    if reset and enable and not control.at_once:
        return edge, f"{reset} | {enable}"
    return edge, "" if reset else enable


def _update(net: NetName, cell: FlipFlop) -> str:
    """Return what a flip-flop does when :func:`_when` says that it acts."""
    control, data = cell.control, _literal(cell.data)
    enable, reset = _enable(control), _reset(control)
    if not reset:
        return f"{net} <= {data};"
    kept = f"{enable} ? {data} : {net}" if enable and control.at_once else data
    return f"{net} <= {reset} ? 1'b{cell.value} : {kept};"


def _enable(control: Control) -> str:
    """Return the condition of an enable, empty if it is always so."""
    if control.enable in ("0", "1"):
        return "" if (control.enable == "1") != control.enable_low else "1'b0"
    return f"{'~' if control.enable_low else ''}{control.enable}"


def _reset(control: Control) -> str:
    """Return the condition of a reset, empty if it never is."""
    if control.reset in ("0", "1"):
        return "" if (control.reset == "1") == control.reset_low else "1'b1"
    return f"{'~' if control.reset_low else ''}{control.reset}"


def _vector(nets: Sequence[NetName]) -> str:
    return f"{{{', '.join(map(_literal, reversed(nets)))}}}"


def _literal(net: NetName) -> str:
    """Return a net in Verilog; a bit of a port is a wire of its own, which processes wait for."""
    if net in ("0", "1"):
        return f"1'b{net}"
    found = _BIT.fullmatch(net)
    return f"BIT{found['index']}_{found['port']}" if found else net


def _components(gates: Mapping[NetName, _Gate]) -> list[list[NetName]]:
    """Return the nets of ``gates`` that hang together, without a register between them."""
    parent = {net: net for net in gates}

    def root(net: NetName) -> NetName:
        while parent[net] != net:
            parent[net] = net = parent[parent[net]]
        return net

    for net, gate in gates.items():
        for source in gate.inputs:
            if source in parent:
                parent[root(source)] = root(net)
    found: dict[NetName, list[NetName]] = defaultdict(list)
    for net in gates:
        found[root(net)].append(net)
    return list(found.values())
