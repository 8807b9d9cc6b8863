"""Concepts, defined: bits that do not change."""

from htaflow.flows.proof.bdd import Bdd
from htaflow.flows.proof.definition.define import Bits, define
from htaflow.model.integer.network import Concepts, Values


@define.register
def _(layer: Concepts, bdd: Bdd, values: Values, fed: Bits) -> Bits:
    return fed
