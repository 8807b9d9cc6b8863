"""Weighted sums, defined."""

import numpy as np

from htaflow.flows.proof.bdd import Bdd, Edge
from htaflow.flows.proof.definition.arithmetic import levels, number
from htaflow.flows.proof.definition.define import Bits, define
from htaflow.model.integer.network import Dense, Values


@define.register
def _(layer: Dense, bdd: Bdd, values: Values, fed: Bits) -> Bits:
    width = layer.output(values).width
    spread = layer.on_bits(values)
    found: Bits = []
    for n in range(len(layer.weights)):
        terms, constant = weighted_bits(spread, n, fed)
        if layer.thresholds is None:
            found += number(bdd, terms, constant, width)
        else:
            thresholds = layer.thresholds[n].reshape(-1).tolist()
            found += levels(bdd, terms, constant, thresholds)
    return found


def weighted_bits(layer: Dense, n: int, fed: Bits) -> tuple[list[tuple[Edge, int]], int]:
    """Return the sum of neuron ``n`` as weighted bits and a constant; weights are those of bits."""
    columns = np.flatnonzero(layer.weights[n])
    weights = layer.weights[n, columns].tolist()
    bipolar = layer.inputs == "bipolar"  # w * (2b - 1)
    terms = [
        (fed[column], weight * (2 if bipolar else 1))
        for column, weight in zip(columns.tolist(), weights, strict=True)
    ]
    return terms, -sum(weights) if bipolar else 0
