"""Dense layers as logic: one neuron after another, dead wires dropped."""

import numpy as np

from htaflow.hw.known import Known
from htaflow.hw.logic import FALSE, MAJORITY3, TRUE, XOR3, Logic, Net
from htaflow.hw.neuron import count, neuron, simplified_neuron
from htaflow.hw.target import PORTABLE, Target
from htaflow.model.network import Dense, Values


def dense_logic(
    layer: Dense, values: Values, target: Target = PORTABLE, known: Known | None = None
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
    for n in range(len(layer.weights)):
        span = slice(starts[n], starts[n + 1])
        inputs = nets[span].tolist()
        flip = flips[span].tolist()
        name = f"{layer.name}_n{n}"
        if thresholds is not None:
            build = neuron if plain[span].all() else simplified_neuron
            net = build(logic, inputs, flip, thresholds[n])
            logic.name_bit(name, net)
            logic.outputs.append(net)
        else:
            score = _score(logic, layer, output, inputs, flip)
            logic.name_number(name, score)
            logic.outputs += score
    return logic


def _score(
    logic: Logic, layer: Dense, output: Values, inputs: list[Net], flip: list[bool]
) -> list[Net]:
    """Return the sum of one neuron in two's complement, ``output.width`` bits, low bit first."""
    popcounts = count(logic, inputs, flip)
    if layer.inputs == "bipolar":  # sum = 2 * popcount - fan-in
        doubled, offset = [FALSE, *popcounts], -len(inputs)
    else:  # sum = popcount - number of negative weights
        doubled, offset = popcounts, -sum(flip)
    return _add_constant(logic, doubled, offset, output.width)


def _add_constant(logic: Logic, number: list[Net], constant: int, width: int) -> list[Net]:
    """Return ``number + constant`` modulo 2**width, ``number`` being unsigned."""
    extended = (number + [FALSE] * width)[:width]
    carry: Net = FALSE
    total = []
    for bit, net in enumerate(extended):
        addend = TRUE if constant >> bit & 1 else FALSE
        total.append(logic.table(XOR3, [net, addend, carry]))
        carry = logic.table(MAJORITY3, [net, addend, carry])
    return total
