"""Truth tables too wide for the part's look-up tables, as a few that fit.

A table of six inputs is ``f(a(x), b(x), y)`` with four inputs x and two inputs y if the rows for x
come in at most four kinds: two tables tell the kinds apart, a third does the rest. A threshold on
six bits always is so, because two bits move the sum by 0 to 2 and all that matters of the other
four is in which of four ranges their sum lies: three LUT4 a neuron.

Source: R. L. Ashenhurst, "The decomposition of switching functions" (1957), and H. A. Curtis.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import combinations

from htaflow.hw.logic.netlist import Logic, Net


@dataclass(frozen=True)
class _Split:
    """``table = last(*first, *rest)``: what reads the bound inputs, and what reads the rest."""

    bound: tuple[int, ...]
    rest: tuple[int, ...]
    first: tuple[int, ...]
    last: int


def decompose(logic: Logic, table: int, inputs: Sequence[Net]) -> Net:
    """Return the net of ``table``, in the target's cells if a few of them do it.

    A table that does not come apart well is left to synthesis. ``inputs``
    are distinct, and the table depends on each of them.
    """
    if not logic.target.cell:
        return logic.table(table, inputs)
    if len(inputs) <= logic.target.lut_inputs:
        # As a cell too: synthesis would take an input for a reset of the register behind it.
        return logic.cell(table, inputs)
    split = _split(table, len(inputs), logic.target.lut_inputs)
    if split is None:
        return logic.table(table, inputs)
    bound = [inputs[at] for at in split.bound]
    codes = [logic.cell(code, bound) for code in split.first]
    return logic.cell(split.last, [*codes, *(inputs[at] for at in split.rest)])


@lru_cache(maxsize=1 << 14)
def _split(table: int, count: int, lut_inputs: int) -> _Split | None:
    """Return the split that takes the fewest tables, at most three, or ``None``."""
    best: _Split | None = None
    for size in (lut_inputs, lut_inputs - 1):
        for bound in combinations(range(count), size):
            rest = tuple(at for at in range(count) if at not in bound)
            rows = _rows(table, bound, rest)
            kinds = list(dict.fromkeys(rows))
            bits = max(1, (len(kinds) - 1).bit_length())
            if bits > 2 or bits + len(rest) > lut_inputs:
                continue
            if best is None or bits < len(best.first):
                best = _make_split(bound, rest, rows, kinds, bits)
    return best


def _rows(table: int, bound: tuple[int, ...], rest: tuple[int, ...]) -> list[int]:
    """Return for each value of the bound inputs the table of the rest."""
    return [
        sum((table >> index & 1) << other for other, index in enumerate(row))
        for row in _indices(bound, rest)
    ]


@lru_cache
def _indices(bound: tuple[int, ...], rest: tuple[int, ...]) -> list[list[int]]:
    """Return for each value of the bound inputs where its row's entries lie in the table."""

    def spread(value: int, places: tuple[int, ...]) -> int:
        return sum((value >> k & 1) << at for k, at in enumerate(places))

    return [
        [spread(value, bound) | spread(other, rest) for other in range(1 << len(rest))]
        for value in range(1 << len(bound))
    ]


def _make_split(
    bound: tuple[int, ...], rest: tuple[int, ...], rows: list[int], kinds: list[int], bits: int
) -> _Split:
    codes = [kinds.index(row) for row in rows]
    first = tuple(
        sum((code >> bit & 1) << at for at, code in enumerate(codes)) for bit in range(bits)
    )
    last = 0
    for kind, row in enumerate(kinds):
        for other in range(1 << len(rest)):
            last |= (row >> other & 1) << (other << bits | kind)
    return _Split(bound, rest, first, last)
