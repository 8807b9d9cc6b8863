"""Multiplication by constants, as logic."""

from htaflow.hw.layers.placement import Part, Placement, layer_logic, layer_parts
from htaflow.hw.logic.compressor import compress
from htaflow.hw.logic.constants import BitFacts
from htaflow.hw.logic.literals import digits
from htaflow.hw.logic.netlist import Logic, Net
from htaflow.hw.logic.target import PORTABLE, Target
from htaflow.model.integer.network import Scale, Values


@layer_logic.register
def scale_logic(
    layer: Scale, values: Values, target: Target = PORTABLE, known: BitFacts | None = None
) -> Logic:
    """Return the logic of a ``Scale``: its numbers, each in the layer's bits, the first lowest.

    Of an image ``values`` is one pixel.
    """
    width = values.width
    logic = Logic(f"{layer.name}_logic", values.count * width, target, known)
    out = layer.output(values).width
    pairs = zip(layer.multipliers.tolist(), layer.offsets.tolist(), strict=True)
    for channel, (multiplier, offset) in enumerate(pairs):
        number = logic.sources[channel * width : (channel + 1) * width]
        result = _scaled(logic, number, multiplier, offset, out, signed=values.signed)
        logic.name_number(f"{layer.name}_c{channel}", result)
        logic.outputs += result
    return logic


def _scaled(
    logic: Logic, number: list[Net], multiplier: int, offset: int, width: int, *, signed: bool
) -> list[Net]:
    """Return ``multiplier * number + offset`` modulo ``2**width``, low bit first."""
    heap: list[list[Net]] = [[] for _ in range(width)]
    constant = offset
    for place, subtracted in digits(abs(multiplier)):
        negative = subtracted != (multiplier < 0)
        for bit, net in enumerate(number):
            # A bit that counts negatively is its complement, less what that counts too much.
            flipped = negative != (signed and bit == len(number) - 1)
            if flipped:
                constant -= 1 << (place + bit)
            if place + bit < width:
                heap[place + bit].append(logic.invert(net) if flipped else net)
    return compress(logic, heap, width, logic.target.lut_inputs, constant)


@layer_parts.register
def _(layer: Scale, place: Placement) -> list[Part]:
    return [place.stage(layer, place.incoming.pixel, place.known)]
