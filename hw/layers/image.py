# amaranth: UnusedElaboratable=no
# A core may be made only to ask for its cycles and layouts.
"""Images as streams: a frame becomes pixels, and pixels become a frame again.

A pixel is one transfer of all its channels, channel 0 lowest, each the bits of a number; pixels
come row by row.
"""

from amaranth.hdl import Cat, Module, Signal

from htaflow.hw.layers.placement import Part, Placement, layer_parts, widest_word
from htaflow.hw.stream.component import LayerComponent, position
from htaflow.hw.stream.schedule import EMIT, PASS, TAKE, Pipeline
from htaflow.model.integer.network import Flatten, Unflatten, Values


class Serialiser(LayerComponent):
    """A frame to the pixels of an image.

    Latency: 1 cycle to the first pixel. Initiation interval: a cycle for each pixel; the next frame
    is taken in the cycle in which the last pixel is.

    Parameters:
        name: the layer's name.
        image: the image, (channels, height, width).

    Members:
        input: stream of frames in the image's flat order.
        output: stream of pixels.
    """

    def __init__(self, name: str, image: Values) -> None:
        self._channels, height, width = image.shape
        self._pixels = height * width
        self.number_bits = image.width
        self.pipelines = (Pipeline([PASS] + [EMIT] * (self._pixels - 1)),)
        super().__init__(name, image.count * self.number_bits, self._channels * self.number_bits)

    def elaborate(self, platform: object) -> Module:
        """Build a shift register for each channel."""
        m = Module()
        moves, first, goes = Signal(), Signal(), Signal()
        at, _ = position(m, goes, self._pixels)
        m.d.comb += [
            moves.eq(~self.output.valid | self.output.ready),
            first.eq(at == 0),
            self.input.ready.eq(moves & first),
            goes.eq(moves & (self.input.valid | ~first)),
        ]
        with m.If(moves):
            m.d.sync += self.output.valid.eq(goes)
        for channel in range(self._channels):
            size = self._pixels * self.number_bits
            pixels = Signal(size, name=f"channel{channel}", reset_less=True)
            with m.If(goes & first):
                m.d.sync += pixels.eq(self.input.payload[channel * size : (channel + 1) * size])
            with m.Elif(goes):
                m.d.sync += pixels.eq(pixels >> self.number_bits)
            number = self.output.payload[
                channel * self.number_bits : (channel + 1) * self.number_bits
            ]
            m.d.comb += number.eq(pixels[: self.number_bits])
        return m


class Deserialiser(LayerComponent):
    """The pixels of an image to a frame.

    Latency: 1 cycle from the last pixel. Initiation interval: a cycle for each pixel.

    Parameters:
        name: the layer's name.
        image: the image, (channels, height, width).

    Members:
        input: stream of pixels.
        output: stream of frames in the image's flat order.
    """

    def __init__(self, name: str, image: Values) -> None:
        self._channels, height, width = image.shape
        self._pixels = height * width
        self.number_bits = image.width
        self.pipelines = (Pipeline([TAKE] * (self._pixels - 1) + [PASS]),)
        super().__init__(name, self._channels * self.number_bits, image.count * self.number_bits)

    def elaborate(self, platform: object) -> Module:
        """Build a register for each pixel.

        A pixel changes its own bits only: shifted through, it would change what every neuron behind
        computes, cycle after cycle.
        """
        m = Module()
        takes = Signal()
        at, last = position(m, takes, self._pixels)
        m.d.comb += [
            self.input.ready.eq(~self.output.valid | self.output.ready),
            takes.eq(self.input.valid & self.input.ready),
        ]
        with m.If(self.input.ready):
            m.d.sync += self.output.valid.eq(takes & last)
        pixels = []
        for number in range(self._pixels):
            bits = self._channels * self.number_bits
            pixel = Signal(bits, name=f"pixel{number}", reset_less=True)
            with m.If(takes & (at == number)):
                m.d.sync += pixel.eq(self.input.payload)
            pixels.append(pixel)
        m.d.comb += self.output.payload.eq(
            Cat(
                pixel[channel * self.number_bits : (channel + 1) * self.number_bits]
                for channel in range(self._channels)
                for pixel in pixels
            )
        )
        return m


@layer_parts.register
def _(layer: Unflatten, place: Placement) -> list[Part]:
    return [Serialiser(layer.name, place.outgoing)]


@layer_parts.register
def _(layer: Flatten, place: Placement) -> list[Part]:
    return [Deserialiser(layer.name, place.incoming)]


@widest_word.register(Flatten)
@widest_word.register(Unflatten)
def _(layer: Flatten | Unflatten, incoming: Values) -> tuple[str, int, str]:
    bits = incoming.count * incoming.width
    return f"the image of layer '{layer.name}'", bits, "use a smaller one"
