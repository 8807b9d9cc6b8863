"""Scaling, defined."""

from htaflow.flows.proof.bdd import Bdd
from htaflow.flows.proof.definition.arithmetic import bit_weights, number
from htaflow.flows.proof.definition.define import Bits, define
from htaflow.model.integer.network import Scale, Values


@define.register
def _(layer: Scale, bdd: Bdd, values: Values, fed: Bits) -> Bits:
    """The scaled numbers; of an image ``values`` is one pixel."""
    width, out = values.width, layer.output(values).width
    found: Bits = []
    for channel in range(values.count):
        bits = fed[channel * width : (channel + 1) * width]
        factor = int(layer.multipliers[channel])
        terms = [(bit, factor * weight) for bit, weight in bit_weights(bits, signed=values.signed)]
        found += number(bdd, terms, int(layer.offsets[channel]), out)
    return found
