"""Neurons as logic: a truth table when the fan-in fits one, else a popcount and a comparison."""

from collections.abc import Sequence
from functools import lru_cache

from htaflow.hw.logic.decompose import decompose
from htaflow.hw.logic.netlist import FALSE, MAX_TABLE_INPUTS, TRUE, Logic, Net
from htaflow.hw.logic.sums import literals
from htaflow.hw.logic.sums.popcount import at_least, popcount, popcount_module, total

SHARED_FAN_IN = 64
"""From this fan-in on, neurons instantiate one popcount module instead of a tree of their own."""

STATED_FAN_IN = 13
"""From this fan-in on, a popcount is stated in the target's cells.

Measured on 30 sparse neurons: of 8 inputs they take 143 LUT6 left to synthesis and 240 so stated,
of 12 inputs 324 and 333, of 24 843 and 598; LUT4 (iCE40) 240 and 303, 488 and 486, 1173 and 1123.
"""


def neuron(logic: Logic, inputs: Sequence[Net], flip: Sequence[bool], threshold: int) -> Net:
    """Return the net of ``popcount(inputs ^ flip) >= threshold``.

    ``inputs`` are distinct nets, none of them constant.
    """
    fan_in = len(inputs)
    if threshold <= 0:
        return TRUE
    if threshold > fan_in:
        return FALSE
    if fan_in <= MAX_TABLE_INPUTS:
        mask = sum(1 << position for position, flipped in enumerate(flip) if flipped)
        table = threshold_table(fan_in, mask, threshold)
        if fan_in == 1 and not mask:
            return inputs[0]
        if logic.target.cell:
            return decompose(logic, table, inputs)
        return logic.add(table, tuple(inputs))
    return at_least(logic, popcount_bits(logic, inputs, flip), threshold)


def simplified_neuron(
    logic: Logic, inputs: Sequence[Net], flip: Sequence[bool], threshold: int
) -> Net:
    """Return the net of ``popcount(inputs ^ flip) >= threshold`` for any nets at all."""
    wires = [(net, -1 if flipped else 1) for net, flipped in zip(inputs, flip, strict=True)]
    weights, constant = literals.collect(logic, wires)
    threshold -= constant
    if len(weights) <= MAX_TABLE_INPUTS:
        table = literals.weighted_table(weights, threshold)
        return logic.table(table, [net for net, _ in weights])
    ones = [literal for literal, weight in weights.items() for _ in range(weight)]
    return neuron(logic, [net for net, _ in ones], [flipped for _, flipped in ones], threshold)


def popcount_bits(logic: Logic, inputs: Sequence[Net], flip: Sequence[bool]) -> list[Net]:
    """Return ``popcount(inputs ^ flip)``, low bit first."""
    if len(inputs) >= SHARED_FAN_IN:
        return logic.block(popcount_module(len(inputs), logic.target), inputs, flip)
    bits = [
        logic.invert(net) if flipped else net for net, flipped in zip(inputs, flip, strict=True)
    ]
    if len(bits) < STATED_FAN_IN:
        return popcount(logic, bits)
    return total(logic, [bits], len(bits).bit_length())


@lru_cache(maxsize=4096)
def threshold_table(fan_in: int, flip: int, threshold: int) -> int:
    """Return the truth table of ``popcount(inputs ^ flip) >= threshold``."""
    return sum(
        1 << index for index in range(1 << fan_in) if (index ^ flip).bit_count() >= threshold
    )
