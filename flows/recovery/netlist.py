"""Look-up tables and flip-flops, and the Verilog of them that simulates fast.

An event-driven simulator spends its time where something changes. So flip-flops that share clock,
enable and reset are few wide registers: at a clock edge at which nothing happens they cost next to
nothing, be they hundreds. A table is a constant shifted right by its inputs, which is what Icarus
evaluates fastest.
"""

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import NamedTuple

from htaflow.model.support.errors import BadInputError

NetName = str
"""A name that Verilog takes, or ``"0"`` or ``"1"``. Those of ports begin in lower case."""

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

_CHUNK = 64
"""Most bits of a register: each change of one bit is looked at by all that read the others."""


@dataclass(frozen=True)
class LookupTable:
    """A look-up table: where the inputs, the first lowest, are ``i``, it is bit ``i``."""

    inputs: tuple[NetName, ...]
    function: int


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


@dataclass(frozen=True)
class FlipFlop:
    """A flip-flop. ``value`` is what it starts with, and what a reset makes it."""

    data: NetName
    control: Control
    value: int


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
                new.plls[net] = self._pll(old.plls[net])
            elif net in old.memories:
                new.memories[net] = self._memory(old.memories[net])
            elif net not in old.flip_flops:
                raise BadInputError(f"net {net} is read, and nothing drives it")
            else:
                cell = old.flip_flops[net]
                control = self._control(cell.control)
                new.flip_flops[net] = FlipFlop(self._net(cell.data), control, cell.value)
        return new

    def _control(self, old: Control) -> Control:
        return old._replace(
            clock=self._net(old.clock),
            enable=self._net(old.enable),
            reset=self._net(old.reset),
        )

    def _memory(self, old: Memory) -> Memory:
        return Memory(
            read=tuple(map(self._net, old.read)),
            write=tuple(map(self._net, old.write)),
            data=self._net(old.data),
            control=self._control(old.control),
            value=old.value,
        )

    def _pll(self, old: RecoveredPll) -> RecoveredPll:
        return replace(
            old,
            clock=self._net(old.clock),
            fed_back=self._net(old.fed_back),
            idle=tuple(map(self._net, old.idle)),
        )

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


def simplify(table: LookupTable, known: Mapping[NetName, NetName] = {}) -> LookupTable:
    """Return ``table`` without constant, repeated and unread inputs, renamed by ``known``."""
    inputs = [known.get(net, net) for net in table.inputs]
    function = table.function
    for k in reversed(range(len(inputs))):
        low, high = _halves(function, k, len(inputs))
        first = inputs.index(inputs[k])
        if inputs[k] in ("0", "1"):
            function = high if inputs[k] == "1" else low
        elif first < k:
            # The two inputs are equal: where they are not, the table is never read.
            size = 1 << (len(inputs) - 1)
            function = sum(((high if i >> first & 1 else low) >> i & 1) << i for i in range(size))
        else:
            continue
        del inputs[k]
    for k in reversed(range(len(inputs))):
        low, high = _halves(function, k, len(inputs))
        if low == high:
            function = low
            del inputs[k]
    return LookupTable(tuple(inputs), function)


def permute(table: LookupTable, order: Sequence[NetName]) -> int:
    """Return the function of ``table`` if its inputs, each a different net, came in ``order``."""
    places = [order.index(net) for net in table.inputs]
    result = 0
    for at in range(1 << len(places)):
        old = sum((at >> place & 1) << k for k, place in enumerate(places))
        result |= (table.function >> old & 1) << at
    return result


def _halves(function: int, k: int, count: int) -> tuple[int, int]:
    """Return the tables of the other inputs where input ``k`` of ``count`` is 0 and is 1."""
    width = 1 << k
    mask = (1 << width) - 1
    low = high = 0
    for block in range(1 << (count - 1 - k)):
        low |= (function >> (2 * block * width) & mask) << (block * width)
        high |= (function >> ((2 * block + 1) * width) & mask) << (block * width)
    return low, high


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
        edge=_edge(control),
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
    edge = _edge(control)
    reset = _condition(control.reset, control.reset_low)
    if control.at_once and reset not in (_NEVER, _ALWAYS):
        edge += f" or {'negedge' if control.reset_low else 'posedge'} {control.reset}"
    return _Register(
        declaration=[
            f"  wire [{width - 1}:0] {name}_IN = {{{data}}};",
            f"  reg [{width - 1}:0] {name} = {value};",
            f"  assign {{{', '.join(reversed(nets))}}} = {name};",
        ],
        edge=edge,
        reset=reset,
        enable=_condition(control.enable, control.enable_low),
        clear=f"{name} <= {value};",
        take=f"{name} <= {name}_IN;",
    )


def _edge(control: Control) -> Edge:
    return f"{'negedge' if control.falling else 'posedge'} {control.clock}"


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
