"""Spiking neurons, defined step by step."""

from collections.abc import Sequence

from htaflow.flows.proof.bdd import Bdd, Edge
from htaflow.flows.proof.definition.arithmetic import number
from htaflow.flows.proof.definition.define import Bits
from htaflow.flows.proof.definition.dense import weighted_bits
from htaflow.model.integer.network import Spiking, Values


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
            more, offset = weighted_bits(layer.sums, n, list(fed))
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
