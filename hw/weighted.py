"""Dense layers with weights beyond -1 and 1, or fed with integers.

A neuron is one popcount a bit plane of its weights, shifted and added, all in one compressor tree:
a bit of weight 5 stands in columns 0 and 2. Bit k of an integer weighs 2**k as much. A weight whose
signed digits are fewer than its ones, as 7 = 8 - 1, is taken as those, -b being (1 - b) - 1.
"""

import math
from collections.abc import Iterable, Mapping
from functools import lru_cache

import numpy as np

from htaflow.hw.compressor import add_up
from htaflow.hw.decompose import narrow
from htaflow.hw.dense import dense_logic
from htaflow.hw.known import Known
from htaflow.hw.logic import FALSE, MAX_TABLE_INPUTS, TRUE, Logic, Net
from htaflow.hw.popcount import at_least
from htaflow.hw.target import PORTABLE, Target
from htaflow.model.network import Dense, Values

Literal = tuple[Net, bool]
"""A net, and whether it is inverted."""


def sums_logic(
    layer: Dense, values: Values, target: Target = PORTABLE, known: Known | None = None
) -> Logic:
    """Return the logic of any ``Dense``: its bits, or its scores in two's complement.

    Scores have the layer's width each, the first lowest.
    """
    if values.width == 1 and layer.is_ternary:
        return dense_logic(layer, values, target, known)
    return weighted_logic(layer, values, target, known)


def weighted_logic(
    layer: Dense, values: Values, target: Target = PORTABLE, known: Known | None = None
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
        if thresholds is not None:
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
    weights, constant = _collect(logic, wires)
    threshold -= constant
    if len(weights) <= MAX_TABLE_INPUTS:
        weights = _decisive(weights, threshold)
        table = _table(weights, threshold)
        if not weights:
            return TRUE if table else FALSE
        return narrow(logic, table, [net for net, _ in weights])
    shared = math.gcd(*weights.values())
    weights = {literal: weight // shared for literal, weight in weights.items()}
    threshold = -(-threshold // shared)
    columns, too_much = _columns(logic, weights)
    width = (sum(weights.values()) + too_much).bit_length()
    total = add_up(logic, columns[:width], width, logic.target.lut_inputs)
    return at_least(logic, total, threshold + too_much)


def _score(
    logic: Logic, wires: Iterable[tuple[Net, int]], width: int, *, bipolar: bool
) -> list[Net]:
    """Return the sum of one neuron in two's complement, ``width`` bits, low bit first."""
    # A bipolar value is twice its bit, less 1.
    scale = 2 if bipolar else 1
    every = [(net, weight * scale) for net, weight in wires]
    weights, constant = _collect(logic, every)
    constant += sum(weight for _, weight in every if weight < 0)  # -w * b = w * (1 - b) - w
    if bipolar:
        constant -= sum(weight for _, weight in every) // 2
    columns, too_much = _columns(logic, weights)
    columns += [[] for _ in range(width - len(columns))]
    for place in range(width):
        if constant - too_much >> place & 1:
            columns[place].append(TRUE)
    # Carries beyond the width are not built: the sum is right modulo 2**width.
    return add_up(logic, columns[:width], width, logic.target.lut_inputs)


def _collect(logic: Logic, wires: Iterable[tuple[Net, int]]) -> tuple[dict[Literal, int], int]:
    """Return weighted nets as weights of literals, all above 0, and a constant.

    A net of weight -w counts w if it is 0. No net is constant or appears in two literals: the
    weights of equal bits are added, and what a bit and its complement both weigh is a constant.
    """
    weights: dict[Literal, int] = {}
    constant = 0
    for source, signed in wires:
        weight = abs(signed)
        net, inverted = logic.literal(source)
        inverted ^= signed < 0
        if net == FALSE:
            constant += weight * inverted
            continue
        opposite = (net, not inverted)
        have = weights.pop(opposite, 0)
        constant += min(have, weight)
        if have > weight:
            weights[opposite] = have - weight
        elif weight > have:
            weights[net, inverted] = weights.get((net, inverted), 0) + weight - have
    return weights, constant


def _columns(logic: Logic, weights: Mapping[Literal, int]) -> tuple[list[list[Net]], int]:
    """Return what adds up to ``weights`` times their literals, and by how much it is too large.

    Nets in column k weigh 2**k.
    """
    columns: list[list[Net]] = []
    too_much = 0
    for (net, inverted), weight in weights.items():
        for place, negative in digits(weight):
            columns += [[] for _ in range(place + 1 - len(columns))]
            columns[place].append(logic.invert(net) if inverted != negative else net)
            too_much += negative << place
    return columns, too_much


@lru_cache(maxsize=1 << 12)
def digits(number: int) -> tuple[tuple[int, bool], ...]:
    """Return ``number``, not negative, as powers of two: (exponent, whether it is subtracted).

    Ones as they stand, or the canonical signed digits where these are fewer.
    """
    plain = tuple((place, False) for place in range(number.bit_length()) if number >> place & 1)
    signed = []
    rest, place = number, 0
    while rest:
        if rest & 1:
            negative = rest & 3 == 3
            signed.append((place, negative))
            rest += 1 if negative else -1
        rest >>= 1
        place += 1
    return plain if len(plain) <= len(signed) else tuple(signed)


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


def _table(weights: Mapping[Literal, int], threshold: int) -> int:
    """Return the truth table of ``sum(weights * literals) >= threshold`` by the literals' nets."""
    table = 0
    for index in range(1 << len(weights)):
        total = sum(
            weight
            for at, ((_, inverted), weight) in enumerate(weights.items())
            if (index >> at & 1) != inverted
        )
        table |= int(total >= threshold) << index
    return table
