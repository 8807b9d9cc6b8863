# amaranth: UnusedElaboratable=no
# A core may be made only to ask for its cycles and layouts.
"""Windows of an image, one a cycle, from a stream of its pixels; and what pooling makes of them."""

from dataclasses import dataclass

from amaranth.hdl import Cat, Const, Module, Mux, Signal, Value, unsigned
from amaranth.lib.memory import Memory

from htaflow.hw.layers.placement import Part, Placement, layer_logic, layer_parts, widest_word
from htaflow.hw.logic.constants import BitFacts
from htaflow.hw.logic.netlist import Logic, Net
from htaflow.hw.logic.target import PORTABLE, Target
from htaflow.hw.stream.component import LayerComponent
from htaflow.hw.stream.schedule import Pipeline, Step
from htaflow.model.integer.network import Convolution, MaxPool2d, Values, Windowed

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
        self._channels = image.shape[0]
        self._pad_bit = layer.pad_bit
        steps = []
        for y in range(rows.length):
            for x in range(columns.length):
                inside = rows.is_inside(y) and columns.is_inside(x)
                emits = rows.completes(y) and columns.completes(x)
                steps.append(Step(inside or not (x or y), inside, emits))
        self.pipelines = (Pipeline(steps, 2),)
        super().__init__(name, self._channels, layer.window(image).count)

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

        # First the pixel at hand, and those above it; then the window, which moves on by a column.
        held, completes = Signal(), Signal()
        pixel = Signal(self._channels, reset_less=True)
        with m.If(moves):
            m.d.sync += [held.eq(steps), self.output.valid.eq(held & completes)]
        with m.If(steps):
            padding = Const(-self._pad_bit, self._channels)
            m.d.sync += completes.eq(row_completes & column_completes)
            m.d.sync += pixel.eq(Mux(inside, self.input.payload, padding))
        joins = Signal()
        m.d.comb += joins.eq(moves & held)
        column = self._column(m, pixel, x, steps, joins)
        height, width = self.rows.kernel, self.columns.kernel
        window = Signal(len(column) * width, reset_less=True)
        with m.If(joins):
            m.d.sync += window.eq(Cat(window, column)[len(column) :])
        m.d.comb += self.output.payload.eq(
            Cat(
                window[(right * height + down) * self._channels + channel]
                for channel in range(self._channels)
                for down in range(height)
                for right in range(width)
            )
        )
        return m

    def _column(self, m: Module, pixel: Value, x: Value, steps: Value, joins: Value) -> Value:
        """Return ``pixel`` and, before it, those above it, the highest first.

        ``x`` is the column of the pixel that follows ``pixel``, which it replaces when it
        ``steps``; ``joins`` is when ``pixel`` has been seen and joins those above.
        """
        bits = self._channels * (self.rows.kernel - 1)
        if not bits:
            return pixel
        above = Signal(bits)
        column = Cat(above, pixel)
        kept = column[self._channels :]
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
    """Return the logic of a convolution's neurons, ``values`` being the bits of one window."""
    return layer_logic(layer.neurons, values, target, known)


@layer_parts.register
def _(layer: Windowed, place: Placement) -> list[Part]:
    window = layer.window(place.incoming)
    windows = Windows(layer.name, layer, place.incoming)
    return [windows, place.stage(layer, window, None)]


@widest_word.register
def _(layer: Windowed, incoming: Values) -> tuple[str, int, str]:
    bits = layer.window(incoming).count
    return f"a window of layer '{layer.name}'", bits, "use fewer channels"


@layer_logic.register
def pool_logic(
    layer: MaxPool2d, values: Values, target: Target = PORTABLE, known: BitFacts | None = None
) -> Logic:
    """Return the OR of each channel of a window, ``values`` being its bits."""
    logic = Logic(f"{layer.name}_logic", values.count, target, known)
    pixels = layer.kernel[0] * layer.kernel[1]
    for channel in range(values.count // pixels):
        nets = logic.sources[channel * pixels : (channel + 1) * pixels]
        while len(nets) > 1:
            chosen, nets = nets[: target.lut_inputs], nets[target.lut_inputs :]
            nets.append(_any(logic, chosen))
        logic.name_bit(f"{layer.name}_c{channel}", nets[0])
        logic.outputs.append(nets[0])
    return logic


def _any(logic: Logic, nets: list[Net]) -> Net:
    """Return the OR of a few nets."""
    return logic.table((1 << (1 << len(nets))) - 2, nets)
