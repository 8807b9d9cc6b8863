"""Sums over time steps, defined step by step."""

from collections.abc import Sequence

from htaflow.flows.proof.bdd import Bdd, Edge
from htaflow.flows.proof.definition.arithmetic import number
from htaflow.flows.proof.definition.define import Bits
from htaflow.model.integer.network import Accumulate, Values


def define_total(
    bdd: Bdd, layer: Accumulate, values: Values, fed: Sequence[Edge], totals: Sequence[Edge]
) -> Bits:
    """Return the totals after a step, out of its numbers and the totals before it."""
    width = layer.output(values).width
    found: Bits = []
    for index in range(values.count):
        bits = fed[index * values.width : (index + 1) * values.width]
        terms = [(bit, 1 << place) for place, bit in enumerate(bits)]
        if values.signed:
            terms[-1] = terms[-1][0], -terms[-1][1]
        before = totals[index * width : (index + 1) * width]
        terms += [(bit, 1 << place) for place, bit in enumerate(before)]
        found += number(bdd, terms, 0, width)
    return found
