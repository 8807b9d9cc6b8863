"""Pipeline stages and the rules of the streams between them.

Every stream in htaflow, in Amaranth and at the Verilog boundary, keeps these rules:

1. A transfer happens in each clock cycle in which ``valid`` and ``ready`` are both 1.
2. Once ``valid`` is 1 it stays 1, and the payload does not change, until the transfer.
3. ``valid`` never waits for ``ready``; ``ready`` may wait for ``valid`` and may come and go.
4. Each frame that enters leaves once, and frames leave in the order in which they entered.

A chain of stages is one Verilog module of text, as the stages' logic is: Amaranth takes time for
every bit of every signal, and follows ``ready`` from stage to stage by recursion, so that some
hundred layers are too many for it.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from amaranth.hdl import ClockSignal, Instance, ResetSignal
from amaranth.lib import stream

from htaflow.hw.logic.constants import BitFacts
from htaflow.hw.logic.netlist import Logic
from htaflow.hw.logic.verilog import all_modules
from htaflow.hw.stream.schedule import REGISTER, Pipeline

CHAIN = "layers"
"""Name of a chain's module and of its instance; those of further chains are numbered."""


@dataclass(frozen=True)
class Stage:
    """Combinational logic followed by one register or none, with full back-pressure.

    Latency: 1 cycle, 0 without a register, one for each of ``parts`` if it is cut into parts with a
    register after each. Initiation interval: 1 cycle. A register moves on whenever it is empty or
    its transfer is taken, so a stall costs exactly the cycles for which the consumer stalls.

    Parameters:
        name: the layer's name.
        logic: what is computed, from ``len(logic.inputs)`` bits to ``len(logic.outputs)`` bits.
        registered: whether a register follows it.
        parts: the logic cut into parts, as :func:`htaflow.hw.logic.retime.cut` does; by default it
            is whole.
        chain: name of the chain that it is in.
        carried: how many bits of an earlier :class:`Tap` pass beside the logic, through the same
            registers.

    Attributes:
        is_tap: whether the bits that it yields may be carried from there on.
    """

    name: str
    logic: Logic
    registered: bool = True
    parts: Sequence[Logic] = ()
    chain: str = CHAIN
    carried: int = 0

    is_tap: ClassVar[bool] = False

    @property
    def width(self) -> int:
        """Bits that leave it: those of its logic, and above them those that are carried."""
        return len(self.logic.outputs) + self.carried

    @property
    def pipelines(self) -> Sequence[Pipeline]:
        """Its registers."""
        return (REGISTER,) * max(1, len(self.parts)) if self.registered else ()

    @property
    def known(self) -> BitFacts:
        """What is known of the bits that it yields."""
        return self.logic.known_outputs()

    @property
    def probe(self) -> str:
        """Path, from the core, of the payload that the stage holds for the next."""
        return f"{self.chain}.{self.name}__output__payload"

    @property
    def modules(self) -> dict[str, str]:
        """Verilog of the stage's logic, with its register if it has one, by module name."""
        found: dict[str, str] = {}
        for part in self.parts or [self.logic]:
            found |= all_modules(part, registered=self.registered)
        return found

    def verilog(self, upstream: str) -> list[str]:
        """Return the lines that put the stage between stream ``upstream`` and its own.

        Its own stream is ``NAME__output``: ``__payload``, ``__valid`` and ``__ready``, the last
        driven by whoever comes next.
        """
        *before, last = self.parts or [self.logic]
        lines = []
        for number, part in enumerate(before):
            own = f"{self.name}__part{number}"
            lines += self._place(part, upstream, own)
            upstream = own
        return lines + self._place(last, upstream, f"{self.name}__output")

    def _place(self, part: Logic, upstream: str, own: str) -> list[str]:
        """Return the lines that put ``part`` between the streams ``upstream`` and ``own``."""
        lines = _place(part, upstream, own, registered=self.registered)
        if self.carried:
            lines += _carry(self.carried, upstream, own, registered=self.registered)
        return lines


@dataclass(frozen=True)
class Tap(Stage):
    """A stage without a register; the bits that it yields may be carried from there on."""

    is_tap: ClassVar[bool] = True

    def _place(self, part: Logic, upstream: str, own: str) -> list[str]:
        return [
            *_place(part, upstream, own, registered=False),
            f"  wire [{len(part.outputs) - 1}:0] {own}__carried = {own}__payload;",
        ]


def _place(logic: Logic, upstream: str, own: str, *, registered: bool) -> list[str]:
    """Return the lines that put ``logic`` between the streams ``upstream`` and ``own``."""
    lines = [
        "",
        f"  wire [{len(logic.outputs) - 1}:0] {own}__payload;",
        f"  wire {own}__ready;",
    ]
    name = logic.name
    if not registered:
        return [
            *lines,
            f"  wire {own}__valid = {upstream}__valid;",
            f"  assign {upstream}__ready = {own}__ready;",
            f"  {name} {name}(.x({upstream}__payload), .y({own}__payload));",
        ]
    return [
        *lines,
        f"  reg {own}__valid;",
        f"  assign {upstream}__ready = ~{own}__valid | {own}__ready;",
        f"  {name} {name}(.clk(clk), .enable({upstream}__ready), .x({upstream}__payload), "
        f".y({own}__payload));",
        f"  initial {own}__valid = 0;",
        "  always @(posedge clk)",
        f"    if (rst) {own}__valid <= 0;",
        f"    else if ({upstream}__ready) {own}__valid <= {upstream}__valid;",
    ]


def _carry(bits: int, upstream: str, own: str, *, registered: bool) -> list[str]:
    """Return the lines that take carried bits along from ``upstream`` to ``own``."""
    if not registered:
        return [f"  wire [{bits - 1}:0] {own}__carried = {upstream}__carried;"]
    return [
        f"  reg [{bits - 1}:0] {own}__carried;",
        f"  initial {own}__carried = 0;",
        "  always @(posedge clk)",
        f"    if ({upstream}__ready) {own}__carried <= {upstream}__carried;",
    ]


def chain_modules(stages: Sequence[Stage]) -> dict[str, str]:
    """Return the Verilog of ``stages`` (at least one) in a chain, by module name.

    The module that they name as their chain has ports ``clk``, ``rst`` (synchronous) and the
    streams ``input`` and ``output``, input 0 of the first stage's logic and output 0 of the last
    one's in the low bit; what is carried is above.
    """
    lines = [
        f"module {stages[0].chain}(",
        "  input wire clk,",
        "  input wire rst,",
        f"  input wire [{len(stages[0].logic.inputs) - 1}:0] input__payload,",
        "  input wire input__valid,",
        "  output wire input__ready,",
        f"  output wire [{stages[-1].width - 1}:0] output__payload,",
        "  output wire output__valid,",
        "  input wire output__ready",
        ");",
    ]
    upstream = "input"
    for stage in stages:
        lines += stage.verilog(upstream)
        upstream = f"{stage.name}__output"
    carried = f"{upstream}__carried, " if stages[-1].carried else ""
    lines += [
        "",
        f"  assign output__payload = {{{carried}{upstream}__payload}};",
        f"  assign output__valid = {upstream}__valid;",
        f"  assign {upstream}__ready = output__ready;",
        "endmodule",
        "",
    ]
    found = {stages[0].chain: "\n".join(lines)}
    for stage in stages:
        found |= stage.modules
    return found


def chain_instance(
    chain: str, upstream: stream.Interface, downstream: stream.Interface
) -> Instance:
    """Return an instance of a chain of stages, module ``chain``, between two streams."""
    return Instance(
        chain,
        i_clk=ClockSignal(),
        i_rst=ResetSignal(),
        i_input__payload=upstream.payload,
        i_input__valid=upstream.valid,
        o_input__ready=upstream.ready,
        o_output__payload=downstream.payload,
        o_output__valid=downstream.valid,
        i_output__ready=downstream.ready,
    )
