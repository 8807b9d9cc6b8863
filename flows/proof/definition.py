"""What each layer computes, as its integer definition says, in decision diagrams.

Nothing of :mod:`htaflow.hw` is used here: this is the other side of the proof. A value is a list of
functions, its bits, the low one first; values follow one another.
"""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from htaflow.flows.proof.bdd import FALSE, TRUE, Bdd, Edge
from htaflow.model.integer.network import (
    Accumulate,
    ArgMax,
    Concepts,
    Convolution,
    Dense,
    Encode,
    GroupSum,
    Layer,
    Lookup,
    MaxPool2d,
    Quantise,
    Spiking,
    Values,
)

Bits = list[Edge]


def define(bdd: Bdd, layer: Layer, values: Values, fed: Sequence[Edge]) -> Bits:
    """Return what ``layer`` yields when fed ``values``, whose bits are ``fed``.

    What looks through a window is fed one window. A ``Spiking`` yields what
    :func:`define_step` says, and an ``Accumulate`` what :func:`define_total` does. Raises
    ``KeyError`` for a layer that computes nothing.
    """
    return _DEFINED[type(layer).__name__](bdd, layer, values, list(fed))


def computes(layer: Layer) -> bool:
    """Return whether ``layer`` is one of those that :func:`define` knows."""
    return type(layer).__name__ in _DEFINED


def at_least(bdd: Bdd, bits: Sequence[Edge], threshold: int) -> Edge:
    """Return whether an unsigned number is ``threshold`` or more."""
    if threshold <= 0:
        return TRUE
    if threshold >> len(bits):
        return FALSE
    result = TRUE  # equal numbers are enough
    for place, bit in enumerate(bits):
        one = threshold >> place & 1
        result = bdd.conj(bit, result) if one else bdd.disj(bit, result)
    return result


def number(bdd: Bdd, terms: Sequence[tuple[Edge, int]], constant: int, width: int) -> Bits:
    """Return the low ``width`` bits of a sum of weighted literals, in two's complement."""

    def bit(place: int) -> Edge:
        return bdd.of_sum(terms, constant, lambda total: total >> place & 1)

    return [bit(place) for place in range(width)]


def _encode(bdd: Bdd, layer: Encode, values: Values, fed: Bits) -> Bits:
    found = []
    for source, threshold in zip(layer.source.tolist(), layer.threshold.tolist(), strict=True):
        bits = _from_low(layer, fed, source)
        found.append(at_least(bdd, bits, threshold - layer.input.low))
    return found


def _quantise(bdd: Bdd, layer: Quantise, values: Values, fed: Bits) -> Bits:
    dropped = layer.feature_bits - layer.bits
    return [bit for f in range(layer.features) for bit in _from_low(layer, fed, f)[dropped:]]


def _from_low(layer: Encode | Quantise, fed: Bits, feature: int) -> Bits:
    """Return a feature less the least that it can be: of a signed one the sign bit is inverted."""
    width = layer.feature_bits
    bits = fed[feature * width : (feature + 1) * width]
    return [*bits[:-1], bits[-1] ^ int(layer.signed)]


def _terms(layer: Dense, n: int, fed: Bits) -> tuple[list[tuple[Edge, int]], int]:
    """Return the sum of neuron ``n`` as weighted bits and a constant; weights are those of bits."""
    columns = np.flatnonzero(layer.weights[n])
    weights = layer.weights[n, columns].tolist()
    bipolar = layer.inputs == "bipolar"  # w * (2b - 1)
    terms = [
        (fed[column], weight * (2 if bipolar else 1))
        for column, weight in zip(columns.tolist(), weights, strict=True)
    ]
    return terms, -sum(weights) if bipolar else 0


def _dense(bdd: Bdd, layer: Dense, values: Values, fed: Bits) -> Bits:
    width = layer.output(values).width
    spread = layer.on_bits(values)
    found: Bits = []
    for n in range(len(layer.weights)):
        terms, constant = _terms(spread, n, fed)
        if layer.thresholds is None:
            found += number(bdd, terms, constant, width)
        else:
            threshold = int(layer.thresholds[n])

            def fires(total: int, threshold: int = threshold) -> Edge:
                return int(total >= threshold)

            found.append(bdd.of_sum(terms, constant, fires))
    return found


def _lookup(bdd: Bdd, layer: Lookup, values: Values, fed: Bits) -> Bits:
    found = []
    for sources, table in zip(layer.source.tolist(), layer.tables.tolist(), strict=True):
        bits = sum(bit << index for index, bit in enumerate(table))
        found.append(bdd.table(bits, [fed[source] for source in sources]))
    return found


def _convolution(bdd: Bdd, layer: Convolution, values: Values, fed: Bits) -> Bits:
    return define(bdd, layer.neurons, values, fed)


def _pool(bdd: Bdd, layer: MaxPool2d, values: Values, fed: Bits) -> Bits:
    pixels = layer.kernel[0] * layer.kernel[1]
    return [bdd.disj_all(fed[at : at + pixels]) for at in range(0, len(fed), pixels)]


def _concepts(bdd: Bdd, layer: Concepts, values: Values, fed: Bits) -> Bits:
    return fed


def _group_sum(bdd: Bdd, layer: GroupSum, values: Values, fed: Bits) -> Bits:
    size, width = values.count // layer.groups, layer.output(values).width
    found: Bits = []
    for group in range(layer.groups):
        votes = [(bit, 1) for bit in fed[group * size : (group + 1) * size]]
        found += number(bdd, votes, 0, width)
    return found


def _argmax(bdd: Bdd, layer: ArgMax, values: Values, fed: Bits) -> Bits:
    """The class, then the scores themselves, which leave the hardware beside it."""
    width, count = values.width, values.count
    keys = [fed[k * width : (k + 1) * width] for k in range(count)]
    if values.signed:
        keys = [[*key[:-1], key[-1] ^ 1] for key in keys]
    found = [FALSE] * layer.output(values).width
    for k in range(count):
        # The largest, and larger than those before it: the lowest index wins a tie.
        wins = bdd.conj_all(
            _less(bdd, keys[other], keys[k]) if other < k else _less(bdd, keys[k], keys[other]) ^ 1
            for other in range(count)
            if other != k
        )
        found = [bdd.disj(bit, wins) if k >> place & 1 else bit for place, bit in enumerate(found)]
    return [*found, *fed]


def _less(bdd: Bdd, a: Bits, b: Bits) -> Edge:
    """Return whether unsigned ``a`` is less than ``b``."""
    result = FALSE
    for x, y in zip(a, b, strict=True):  # the highest bit in which they differ decides
        result = bdd.mux(bdd.xor(x, y), result, y)
    return result


def define_step(
    bdd: Bdd,
    layer: Spiking,
    fed: Sequence[Edge],
    membranes: Sequence[Sequence[Edge]],
    spiked: Sequence[Edge],
    shapes: Sequence[Values],
    *,
    sums: Values | None = None,
) -> tuple[Bits, list[Bits], Bits]:
    """Return a step of spiking neurons: spikes, membranes after integration, and what counts.

    ``membranes`` are those that the step before left, of ``shapes``; ``spiked`` says which neurons
    spiked in it (not used if reset sets to zero: then membranes are 0 already). With ``sums`` each
    neuron is fed its sum, not bits. The last result says for each neuron whether its membrane is in
    its range before and after.
    """
    spikes, after, counts = [], [], []
    for n, (membrane, shape) in enumerate(zip(membranes, shapes, strict=True)):
        weights = [1 << place for place in range(len(membrane))]
        if shape.signed:
            weights[-1] = -weights[-1]
        state = list(zip(membrane, weights, strict=True))
        leak = layer.leak
        terms = [(bit, w if leak is None else w - (w >> leak)) for bit, w in state]
        constant = 0 if layer.biases is None else int(layer.biases[n])
        if layer.reset == "subtract":
            terms.append((spiked[n], -int(layer.resets[n])))
        if sums is None:
            more, offset = _terms(layer.sums, n, list(fed))
        else:
            bits = fed[n * sums.width : (n + 1) * sums.width]
            more, offset = [(bit, 1 << place) for place, bit in enumerate(bits)], 0
            if sums.signed:
                more[-1] = more[-1][0], -more[-1][1]
        terms += [(bit, weight << layer.fraction) for bit, weight in more]
        constant += offset << layer.fraction
        threshold = int(layer.thresholds[n])

        def within(total: int, shape: Values = shape) -> Edge:
            return int(shape.low <= total <= shape.high)

        def fires(total: int, threshold: int = threshold) -> Edge:
            return int(total >= threshold)

        spikes.append(bdd.of_sum(terms, constant, fires))
        after.append(number(bdd, terms, constant, len(membrane)))
        counts.append(bdd.conj(bdd.of_sum(state, 0, within), bdd.of_sum(terms, constant, within)))
    return spikes, after, counts


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


_DEFINED: dict[str, Callable[[Bdd, Any, Values, Bits], Bits]] = {
    "Encode": _encode,
    "Quantise": _quantise,
    "Dense": _dense,
    "Lookup": _lookup,
    "Conv2d": _convolution,
    "LookupConv2d": _convolution,
    "MaxPool2d": _pool,
    "Concepts": _concepts,
    "GroupSum": _group_sum,
    "ArgMax": _argmax,
}
