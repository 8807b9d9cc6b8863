# amaranth: UnusedElaboratable=no
# A core may be made only to ask for its cycles and layouts.
"""Time steps in hardware: one frame as many transfers, and many transfers as one again."""

from amaranth.hdl import Cat, ClockSignal, Instance, Module, Signal

from htaflow.hw.layers.placement import Part, Placement, layer_parts
from htaflow.hw.logic.constants import BitFacts
from htaflow.hw.logic.netlist import Logic
from htaflow.hw.logic.sums.compressor import compress
from htaflow.hw.logic.target import PORTABLE, Target
from htaflow.hw.logic.truth_table import AND2
from htaflow.hw.logic.verilog import all_modules
from htaflow.hw.stream.component import LayerComponent, position
from htaflow.hw.stream.schedule import EMIT, PASS, TAKE, Pipeline
from htaflow.model.integer.network import Accumulate, Steps, Values


class StepPresenter(LayerComponent):
    """Take a frame and present it in steps, one a transfer.

    Latency: 1 cycle to the first step. Initiation interval: as many cycles as there are steps. The
    next frame is taken in the cycle in which the last step leaves.

    Parameters:
        layer: how many steps, and what each of them is.
        values: the bits that come in.
        known: what is known of them.

    Members:
        input: stream of frames of bits.
        output: stream of steps, bit 0 lowest.
    """

    def __init__(self, layer: Steps, values: Values, known: BitFacts | None = None) -> None:
        self.layer = layer
        self.pipelines = (Pipeline([PASS] + [EMIT] * (layer.steps - 1)),)
        if layer.coding == "direct":
            self.known = known
        bits = layer.output(values).count
        super().__init__(layer.name, values.count, bits)

    def elaborate(self, platform: object) -> Module:
        """Build the register that holds the frame."""
        m = Module()
        width = len(self.output.payload)
        frame = Signal(len(self.input.payload), reset_less=True)
        step = Signal(range(self.layer.steps))
        last = step == self.layer.steps - 1
        m.d.comb += [
            self.input.ready.eq(~self.output.valid | (self.output.ready & last)),
            self.output.payload.eq(frame[:width]),
        ]
        with m.If(self.input.ready):
            m.d.sync += [self.output.valid.eq(self.input.valid), step.eq(0)]
            m.d.sync += frame.eq(self.input.payload)
        with m.Elif(self.output.ready):
            m.d.sync += step.eq(step + 1)
            if self.layer.coding == "split":
                m.d.sync += frame.eq(frame >> width)
        return m


def accumulate_logic(layer: Accumulate, values: Values, target: Target = PORTABLE) -> Logic:
    """Return the logic of one step: totals out of numbers, totals so far and "go on".

    Inputs are the numbers of ``values``, then as many totals of the output's width, all with the
    first lowest, then a bit that is 0 in a frame's first step. Outputs are the new totals.
    """
    width = layer.output(values).width
    numbers, totals = values.count * values.width, values.count * width
    logic = Logic(f"{layer.name}_logic", numbers + totals + 1, target)
    go_on = logic.inputs[-1]
    for index in range(values.count):
        number = logic.inputs[index * values.width : (index + 1) * values.width]
        start = numbers + index * width
        total = logic.inputs[start : start + width]
        extended = [*number, *[number[-1]] * (width - len(number) if values.signed else 0)]
        columns = [[logic.table(AND2, [go_on, bit])] for bit in total]
        for column, bit in zip(columns, extended, strict=False):
            column.append(bit)
        sums = compress(logic, columns, width, target.lut_inputs)
        logic.name_number(f"{layer.name}_total{index}", sums)
        logic.outputs += sums
    return logic


class StepAccumulator(LayerComponent):
    """Add up each value over the steps of a frame.

    Latency: 1 cycle from the last step. Initiation interval: as many cycles as there are steps. The
    totals wait in the registers that add them up: the next frame's first step is taken when they
    leave.

    Parameters:
        layer: the layer.
        values: what comes in, with the number of steps.
        target: what the logic is made for.

    Members:
        input: stream of steps, each number in ``values.width`` bits.
        output: stream of totals, the first lowest.
    """

    def __init__(self, layer: Accumulate, values: Values, target: Target = PORTABLE) -> None:
        assert values.steps is not None
        self.steps = values.steps
        self.pipelines = (Pipeline([TAKE] * (self.steps - 1) + [PASS]),)
        self.logic = accumulate_logic(layer, values, target)
        super().__init__(layer.name, values.count * values.width, len(self.logic.outputs))

    @property
    def modules(self) -> dict[str, str]:
        """Verilog of the adders and their registers, by name."""
        return all_modules(self.logic, registered=True)

    def elaborate(self, platform: object) -> Module:
        """Build the totals."""
        m = Module()
        take = Signal()
        step, last = position(m, take, self.steps)
        m.d.comb += [
            self.input.ready.eq(~self.output.valid | self.output.ready),
            take.eq(self.input.valid & self.input.ready),
        ]
        m.submodules.body = Instance(
            self.logic.name,
            i_clk=ClockSignal(),
            i_enable=take,
            i_x=Cat(self.input.payload, self.output.payload, step != 0),
            o_y=self.output.payload,
        )
        with m.If(self.input.ready):
            m.d.sync += self.output.valid.eq(self.input.valid & last)
        return m


@layer_parts.register
def _(layer: Steps, place: Placement) -> list[Part]:
    return [StepPresenter(layer, place.incoming, place.known)]


@layer_parts.register
def _(layer: Accumulate, place: Placement) -> list[Part]:
    return [StepAccumulator(layer, place.incoming, place.target)]
