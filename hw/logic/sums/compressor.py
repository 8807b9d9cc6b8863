"""Sums of bits of different weights, by a tree of counters that takes the fewest look-up tables.

A counter takes bits of one or a few neighbouring columns and yields their sum: 6 bits of a column
become 3 bits of three columns in three LUT6, a bit less for each. Wide columns take as many of the
best counter as fit; for what is left, all ways are weighed, a few columns at a time.

Source of the idea: generalised parallel counters, as in Parandeh-Afshar, Brisk and Ienne,
"Efficient synthesis of compressor trees on FPGAs" (2008). The search and the chain are ours.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

from htaflow.hw.logic.netlist import FALSE, TRUE, Logic, Net
from htaflow.hw.logic.truth_table import MUX, XOR3

_SEARCHED = 10
"""From this height on, a column takes the best counter without a search."""

_SEEN = 5
"""Columns that a search looks at; all of them would save 0.3 % more, in three times the time."""

_CHAIN = (9,)  # the chain's name and what it reads: nine bits of one column


@dataclass(frozen=True)
class _Plan:
    """The cheapest way to go on: its look-up tables and the counter to place next."""

    cost: int
    counter: tuple[int, ...] = ()


def compress(
    logic: Logic,
    columns: Sequence[Sequence[Net]],
    width: int,
    lut_inputs: int,
    constant: int = 0,
) -> list[Net]:
    """Return the sum of ``columns``, column k having weight 2**k, as ``width`` bits, low first.

    The sum, a ``constant`` of either sign included, is right modulo ``2**width``: what could only
    be a carry out of ``width`` bits is not built. ``lut_inputs`` is how many inputs a table may
    have, 4 or 6.
    """
    heap = [[net for net in column if net != FALSE] for column in columns]
    heap += [[] for _ in range(width - len(heap))]
    for place in range(width):
        if constant >> place & 1:
            heap[place].append(TRUE)
    # Tall columns first, and all of them: what is searched is small then, and mostly known already.
    tall = _tall_counter(lut_inputs)
    for at in range(width - 1):
        while len(heap[at]) >= _SEARCHED:
            _place(logic, heap, at, tall, width)
    for at in range(width):
        while len(heap[at]) > 1:
            heights = tuple(len(column) for column in heap[at : min(width, at + _SEEN)])
            _place(logic, heap, at, _plan(heights, lut_inputs).counter, width)
    return [net for column in heap[:width] for net in column or [FALSE]]


def _tall_counter(lut_inputs: int) -> tuple[int, ...]:
    """Return the counter that takes the most bits from a tall column for its tables."""
    return (6,) if lut_inputs >= 6 else _CHAIN


@lru_cache(maxsize=1 << 16)
def _plan(heights: tuple[int, ...], lut_inputs: int) -> _Plan:
    """Return how to reduce columns of these ``heights`` to one bit each."""
    if not heights:
        return _Plan(0)
    if heights[0] <= 1:
        return _Plan(_plan(heights[1:], lut_inputs).cost)
    best = _Plan(1 << 30)
    for counter, cost, after in _choices(heights, lut_inputs):
        total = cost + _plan(after, lut_inputs).cost
        if total < best.cost:
            best = _Plan(total, counter)
    return best


def _choices(
    heights: tuple[int, ...], lut_inputs: int
) -> list[tuple[tuple[int, ...], int, tuple[int, ...]]]:
    """Return the counters that can be placed next: each with its cost and the heights after it."""
    chain = lut_inputs < 6 and heights[0] >= 9 and len(heights) > 1
    counters = (*_counters(lut_inputs), *((_CHAIN,) if chain else ()))
    found = []
    for counter in counters:
        if len(counter) > len(heights):
            continue
        if any(take > have for take, have in zip(counter, heights, strict=False)):
            continue
        after = list(heights)
        if counter == _CHAIN:
            after[0] -= 8
            after[1] += 4
            cost = 7
        else:
            for column, take in enumerate(counter):
                after[column] -= take
            outputs = min(_output_bits(counter), len(heights))
            for column in range(outputs):
                after[column] += 1
            cost = outputs
        found.append((counter, cost, tuple(after)))
    return found


@lru_cache
def _counters(lut_inputs: int) -> tuple[tuple[int, ...], ...]:
    """Return all counters of at most ``lut_inputs`` inputs: how many bits of each column."""
    found: list[tuple[int, ...]] = []
    for low in range(2, lut_inputs + 1):
        for middle in range(lut_inputs + 1 - low):
            found.append((low, middle) if middle else (low,))
    return tuple(found)


def _output_bits(counter: tuple[int, ...]) -> int:
    return sum(take << column for column, take in enumerate(counter)).bit_length()


def _place(
    logic: Logic, heap: list[list[Net]], at: int, counter: tuple[int, ...], width: int
) -> None:
    """Replace the first bits of the columns from ``at`` on by their sum."""
    if counter == _CHAIN:
        _place_chain(logic, heap, at)
        return
    inputs: list[Net] = []
    weights: list[int] = []
    for column, take in enumerate(counter):
        inputs += heap[at + column][:take]
        weights += [1 << column] * take
        del heap[at + column][:take]
    for bit in range(min(_output_bits(counter), width - at)):
        net = logic.cell(_sum_table(tuple(weights), bit), inputs)
        if net != FALSE:
            heap[at + bit].append(net)


@lru_cache(maxsize=1024)
def _sum_table(weights: tuple[int, ...], bit: int) -> int:
    """Return the truth table of one bit of the weighted sum of the inputs."""
    table = 0
    for index in range(1 << len(weights)):
        total = sum(weight for k, weight in enumerate(weights) if index >> k & 1)
        table |= (total >> bit & 1) << index
    return table


def _place_chain(logic: Logic, heap: list[list[Net]], at: int) -> None:
    """Replace nine bits of a column by one, and four of the next column, in seven LUT4.

    With p the parity of four bits, ``w + s = (p ^ s) + 2 (u + v)`` where w is their sum, s one bit
    more, ``v = s if p else a`` for any one bit ``a`` of the four, and u takes what is left. Two
    such steps need not build the bit between them.
    """
    start, first, second = heap[at][0], heap[at][1:5], heap[at][5:9]
    del heap[at][:9]
    parities = [logic.cell(0x6996, four) for four in (first, second)]
    heap[at].append(logic.cell(XOR3, [start, *parities]))
    heap[at + 1] += [logic.cell(_LEFT, four) for four in (first, second)]
    heap[at + 1].append(logic.cell(MUX, [first[0], start, parities[0]]))
    # second parity ? start ^ first parity : second[0]
    heap[at + 1].append(
        logic.cell(
            sum((((i >> 1 ^ i >> 2) & 1) if i >> 3 else i & 1) << i for i in range(16)),
            [second[0], start, parities[0], parities[1]],
        )
    )


def _left_table() -> int:
    """Return the table of u: 1 for 3 or 4 ones of four, and for 2 if the first bit is not one."""
    table = 0
    for index in range(16):
        ones = index.bit_count()
        table |= int(ones >= 3 or (ones == 2 and not index & 1)) << index
    return table


_LEFT = _left_table()
