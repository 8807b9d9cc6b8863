"""Votes and the class, defined."""

from htaflow.flows.proof.bdd import FALSE, Bdd
from htaflow.flows.proof.definition.arithmetic import less, number
from htaflow.flows.proof.definition.define import Bits, define
from htaflow.model.integer.network import ArgMax, GroupSum, Values


@define.register
def _(layer: GroupSum, bdd: Bdd, values: Values, fed: Bits) -> Bits:
    size, width = values.count // layer.groups, layer.output(values).width
    found: Bits = []
    for group in range(layer.groups):
        votes = [(bit, 1) for bit in fed[group * size : (group + 1) * size]]
        found += number(bdd, votes, 0, width)
    return found


@define.register
def _(layer: ArgMax, bdd: Bdd, values: Values, fed: Bits) -> Bits:
    """The class, then the scores themselves, which leave the hardware beside it."""
    width, count = values.width, values.count
    keys = [fed[k * width : (k + 1) * width] for k in range(count)]
    if values.signed:
        keys = [[*key[:-1], key[-1] ^ 1] for key in keys]
    found = [FALSE] * layer.output(values).width
    for k in range(count):
        # The largest, and larger than those before it: the lowest index wins a tie.
        wins = bdd.conj_all(
            less(bdd, keys[other], keys[k]) if other < k else less(bdd, keys[k], keys[other]) ^ 1
            for other in range(count)
            if other != k
        )
        found = [bdd.disj(bit, wins) if k >> place & 1 else bit for place, bit in enumerate(found)]
    return [*found, *fed]
