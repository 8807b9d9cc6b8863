"""One window, defined: convolutions and pooling."""

from htaflow.flows.proof.bdd import Bdd
from htaflow.flows.proof.definition.arithmetic import bit_weights, less, number
from htaflow.flows.proof.definition.define import Bits, define
from htaflow.model.integer.network import Convolution, MaxPool2d, SumPool2d, Values, Windowed


@define.register
def _(layer: Convolution, bdd: Bdd, values: Values, fed: Bits) -> Bits:
    return define(layer.neurons, bdd, values, fed)


@define.register
def _(layer: MaxPool2d, bdd: Bdd, values: Values, fed: Bits) -> Bits:
    found: Bits = []
    for numbers in _channels(layer, values, fed):
        if values.width == 1:
            found.append(bdd.disj_all(bit for (bit,) in numbers))
            continue
        largest = numbers[0]
        for other in numbers[1:]:
            smaller = less(bdd, largest, other)
            pairs = zip(largest, other, strict=True)
            largest = [bdd.mux(smaller, bit, more) for bit, more in pairs]
        found += largest
    return found


@define.register
def _(layer: SumPool2d, bdd: Bdd, values: Values, fed: Bits) -> Bits:
    pixels = layer.kernel[0] * layer.kernel[1]
    width = Values((1,), pixels * values.low, pixels * values.high).width
    found: Bits = []
    for numbers in _channels(layer, values, fed):
        terms = [term for one in numbers for term in bit_weights(one, signed=values.signed)]
        found += number(bdd, terms, 0, width)
    return found


def _channels(layer: Windowed, values: Values, fed: Bits) -> list[list[Bits]]:
    """Return for each channel of a window its numbers."""
    pixels, width = layer.kernel[0] * layer.kernel[1], values.width
    numbers = [fed[at : at + width] for at in range(0, len(fed), width)]
    return [numbers[at : at + pixels] for at in range(0, len(numbers), pixels)]
