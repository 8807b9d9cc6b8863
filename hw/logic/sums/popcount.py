"""Popcounts without carry chains: compressor trees of full adders.

A tree adds the bits of one weight three at a time: the sum stays in its column, the majority goes
one column up, until each column holds one bit. An FPGA's LUTs do this in fewer logic cells than its
carry chains do for the narrow sums of binary networks. For a target with cells of its
own, the trees are those of :mod:`htaflow.hw.logic.sums.compressor`.

A module that counts many bits is text once, however often it is instantiated: that keeps the
Verilog of layers with a million weights small.
"""

from collections.abc import Sequence
from functools import lru_cache

from htaflow.hw.logic.netlist import FALSE, TRUE, Logic, Net
from htaflow.hw.logic.sums.compressor import compress
from htaflow.hw.logic.target import PORTABLE, Target
from htaflow.hw.logic.truth_table import AND2, MAJORITY3, OR2, XOR2, XOR3

_FEWEST = 15
"""Bits of a column that are worth a module."""

# Inputs (a, b, lower): a > b in this bit, or equal in this bit and greater or equal below.
_COMPARE = 0xB2


def popcount(logic: Logic, bits: Sequence[Net]) -> list[Net]:
    """Return the number of ones among ``bits``, low bit first.

    It has ``len(bits).bit_length()`` bits, at least one.
    """
    return add_columns(logic, [bits], max(1, len(bits).bit_length()))


def add_columns(logic: Logic, columns: Sequence[Sequence[Net]], width: int) -> list[Net]:
    """Return the sum of ``columns``, column k having weight 2**k, as ``width`` bits, low first.

    What does not fit ``width`` bits is not built.
    """
    heap = [list(column) for column in columns[:width]]
    heap += [[] for _ in range(width - len(heap))]
    total: list[Net] = []
    for at, column in enumerate(heap):
        carries: list[Net] = heap[at + 1] if at + 1 < width else []
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
    return total


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


def greater_or_equal(logic: Logic, a: Sequence[Net], b: Sequence[Net]) -> Net:
    """Return the net of ``a >= b`` for two unsigned numbers of one width, low bit first."""
    result: Net = 1
    for bit_a, bit_b in zip(a, b, strict=True):
        result = logic.table(_COMPARE, [bit_a, bit_b, result])
    return result


def total(logic: Logic, columns: Sequence[Sequence[Net]], width: int) -> list[Net]:
    """Return the sum of ``columns``, column k having weight 2**k, as ``width`` bits, low first.

    The sum must fit ``width`` bits.
    """
    if logic.target.cell:
        return compress(logic, columns, width, logic.target.lut_inputs)
    return add_columns(logic, columns, width)


def total_by_modules(logic: Logic, columns: Sequence[Sequence[Net]], width: int) -> list[Net]:
    """Return what :func:`total` does, with most of the bits counted by shared modules.

    They count 2**k - 1 bits, the numbers whose trees waste nothing.
    """
    heap = [list(column) for column in columns[:width]]
    heap += [[] for _ in range(width - len(heap))]
    for at, column in enumerate(heap):
        while len(column) >= _FEWEST:
            size = (1 << (len(column) + 1).bit_length() - 1) - 1
            module = popcount_module(size, logic.target)
            number = logic.block(module, column[:size], [False] * size)
            del column[:size]
            for above, net in zip(heap[at:], number, strict=False):
                above.append(net)
    return total(logic, heap, width)


@lru_cache(maxsize=64)
def popcount_module(inputs: int, target: Target = PORTABLE) -> Logic:
    """Return the module ``popcount_N`` that counts the ones of N inputs; one for all neurons."""
    logic = Logic(f"popcount_{inputs}", inputs, target)
    logic.outputs = total(logic, [logic.inputs], inputs.bit_length())
    return logic
