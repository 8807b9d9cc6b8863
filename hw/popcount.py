"""Popcounts without carry chains: compressor trees of full adders.

A tree adds the bits of one weight three at a time: the sum stays in its column, the majority goes
one column up, until each column holds one bit. An FPGA's LUTs do this in fewer logic cells than its
carry chains do for the narrow sums of binary networks.
"""

from collections.abc import Sequence
from functools import lru_cache

from htaflow.hw.logic import AND2, FALSE, MAJORITY3, OR2, TRUE, XOR2, XOR3, Logic, Net


def popcount(logic: Logic, bits: Sequence[Net]) -> list[Net]:
    """Return the number of ones among ``bits``, low bit first.

    It has ``len(bits).bit_length()`` bits, at least one.
    """
    columns = [list(bits)]
    total: list[Net] = []
    for column in columns:  # columns are appended while the loop runs
        carries: list[Net] = []
        while len(column) > 1:
            first, second, *rest = column
            if rest:
                third, *column = rest
                column.append(logic.table(XOR3, [first, second, third]))
                carries.append(logic.table(MAJORITY3, [first, second, third]))
            else:
                column = [logic.table(XOR2, [first, second])]
                carries.append(logic.table(AND2, [first, second]))
        total += column or [FALSE]
        if carries:
            columns.append(carries)
    return (total + [FALSE] * len(bits).bit_length())[: max(1, len(bits).bit_length())]


def at_least(logic: Logic, number: Sequence[Net], threshold: int) -> Net:
    """Return the net of ``number >= threshold``, for an unsigned number, low bit first."""
    if threshold <= 0:
        return TRUE
    if threshold >> len(number):
        return FALSE
    result = TRUE
    for bit, net in enumerate(number):
        result = logic.table(AND2 if threshold >> bit & 1 else OR2, [net, result])
    return result


@lru_cache(maxsize=64)
def popcount_module(inputs: int) -> Logic:
    """Return the module ``popcount_N`` that counts the ones of N inputs; one for all neurons."""
    logic = Logic(f"popcount_{inputs}", inputs)
    logic.outputs = popcount(logic, logic.inputs)
    return logic
