"""One window, defined: convolutions and pooling."""

from htaflow.flows.proof.bdd import Bdd
from htaflow.flows.proof.definition.define import Bits, define
from htaflow.model.integer.network import Convolution, MaxPool2d, Values


@define.register
def _(layer: Convolution, bdd: Bdd, values: Values, fed: Bits) -> Bits:
    return define(layer.neurons, bdd, values, fed)


@define.register
def _(layer: MaxPool2d, bdd: Bdd, values: Values, fed: Bits) -> Bits:
    pixels = layer.kernel[0] * layer.kernel[1]
    return [bdd.disj_all(fed[at : at + pixels]) for at in range(0, len(fed), pixels)]
