"""Pipeline stages and the rules of the streams between them.

Every stream in htaflow, in Amaranth and at the Verilog boundary, keeps these rules:

1. A transfer happens in each clock cycle in which ``valid`` and ``ready`` are both 1.
2. Once ``valid`` is 1 it stays 1, and the payload does not change, until the transfer.
3. ``valid`` never waits for ``ready``; ``ready`` may wait for ``valid`` and may come and go.
4. Each frame that enters leaves once, and frames leave in the order in which they entered.
"""

from collections.abc import Mapping

from amaranth.hdl import ClockSignal, Instance, Module, Signal, unsigned
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out

from htaflow.hw.logic import Logic
from htaflow.model.errors import BadInputError

MAX_WIDTH = 1 << 16
"""Most bits that an instance in Amaranth may yield."""


class LayerComponent(wiring.Component):
    """A component that computes one layer: its ports bear the layer's name in the Verilog.

    Parameters:
        name: the layer's name.
        members: the component's members, as a signature has them.
    """

    def __init__(self, name: str, members: Mapping[str, wiring.Member]) -> None:
        self.name = name
        super().__init__(members)
        for member, port in self.signature.members.create(path=(name,)).items():
            setattr(self, member, port)

    @property
    def modules(self) -> dict[str, str]:
        """Verilog of the modules that the component instantiates, by name."""
        return {}

    @property
    def probe(self) -> str:
        """Path, from the core, of the payload that the component holds for the next."""
        return f"{self.name}.{self.name}__output__payload"


class Stage(LayerComponent):
    """Combinational logic followed by one register or none, with full back-pressure.

    Latency: 1 cycle, 0 without a register. Initiation interval: 1 cycle. The register moves on
    whenever it is empty or its frame is taken, so a stall costs exactly the cycles for which the
    consumer stalls.

    Parameters:
        name: the layer's name.
        logic: what is computed, from ``len(logic.inputs)`` bits to ``len(logic.outputs)`` bits.
        registered: whether a register follows it.

    Attributes:
        known: which output bits are constant or equal to others: the next stage does not read them.

    Members:
        input: stream of frames, input 0 of the logic in the low bit.
        output: stream of frames, output 0 of the logic in the low bit.
    """

    input: stream.Interface
    output: stream.Interface

    interval = 1

    def __init__(self, name: str, logic: Logic, registered: bool = True) -> None:
        widest = max(len(logic.inputs), len(logic.outputs))
        if widest > MAX_WIDTH:
            raise BadInputError(
                f"layer '{name}' takes or yields {widest} bits at once; Amaranth connects at most "
                f"{MAX_WIDTH}: use more layers of fewer neurons"
            )
        self.logic = logic
        self.known = logic.known_outputs()
        self.registered = registered
        self.latency = int(registered)
        super().__init__(
            name,
            {
                "input": In(stream.Signature(unsigned(len(logic.inputs)))),
                "output": Out(stream.Signature(unsigned(len(logic.outputs)))),
            },
        )

    def elaborate(self, platform: object) -> Module:
        """Build the stage."""
        m = Module()
        if not self.registered:
            m.submodules.body = instantiate(self.logic, self.input.payload, self.output.payload)
            m.d.comb += [
                self.output.valid.eq(self.input.valid),
                self.input.ready.eq(self.output.ready),
            ]
            return m
        # Amaranth takes time for every bit of every signal, so what is as wide as the layer is one
        # instance with its register inside.
        m.submodules.body = Instance(
            f"{self.logic.name}_register",
            i_clk=ClockSignal(),
            i_enable=self.input.ready,
            i_x=self.input.payload,
            o_y=self.output.payload,
        )
        m.d.comb += self.input.ready.eq(~self.output.valid | self.output.ready)
        with m.If(self.input.ready):
            m.d.sync += self.output.valid.eq(self.input.valid)
        return m

    @property
    def modules(self) -> dict[str, str]:
        """Verilog of the modules that the stage instantiates, by name."""
        if not self.registered:
            return self.logic.modules()
        name = f"{self.logic.name}_register"
        return self.logic.modules() | {name: self._register_verilog(name)}

    def _register_verilog(self, name: str) -> str:
        inputs, outputs = len(self.logic.inputs), len(self.logic.outputs)
        # The whole vector is one register: a simulator then passes it on in one event. Bits that
        # are known (``self.known``) have no reader in the next stage, and synthesis drops them.
        lines = [
            f"module {name}(",
            "  input wire clk,",
            "  input wire enable,",
            f"  input wire [{inputs - 1}:0] x,",
            f"  output reg [{outputs - 1}:0] y",
            ");",
            f"  wire [{outputs - 1}:0] result;",
            f"  {self.logic.name} body(.x(x), .y(result));",
            "  initial y = 0;",
            "  always @(posedge clk)",
            "    if (enable)",
            "      y <= result;",
            "endmodule",
            "",
        ]
        return "\n".join(lines)


def instantiate(logic: Logic, inputs: Signal, outputs: Signal) -> Instance:
    """Return an instance of a :class:`Logic` module, its Verilog being emitted beside the rest."""
    return Instance(logic.name, i_x=inputs, o_y=outputs)
