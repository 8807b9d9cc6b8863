"""Pipeline stages and the rules of the streams between them.

Every stream in htaflow, in Amaranth and at the Verilog boundary, keeps these rules:

1. A transfer happens in each clock cycle in which ``valid`` and ``ready`` are both 1.
2. Once ``valid`` is 1 it stays 1, and the payload does not change, until the transfer.
3. ``valid`` never waits for ``ready``; ``ready`` may wait for ``valid`` and may come and go.
4. Each frame that enters leaves once, and frames leave in the order in which they entered.
"""

from amaranth.hdl import Instance, Module, Signal, unsigned
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out

from htaflow.hw.logic import Logic


class Stage(wiring.Component):
    """Combinational logic followed by one register, with full back-pressure.

    Latency: 1 cycle. Initiation interval: 1 cycle. The register moves on whenever it is empty or
    its frame is taken, so a stall costs exactly the cycles for which the consumer stalls.

    Parameters:
        logic: what is computed, from ``len(logic.inputs)`` bits to ``len(logic.outputs)`` bits.

    Members:
        input: stream of frames, input 0 of the logic in the low bit.
        output: stream of frames, output 0 of the logic in the low bit.
    """

    input: stream.Interface
    output: stream.Interface

    latency = 1
    interval = 1

    def __init__(self, logic: Logic) -> None:
        self.logic = logic
        super().__init__(
            {
                "input": In(stream.Signature(unsigned(len(logic.inputs)))),
                "output": Out(stream.Signature(unsigned(len(logic.outputs)))),
            }
        )

    def elaborate(self, platform: object) -> Module:
        """Build the stage."""
        m = Module()
        result = Signal(len(self.logic.outputs))
        register = Signal(len(self.logic.outputs), reset_less=True)
        m.submodules.logic = instantiate(self.logic, self.input.payload, result)
        m.d.comb += [
            self.input.ready.eq(~self.output.valid | self.output.ready),
            self.output.payload.eq(register),
        ]
        with m.If(self.input.ready):
            m.d.sync += [self.output.valid.eq(self.input.valid), register.eq(result)]
        return m


def instantiate(logic: Logic, inputs: Signal, outputs: Signal) -> Instance:
    """Return an instance of a :class:`Logic` module, its Verilog being emitted beside the rest."""
    return Instance(logic.name, i_x=inputs, o_y=outputs)
