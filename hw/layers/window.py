# amaranth: UnusedElaboratable=no
# A core may be made only to ask for its cycles and layouts.
"""Windows of an image, one a cycle, from a stream of its pixels; and what pooling makes of them."""

from dataclasses import dataclass

from amaranth.hdl import Cat, Const, Module, Mux, Signal, Value, unsigned
from amaranth.lib.memory import Memory

from htaflow.hw.layers.placement import Part, Placement, layer_logic, layer_parts, widest_word
from htaflow.hw.logic.constants import BitFacts
from htaflow.hw.logic.netlist import Logic, Net
from htaflow.hw.logic.sums.compressor import compress
from htaflow.hw.logic.sums.popcount import greater_or_equal
from htaflow.hw.logic.target import PORTABLE, Target
from htaflow.hw.logic.truth_table import MUX
from htaflow.hw.stream.component import LayerComponent
from htaflow.hw.stream.schedule import Pipeline, Step
from htaflow.model.integer.network import Convolution, MaxPool2d, SumPool2d, Values, Windowed

SHORT_LINE = 6
"""Lines of fewer pixels than this are kept in registers, others in memory.

Measured on 16 channels and a kernel of 3 x 3: an iCE40 then takes 2 block RAMs in the place of 93
of 269 flip-flops, with as many look-up tables; on an ECP5, 6 columns of registers cost 61
flip-flops more than 8 distributed RAMs, which take about 48 look-up tables, and from about 64
columns on Yosys makes block RAM.
"""


@dataclass(frozen=True)
class Axis:
    """The scan along one axis: padding, image, and what padding behind it some window reaches.

    Attributes:
        pad: pixels of padding before the image.
        size: pixels of the image.
        kernel, stride: of the windows.
        windows: their number.
    """

    pad: int
    size: int
    kernel: int
    stride: int
    windows: int

    @property
    def length(self) -> int:
        """Positions of the scan."""
        return max(self.pad + self.size, (self.windows - 1) * self.stride + self.kernel)

    def is_inside(self, at: int) -> bool:
        """Whether position ``at`` is of the image, not of the padding."""
        return self.pad <= at < self.pad + self.size

    def completes(self, at: int) -> bool:
        """Whether a window ends at position ``at``."""
        return at >= self.kernel - 1 and (at - self.kernel + 1) % self.stride == 0


class Windows(LayerComponent):
    """The windows of an image, by line buffers: no frame is ever stored.

    The padded image is scanned row by row, a position a cycle. Padding is put in as the scan comes
    to it; the scan of a frame begins when its first pixel is offered. One memory keeps, for each
    column, the ``kernel height - 1`` pixels above; short lines are kept in registers.

    Latency: 2 cycles from a window's last pixel, if that is no padding. Initiation interval:
    ``rows.length * columns.length`` cycles; without padding and stride, the number of pixels.

    Parameters:
        name: the layer's name.
        layer: kernel, stride and padding.
        image: what comes in, (channels, height, width).

    Members:
        input: stream of pixels.
        output: stream of windows, row by row, in the order of ``layer.taps``.
    """

    def __init__(self, name: str, layer: Windowed, image: Values) -> None:
        rows, columns = (
            Axis(*numbers)
            for numbers in zip(
                layer.padding,
                image.shape[1:],
                layer.kernel,
                layer.stride,
                layer.grid(image),
                strict=True,
            )
        )
        self.rows, self.columns = rows, columns
        self._channels, self.number_bits = image.shape[0], image.width
        self._bits = self._channels * self.number_bits  # of a pixel
        number = layer.pad_bit & ((1 << image.width) - 1)
        pixel = sum(number << at for at in range(0, self._bits, image.width))
        # As a signed number of that width; what is written does not depend on it.
        self._padding = pixel - (pixel >> (self._bits - 1) << self._bits)
        steps = []
        for y in range(rows.length):
            for x in range(columns.length):
                inside = rows.is_inside(y) and columns.is_inside(x)
                emits = rows.completes(y) and columns.completes(x)
                steps.append(Step(inside or not (x or y), inside, emits))
        self.pipelines = (Pipeline(steps, 2),)
        super().__init__(name, self._bits, layer.window(image).count * image.width)

    def elaborate(self, platform: object) -> Module:
        """Build the scan, the lines and the window."""
        m = Module()
        moves, steps = Signal(), Signal()
        m.d.comb += moves.eq(~self.output.valid | self.output.ready)

        x, column_ends, column_completes = _scan(m, self.columns, "column", steps)
        y, _, row_completes = _scan(m, self.rows, "row", steps & column_ends)
        inside = _is_inside(self.rows, y) & _is_inside(self.columns, x)
        waits = inside | ((x == 0) & (y == 0))
        m.d.comb += [
            self.input.ready.eq(moves & inside),
            steps.eq(moves & (self.input.valid | ~waits)),
        ]

        # First the current pixel and those above it; then the window, which moves on by a column.
        held, completes = Signal(), Signal()
        pixel = Signal(self._bits, reset_less=True)
        with m.If(moves):
            m.d.sync += [held.eq(steps), self.output.valid.eq(held & completes)]
        with m.If(steps):
            padding = Const(self._padding, self._bits)
            m.d.sync += completes.eq(row_completes & column_completes)
            m.d.sync += pixel.eq(Mux(inside, self.input.payload, padding))
        joins = Signal()
        m.d.comb += joins.eq(moves & held)
        column = self._column(m, pixel, x, steps, joins)
        height, width = self.rows.kernel, self.columns.kernel
        window = Signal(len(column) * width, reset_less=True)
        with m.If(joins):
            m.d.sync += window.eq(Cat(window, column)[len(column) :])
        size = self.number_bits
        numbers = (
            (right * height + down) * self._bits + channel * size
            for channel in range(self._channels)
            for down in range(height)
            for right in range(width)
        )
        m.d.comb += self.output.payload.eq(Cat(window[at : at + size] for at in numbers))
        return m

    def _column(self, m: Module, pixel: Value, x: Value, steps: Value, joins: Value) -> Value:
        """Return ``pixel`` and, before it, those above it, the highest first.

        ``x`` is the column of the pixel that follows ``pixel``, which it replaces when it
        ``steps``; ``joins`` is when ``pixel`` has been seen and joins those above.
        """
        bits = self._bits * (self.rows.kernel - 1)
        if not bits:
            return pixel
        above = Signal(bits)
        column = Cat(above, pixel)
        kept = column[self._bits :]
        if self.columns.length < SHORT_LINE:
            line = Signal(bits * self.columns.length, reset_less=True)
            with m.If(joins):
                m.d.sync += line.eq(Cat(line, kept)[bits:])
            m.d.comb += above.eq(line[:bits])
            return column
        # What is written was read a step before: the two never meet in one column. Told so, Yosys
        # makes no logic for that, most of the look-up tables beside a block RAM.
        m.submodules.lines = lines = Memory(
            shape=unsigned(bits),
            depth=self.columns.length,
            init=[],
            attrs={"no_rw_check": 1},
        )
        fetch, store = lines.read_port(), lines.write_port()
        at = Signal.like(x, reset_less=True)
        with m.If(steps):
            m.d.sync += at.eq(x)
        m.d.comb += [
            fetch.addr.eq(x),
            fetch.en.eq(steps),
            above.eq(fetch.data),
            store.addr.eq(at),
            store.en.eq(joins),
            store.data.eq(kept),
        ]
        return column


def _scan(m: Module, axis: Axis, name: str, steps: Value) -> tuple[Signal, Value, Value]:
    """Return the position on ``axis``, whether it is the last, and whether it ends a window.

    The position moves on when it ``steps``.
    """
    at = Signal(range(axis.length), name=name)
    to_go = Signal(range(max(axis.kernel, axis.stride)), init=axis.kernel - 1, name=f"{name}_to_go")
    last = at == axis.length - 1
    with m.If(steps):
        m.d.sync += [at.eq(at + 1), to_go.eq(to_go - 1)]
        with m.If(to_go == 0):
            m.d.sync += to_go.eq(axis.stride - 1)
        with m.If(last):
            m.d.sync += [at.eq(0), to_go.eq(axis.kernel - 1)]
    return at, last, to_go == 0


def _is_inside(axis: Axis, at: Value) -> Value:
    """Return whether position ``at`` is of the image."""
    end = axis.pad + axis.size
    reached = at >= axis.pad if axis.pad else Const(1)
    return reached & (at < end) if end < axis.length else reached


@layer_logic.register
def convolution_logic(
    layer: Convolution, values: Values, target: Target = PORTABLE, known: BitFacts | None = None
) -> Logic:
    """Return the logic of a convolution's neurons, ``values`` being those of one window."""
    return layer_logic(layer.neurons, values, target, known)


@layer_parts.register
def _(layer: Windowed, place: Placement) -> list[Part]:
    window = layer.window(place.incoming)
    windows = Windows(layer.name, layer, place.incoming)
    return [windows, place.stage(layer, window, None)]


@widest_word.register
def _(layer: Windowed, incoming: Values) -> tuple[str, int, str]:
    bits = layer.window(incoming).count * incoming.width
    return f"a window of layer '{layer.name}'", bits, "use fewer channels"


@layer_logic.register
def pool_logic(
    layer: MaxPool2d, values: Values, target: Target = PORTABLE, known: BitFacts | None = None
) -> Logic:
    """Return the largest of each channel of a window, ``values`` being those of the window."""
    logic = Logic(f"{layer.name}_logic", values.count * values.width, target, known)
    for channel, numbers in enumerate(_channels(logic, layer, values)):
        if values.width == 1:
            nets = [net for (net,) in numbers]
            while len(nets) > 1:
                chosen, nets = nets[: target.lut_inputs], nets[target.lut_inputs :]
                nets.append(_any(logic, chosen))
            largest = nets
        else:
            while len(numbers) > 1:
                first, second, *numbers = numbers
                numbers.append(_larger(logic, first, second))
            largest = numbers[0]
        _name(logic, f"{layer.name}_c{channel}", largest)
        logic.outputs += largest
    return logic


@layer_logic.register
def sum_pool_logic(
    layer: SumPool2d, values: Values, target: Target = PORTABLE, known: BitFacts | None = None
) -> Logic:
    """Return the sum of each channel of a window, ``values`` being those of the window."""
    logic = Logic(f"{layer.name}_logic", values.count * values.width, target, known)
    pixels = layer.kernel[0] * layer.kernel[1]
    width = Values((1,), pixels * values.low, pixels * values.high).width
    for channel, numbers in enumerate(_channels(logic, layer, values)):
        heap: list[list[Net]] = [[] for _ in range(width)]
        constant = 0
        for number in numbers:
            for place, net in enumerate(number):
                heap[place].append(net)
            if values.signed:  # the top bit counts -2**place: its complement less 2**place
                heap[len(number) - 1][-1] = logic.invert(number[-1])
                constant -= 1 << (len(number) - 1)
        total = compress(logic, heap, width, target.lut_inputs, constant)
        _name(logic, f"{layer.name}_c{channel}", total)
        logic.outputs += total
    return logic


def _channels(logic: Logic, layer: Windowed, values: Values) -> list[list[list[Net]]]:
    """Return for each channel of a window its numbers, low bits first."""
    pixels, width = layer.kernel[0] * layer.kernel[1], values.width
    numbers = [logic.sources[at : at + width] for at in range(0, values.count * width, width)]
    return [numbers[at : at + pixels] for at in range(0, values.count, pixels)]


def _larger(logic: Logic, a: list[Net], b: list[Net]) -> list[Net]:
    """Return the larger of two unsigned numbers, low bit first."""
    keep = greater_or_equal(logic, a, b)
    return [logic.table(MUX, [bit_b, bit_a, keep]) for bit_a, bit_b in zip(a, b, strict=True)]


def _name(logic: Logic, name: str, number: list[Net]) -> None:
    """Name the nets of ``number``; a bit bears the ``name`` itself."""
    if len(number) == 1:
        logic.name_bit(name, number[0])
    else:
        logic.name_number(name, number)


def _any(logic: Logic, nets: list[Net]) -> Net:
    """Return the OR of a few nets."""
    return logic.table((1 << (1 << len(nets))) - 2, nets)
