"""Integers as levels, as logic."""

from htaflow.hw.layers.placement import Part, Placement, layer_logic, layer_parts
from htaflow.hw.logic.constants import BitFacts
from htaflow.hw.logic.netlist import Logic
from htaflow.hw.logic.sums.levels import levels_reached
from htaflow.hw.logic.target import PORTABLE, Target
from htaflow.model.integer.network import Threshold, Values


@layer_logic.register
def threshold_logic(
    layer: Threshold, values: Values, target: Target = PORTABLE, known: BitFacts | None = None
) -> Logic:
    """Return the logic of a ``Threshold``: its levels, each in the fewest bits, the first lowest.

    Of an image ``values`` is one pixel.
    """
    width = values.width
    logic = Logic(f"{layer.name}_logic", values.count * width, target, known)
    # A signed number is compared with an offset: its sign bit inverted makes the order unsigned.
    low = -(1 << (width - 1)) if values.signed else 0
    for channel, thresholds in enumerate(layer.rows(values.count).tolist()):
        number = list(logic.sources[channel * width : (channel + 1) * width])
        if values.signed:
            number[-1] = logic.invert(number[-1])
        level = levels_reached(logic, number, [threshold - low for threshold in thresholds])
        logic.name_number(f"{layer.name}_c{channel}", level)
        logic.outputs += level
    return logic


@layer_parts.register
def _(layer: Threshold, place: Placement) -> list[Part]:
    return [place.stage(layer, place.incoming.pixel, place.known)]
