"""Dense layers as logic: one neuron after another, dead wires dropped."""

import numpy as np

from htaflow.hw.logic.constants import BitFacts
from htaflow.hw.logic.netlist import FALSE, TRUE, Logic, Net
from htaflow.hw.logic.sums.neuron import neuron, popcount_bits, simplified_neuron
from htaflow.hw.logic.sums.shared_count import Counted, shared_counts
from htaflow.hw.logic.target import PORTABLE, Target
from htaflow.hw.logic.truth_table import MAJORITY3, XOR3
from htaflow.model.integer.network import Dense, Values


def dense_logic(
    layer: Dense, values: Values, target: Target = PORTABLE, known: BitFacts | None = None
) -> Logic:
    """Return the logic of a ``Dense``: its bits, or its scores in two's complement.

    Scores have the layer's width each, the first lowest.
    """
    logic = Logic(f"{layer.name}_logic", values.count, target, known)
    output = layer.output(values)
    rows, columns = layer.wires
    flips = layer.weights[rows, columns] < 0
    nets = np.asarray(logic.sources)[columns]
    plain = nets == columns + logic.inputs.start
    starts = np.searchsorted(rows, np.arange(len(layer.weights) + 1))
    thresholds = layer.popcount_thresholds.tolist() if layer.thresholds is not None else None
    full = _full(layer, thresholds)
    shared = shared_counts(logic, logic.sources, layer.weights[full] < 0)
    places = {n: place for place, n in enumerate(full)} if shared is not None else {}
    for n in range(len(layer.weights)):
        span = slice(starts[n], starts[n + 1])
        inputs = nets[span].tolist()
        flip = flips[span].tolist()
        name = f"{layer.name}_n{n}"
        if thresholds is not None:
            if shared is not None and n in places:
                net = shared.at_least(places[n], thresholds[n])
            else:
                build = neuron if plain[span].all() else simplified_neuron
                net = build(logic, inputs, flip, thresholds[n])
            logic.name_bit(name, net)
            logic.outputs.append(net)
        else:
            if shared is not None and n in places:
                counted = shared.number(places[n])
            else:
                counted = popcount_bits(logic, inputs, flip), 1, 0
            score = _score(logic, layer, output.width, counted, flip)
            logic.name_number(name, score)
            logic.outputs += score
    return logic


def _full(layer: Dense, thresholds: list[int] | None) -> list[int]:
    """Return the neurons that read every input and are not constant: they can share sums."""
    full = layer.weights.all(axis=1)
    if thresholds is not None:
        reach = np.array(thresholds)
        full &= (reach > 0) & (reach <= layer.weights.shape[1])
    found: list[int] = np.flatnonzero(full).tolist()
    return found


def _score(logic: Logic, layer: Dense, width: int, counted: Counted, flip: list[bool]) -> list[Net]:
    """Return the sum of one neuron in two's complement, ``width`` bits, low bit first.

    ``flip`` says which of its weights are negative.
    """
    number, sign, constant = counted
    if layer.inputs == "bipolar":  # sum = 2 * popcount - fan-in
        number, constant = [FALSE, *number], 2 * constant - len(flip)
    else:  # sum = popcount - number of negative weights
        constant -= sum(flip)
    number = (number + [FALSE] * width)[:width]
    if sign < 0:  # -number is the complement of number, plus 1
        number, constant = [logic.invert(net) for net in number], constant + 1
    return _add_constant(logic, number, constant)


def _add_constant(logic: Logic, number: list[Net], constant: int) -> list[Net]:
    """Return ``number + constant`` modulo 2**len(number)."""
    carry: Net = FALSE
    total = []
    for bit, net in enumerate(number):
        addend = TRUE if constant >> bit & 1 else FALSE
        total.append(logic.table(XOR3, [net, addend, carry]))
        carry = logic.table(MAJORITY3, [net, addend, carry])
    return total
