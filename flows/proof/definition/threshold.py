"""Integers as levels, defined."""

from htaflow.flows.proof.bdd import Bdd
from htaflow.flows.proof.definition.arithmetic import bit_weights, levels
from htaflow.flows.proof.definition.define import Bits, define
from htaflow.model.integer.network import Threshold, Values


@define.register
def _(layer: Threshold, bdd: Bdd, values: Values, fed: Bits) -> Bits:
    """The levels; of an image ``values`` is one pixel."""
    width = values.width
    rows = layer.thresholds.reshape(len(layer.thresholds), -1).tolist()
    found: Bits = []
    for channel in range(values.count):
        number = fed[channel * width : (channel + 1) * width]
        thresholds = rows[channel] if len(rows) > 1 else rows[0]
        found += levels(bdd, bit_weights(number, signed=values.signed), 0, thresholds)
    return found
