"""First layers, defined: comparisons of features, and features that keep their top bits."""

from htaflow.flows.proof.bdd import Bdd
from htaflow.flows.proof.definition.arithmetic import at_least
from htaflow.flows.proof.definition.define import Bits, define
from htaflow.model.integer.network import Encode, Quantise, Values


@define.register
def _(layer: Encode, bdd: Bdd, values: Values, fed: Bits) -> Bits:
    found = []
    for source, threshold in zip(layer.source.tolist(), layer.threshold.tolist(), strict=True):
        bits = _from_low(layer, fed, source)
        found.append(at_least(bdd, bits, threshold - layer.input.low))
    return found


@define.register
def _(layer: Quantise, bdd: Bdd, values: Values, fed: Bits) -> Bits:
    dropped = layer.feature_bits - layer.bits
    return [bit for f in range(layer.features) for bit in _from_low(layer, fed, f)[dropped:]]


def _from_low(layer: Encode | Quantise, fed: Bits, feature: int) -> Bits:
    """Return a feature less the least that it can be: of a signed one the sign bit is inverted."""
    width = layer.feature_bits
    bits = fed[feature * width : (feature + 1) * width]
    return [*bits[:-1], bits[-1] ^ int(layer.signed)]
