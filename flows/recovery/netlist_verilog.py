"""Verilog of a netlist in which little happens in most cycles, that simulates fast.

An event-driven simulator spends its time where something changes. So flip-flops that share clock,
enable and reset are few wide registers: at a clock edge at which nothing happens they cost next to
nothing, be they hundreds. A table is a constant shifted right by its inputs, which is what Icarus
evaluates fastest. Where most gates change in most cycles, there is
:func:`htaflow.flows.recovery.levelized_verilog.to_ordered_verilog`.
"""

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass

from htaflow.flows.recovery.lookup_table import LookupTable, NetName
from htaflow.flows.recovery.netlist import PLL_IDLE, Control, Memory, Netlist, RecoveredPll

_CHUNK = 64
"""Most bits of a register: each change of one bit is looked at by all that read the others."""


def to_verilog(netlist: Netlist, module: str, header: Iterable[str] = ()) -> str:
    """Return ``module``, whose ports are the netlist's inputs and outputs, one bit each."""
    ports = [*netlist.inputs, *netlist.outputs]
    lines = [f"// {line}" for line in header]
    lines += [f"module {module}({', '.join(ports)});"]
    lines += [f"  input {net};" for net in netlist.inputs]
    lines += [f"  output {port};" for port in netlist.outputs]
    nets = (*netlist.flip_flops, *netlist.memories, *netlist.tables)
    lines += [f"  wire {net};" for net in nets]
    for net, table in netlist.tables.items():
        lines.append(f"  assign {net} = {_expression(table)};")
    for pll in dict.fromkeys(netlist.plls.values()):
        lines += _instance(pll)
    registers = _registers(netlist)
    for register in registers:
        lines += register.declaration
    processes: dict[tuple[Edge, str], list[_Register]] = defaultdict(list)
    for register in registers:
        processes[register.edge, register.reset].append(register)
    by_edge: dict[Edge, list[str]] = defaultdict(list)
    for (edge, reset), together in processes.items():
        by_edge[edge] += _process(reset, together)
    for edge, body in by_edge.items():
        lines += [f"  always @({edge}) begin", *(f"    {line}" for line in body), "  end"]
    lines += [f"  assign {port} = {_literal(net)};" for port, net in netlist.outputs.items()]
    return "\n".join([*lines, "endmodule\n"])


def _expression(table: LookupTable) -> str:
    if len(table.inputs) == 1:
        return f"~{table.inputs[0]}"
    size = 1 << len(table.inputs)
    return f"{size}'h{table.function:x} >> {{{', '.join(reversed(table.inputs))}}}"


def _instance(pll: RecoveredPll) -> list[str]:
    """Return a PLL as the cell that synthesis knows; the model of it is not part of a netlist."""
    parameters = {
        "CLKI_DIV": pll.reference,
        "CLKFB_DIV": pll.feedback,
        "CLKOP_DIV": pll.divisor,
        "CLKOP_CPHASE": pll.phase,
        "CLKOP_ENABLE": '"ENABLED"',
        "FEEDBK_PATH": '"CLKOP"',
    }
    ports = {"CLKI": pll.clock, "CLKFB": pll.fed_back, **dict.fromkeys(PLL_IDLE, "1'b0")}
    ports |= {"CLKOP": pll.output, "LOCK": pll.lock}
    return [
        f"  wire {pll.output}, {pll.lock};",
        f"  EHXPLLL #({', '.join(f'.{name}({value})' for name, value in parameters.items())})",
        f"    {pll.output}_OF ({', '.join(f'.{name}({net})' for name, net in ports.items())});",
    ]


Edge = str
"""When a process runs, as Verilog."""


@dataclass(frozen=True)
class _Register:
    """Flip-flops that do the same, as Verilog; conditions that always hold are empty."""

    declaration: list[str]
    edge: Edge
    reset: str
    enable: str
    clear: str
    take: str


def _registers(netlist: Netlist) -> list[_Register]:
    groups: dict[Control, list[NetName]] = defaultdict(list)
    for net, flip_flop in netlist.flip_flops.items():
        groups[flip_flop.control].append(net)
    result: list[_Register] = []
    for control, nets in groups.items():
        for start in range(0, len(nets), _CHUNK):
            part = nets[start : start + _CHUNK]
            result.append(_register(netlist, control, part, f"REG{len(result)}"))
    return result + [
        _memory(net, memory, f"MEM{number}")
        for number, (net, memory) in enumerate(netlist.memories.items())
    ]


def _memory(net: NetName, memory: Memory, name: str) -> _Register:
    """Return the register, called ``name``, that is a memory."""
    control = memory.control
    return _Register(
        declaration=[
            f"  reg [15:0] {name} = 16'h{memory.value:x};",
            f"  assign {net} = {name} >> {{{', '.join(map(_literal, reversed(memory.read)))}}};",
        ],
        edge=wakes_at(control),
        reset=_NEVER,
        enable=_condition(control.enable, control.enable_low),
        clear="",
        take=f"{name}[{{{', '.join(map(_literal, reversed(memory.write)))}}}] <= "
        f"{_literal(memory.data)};",
    )


def _register(netlist: Netlist, control: Control, nets: list[NetName], name: str) -> _Register:
    """Return one register, called ``name``; its first flip-flop is the lowest bit."""
    cells = [netlist.flip_flops[net] for net in reversed(nets)]
    width = len(cells)
    value = f"{width}'b{''.join(str(cell.value) for cell in cells)}"
    data = ", ".join(_literal(cell.data) for cell in cells)
    return _Register(
        declaration=[
            f"  wire [{width - 1}:0] {name}_IN = {{{data}}};",
            f"  reg [{width - 1}:0] {name} = {value};",
            f"  assign {{{', '.join(reversed(nets))}}} = {name};",
        ],
        edge=wakes_at(control),
        reset=_condition(control.reset, control.reset_low),
        enable=_condition(control.enable, control.enable_low),
        clear=f"{name} <= {value};",
        take=f"{name} <= {name}_IN;",
    )


def wakes_at(control: Control) -> Edge:
    """Return the edges at which flip-flops act: of the clock, and of a reset that acts at once."""
    edge = f"{'negedge' if control.falling else 'posedge'} {control.clock}"
    if control.at_once and control.reset not in ("0", "1"):
        edge += f" or {'negedge' if control.reset_low else 'posedge'} {control.reset}"
    return edge


_NEVER, _ALWAYS = "1'b0", "1'b1"


def _condition(net: NetName, low: bool) -> str:
    if net in ("0", "1"):
        return _ALWAYS if (net == "1") != low else _NEVER
    return f"!{net}" if low else net


def _process(reset: str, registers: list[_Register]) -> list[str]:
    """Return what registers with the same reset do at a clock edge."""
    takes: dict[str, list[str]] = defaultdict(list)
    for register in registers:
        takes[register.enable].append(register.take)
    body = takes.pop(_ALWAYS, [])
    for enable, together in takes.items():
        body.append(f"if ({enable}) begin {' '.join(together)} end")
    if reset == _NEVER:
        return body
    clear = " ".join(register.clear for register in registers)
    return [f"if ({reset}) begin {clear} end", "else begin", *(f"  {x}" for x in body), "end"]


def _literal(net: NetName) -> str:
    return f"1'b{net}" if net in ("0", "1") else net
