"""Truth tables as numbers: bit i is the output when the inputs, first lowest, read as i."""

from collections.abc import Sequence
from functools import cache

NOT = 0b01
AND2, OR2, XOR2 = 0b1000, 0b1110, 0b0110
AND3, OR3, XOR3, MAJORITY3 = 0x80, 0xFE, 0x96, 0xE8
MUX = 0xCA  # inputs (a, b, select): select ? b : a


@cache
def _low_mask(count: int, at: int) -> int:
    """Return the mask of the table entries of ``count`` inputs in which input ``at`` is 0."""
    return sum(1 << index for index in range(1 << count) if not index >> at & 1)


@cache
def _cofactor_masks(count: int, at: int) -> list[tuple[int, int]]:
    """Return the (shift, mask) steps that close the gaps between entries with input ``at`` 0."""
    entries = [index for index in range(1 << count) if not index >> at & 1]
    steps = []
    for above in range(at, count - 1):
        # Runs of 1 << above entries lie twice as far apart as they should: move every other down.
        shift = 1 << above
        entries = [e - shift if e >> (above + 1) & 1 else e for e in entries]
        steps.append((shift, sum(1 << e for e in entries)))
    return steps


def cofactor(table: int, count: int, at: int, value: int) -> int:
    """Return the table of ``count - 1`` inputs that is left when input ``at`` is ``value``."""
    table = table >> (value << at) & _low_mask(count, at)
    for shift, mask in _cofactor_masks(count, at):
        table = (table | table >> shift) & mask
    return table


def invert_input(table: int, count: int, at: int) -> int:
    """Return the table with input ``at`` inverted."""
    low = _low_mask(count, at)
    return (table & low) << (1 << at) | (table >> (1 << at)) & low


def merge_inputs(table: int, count: int, first: int, second: int) -> int:
    """Return the table of ``count - 1`` inputs that is left when two inputs are the same net."""
    first_is_0 = _low_mask(count - 1, first)
    both_0, both_1 = (cofactor(table, count, second, value) for value in (0, 1))
    return both_0 & first_is_0 | both_1 & first_is_0 << (1 << first)


def reorder_inputs(table: int, order: Sequence[int]) -> int:
    """Return the table whose input k is input ``order[k]`` of ``table``."""
    result = 0
    for index in range(1 << len(order)):
        old = sum((index >> k & 1) << at for k, at in enumerate(order))
        result |= (table >> old & 1) << index
    return result


def depends_on(table: int, count: int, at: int) -> bool:
    """Return whether a table of ``count`` inputs depends on input ``at``."""
    return bool((table ^ table >> (1 << at)) & _low_mask(count, at))
