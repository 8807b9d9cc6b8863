"""Truth tables, defined."""

from htaflow.flows.proof.bdd import Bdd
from htaflow.flows.proof.definition.define import Bits, define
from htaflow.model.integer.network import Lookup, Values


@define.register
def _(layer: Lookup, bdd: Bdd, values: Values, fed: Bits) -> Bits:
    found = []
    for sources, table in zip(layer.source.tolist(), layer.tables.tolist(), strict=True):
        bits = sum(bit << index for index, bit in enumerate(table))
        found.append(bdd.table(bits, [fed[source] for source in sources]))
    return found
