"""Dense layers with weights beyond -1 and 1, or fed with integers.

A neuron is one popcount a bit plane of its weights, shifted and added, all in one compressor tree:
a bit of weight 5 stands in columns 0 and 2. Bit k of an integer weighs 2**k as much. A weight whose
signed digits are fewer than its ones, as 7 = 8 - 1, is taken as those, -b being (1 - b) - 1.
"""

import math
from collections.abc import Iterable

import numpy as np

from htaflow.hw.layers.dense import dense_logic
from htaflow.hw.layers.placement import layer_logic
from htaflow.hw.logic.constants import BitFacts
from htaflow.hw.logic.decompose import decompose
from htaflow.hw.logic.netlist import FALSE, MAX_TABLE_INPUTS, TRUE, Logic, Net
from htaflow.hw.logic.sums.compressor import compress
from htaflow.hw.logic.sums.levels import levels_reached
from htaflow.hw.logic.sums.literals import Literal, collect, columns, weighted_table
from htaflow.hw.logic.sums.popcount import at_least
from htaflow.hw.logic.target import PORTABLE, Target
from htaflow.model.integer.network import Dense, Values


@layer_logic.register
def sums_logic(
    layer: Dense, values: Values, target: Target = PORTABLE, known: BitFacts | None = None
) -> Logic:
    """Return the logic of any ``Dense``: its bits, or its scores in two's complement.

    Scores have the layer's width each, the first lowest.
    """
    if values.width == 1 and layer.is_ternary and layer.levels <= 1:
        return dense_logic(layer, values, target, known)
    return weighted_logic(layer, values, target, known)


def weighted_logic(
    layer: Dense, values: Values, target: Target = PORTABLE, known: BitFacts | None = None
) -> Logic:
    """Return what :func:`sums_logic` does, for weights of any size."""
    logic = Logic(f"{layer.name}_logic", values.count * values.width, target, known)
    width = layer.output(values).width
    on_bits = layer.on_bits(values)
    rows, columns = on_bits.wires
    starts = np.searchsorted(rows, np.arange(len(layer.weights) + 1))
    weights = on_bits.weights[rows, columns].tolist()
    nets = np.asarray(logic.sources)[columns].tolist()
    thresholds = on_bits.popcount_thresholds.tolist() if layer.thresholds is not None else None
    for n in range(len(layer.weights)):
        span = slice(starts[n], starts[n + 1])
        wires = list(zip(nets[span], weights[span], strict=True))
        name = f"{layer.name}_n{n}"
        if thresholds is not None and layer.levels > 1:
            level = _levels(logic, wires, thresholds[n])
            logic.name_number(name, level)
            logic.outputs += level
        elif thresholds is not None:
            net = _neuron(logic, wires, thresholds[n])
            logic.name_bit(name, net)
            logic.outputs.append(net)
        else:
            score = _score(logic, wires, width, bipolar=layer.inputs == "bipolar")
            logic.name_number(name, score)
            logic.outputs += score
    return logic


def _neuron(logic: Logic, wires: Iterable[tuple[Net, int]], threshold: int) -> Net:
    """Return the net of ``popcount >= threshold``, each net counted as its weight says.

    A net of weight -w counts w if it is 0.
    """
    weights, constant = collect(logic, wires)
    threshold -= constant
    if len(weights) <= MAX_TABLE_INPUTS:
        weights = _decisive(weights, threshold)
        table = weighted_table(weights, threshold)
        if not weights:
            return TRUE if table else FALSE
        return decompose(logic, table, [net for net, _ in weights])
    total, shared, too_much = _total(logic, weights)
    return at_least(logic, total, -(-threshold // shared) + too_much)


def _levels(logic: Logic, wires: Iterable[tuple[Net, int]], thresholds: list[int]) -> list[Net]:
    """Return how many ``thresholds`` the popcount reaches, low bit first.

    Each net counts as its weight says; one of weight -w counts w if it is 0.
    """
    weights, constant = collect(logic, wires)
    needed = [threshold - constant for threshold in thresholds]
    if len(weights) <= MAX_TABLE_INPUTS:
        return _tables(logic, weights, needed)
    total, shared, too_much = _total(logic, weights)
    return levels_reached(logic, total, [-(-one // shared) + too_much for one in needed])


def _tables(logic: Logic, weights: dict[Literal, int], thresholds: list[int]) -> list[Net]:
    """Return how many ``thresholds`` a few weighted bits reach, as a truth table a bit."""
    reached = [weighted_table(weights, threshold) for threshold in thresholds]
    nets = [net for net, _ in weights]
    bits = []
    for place in range(len(thresholds).bit_length()):
        table = 0
        for entry in range(1 << len(nets)):
            count = sum(one >> entry & 1 for one in reached)
            table |= (count >> place & 1) << entry
        bits.append(logic.table(table, nets))
    return bits


def _total(logic: Logic, weights: dict[Literal, int]) -> tuple[list[Net], int, int]:
    """Return the sum of ``weights``, in units of their greatest common divisor.

    The result is the number, low bit first; the divisor; and by how many units it is too large.
    """
    shared = math.gcd(*weights.values())
    weights = {literal: weight // shared for literal, weight in weights.items()}
    heap, too_much = columns(logic, weights)
    width = (sum(weights.values()) + too_much).bit_length()
    return compress(logic, heap[:width], width, logic.target.lut_inputs), shared, too_much


def _score(
    logic: Logic, wires: Iterable[tuple[Net, int]], width: int, *, bipolar: bool
) -> list[Net]:
    """Return the sum of one neuron in two's complement, ``width`` bits, low bit first."""
    # A bipolar value is twice its bit, less 1.
    scale = 2 if bipolar else 1
    every = [(net, weight * scale) for net, weight in wires]
    weights, constant = collect(logic, every)
    constant += sum(weight for _, weight in every if weight < 0)  # -w * b = w * (1 - b) - w
    if bipolar:
        constant -= sum(weight for _, weight in every) // 2
    heap, too_much = columns(logic, weights)
    constant -= too_much
    # Carries beyond the width are not built: the sum is right modulo 2**width.
    return compress(logic, heap[:width], width, logic.target.lut_inputs, constant)


def _decisive(weights: dict[Literal, int], threshold: int) -> dict[Literal, int]:
    """Return those weights on which ``sum(weights * literals) >= threshold`` depends."""
    kept = []
    for literal, weight in weights.items():
        sums = {0}
        for other, more in weights.items():
            if other != literal:
                sums |= {total + more for total in sums}
        if any(total < threshold <= total + weight for total in sums):
            kept.append(literal)
    return {literal: weights[literal] for literal in kept}
