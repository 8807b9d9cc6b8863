"""How many of a row of thresholds a number reaches: three ways to build it, the smallest chosen.

* A comparison with each threshold, and the count of those reached.
* A search by halves: a bit of the result says which threshold the next bit is compared with.
* Where thresholds are evenly spaced, ``(number * multiplier + offset) >> shift``, kept within
  0 and the number of levels. It is used only if it is equal for every number.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import lru_cache

from htaflow.hw.logic.netlist import FALSE, MAX_TABLE_INPUTS, Logic, Net, Table
from htaflow.hw.logic.sums.compressor import compress
from htaflow.hw.logic.sums.literals import digits
from htaflow.hw.logic.sums.popcount import at_least, greater_or_equal
from htaflow.hw.logic.target import Target
from htaflow.hw.logic.truth_table import AND2, MUX, OR2

_COMPARED = 31
"""Up to this many levels, comparing with each may be the smallest way."""

_MAX_SHIFT = 24

_Way = Callable[[Logic, Sequence[Net], tuple[int, ...]], "list[Net] | None"]


def levels_reached(logic: Logic, number: Sequence[Net], thresholds: Sequence[int]) -> list[Net]:
    """Return how many ``thresholds`` a number reaches, low bit first.

    ``number`` is unsigned, low bit first; ``thresholds`` are ascending. The result has
    ``len(thresholds).bit_length()`` bits.
    """
    key = tuple(min(max(threshold, 0), 1 << len(number)) for threshold in thresholds)
    ways = _ranked(len(number), key, logic.target)
    result = ways[0](logic, number, key)
    assert result is not None
    return result


@lru_cache(maxsize=1 << 12)
def _ranked(width: int, thresholds: tuple[int, ...], target: Target) -> list[_Way]:
    """Return the ways to build this, the smallest first."""
    ways: list[_Way] = [_compare_each] if len(thresholds) <= _COMPARED else []
    if len(thresholds) >= 4:
        ways += [_search, _scale]
    if len(ways) == 1:
        return ways
    costs = []
    for at, way in enumerate(ways):
        trial = Logic("trial", width, target)
        outputs = way(trial, list(trial.inputs), thresholds)
        if outputs is not None:
            trial.outputs = outputs
            costs.append((_cost(trial), at))
    return [ways[at] for _, at in sorted(costs)]


def _cost(logic: Logic) -> float:
    """Return about how many of the part's look-up tables a netlist takes."""
    joined = logic.target.lut_inputs - 1
    return sum(
        (len(driver.inputs) - 1) / joined
        for _, driver in logic.live_drivers()
        if isinstance(driver, Table)
    )


def _compare_each(
    logic: Logic, number: Sequence[Net], thresholds: tuple[int, ...]
) -> list[Net] | None:
    """Compare with each threshold, and count."""
    return count_run(logic, [at_least(logic, number, threshold) for threshold in thresholds])


def count_run(logic: Logic, reached: Sequence[Net]) -> list[Net]:
    """Return how many of ``reached`` are 1, low bit first; none is 1 after one that is 0."""
    size = (1 << len(reached).bit_length()) - 1
    run = [*reached, *[FALSE] * (size - len(reached))]
    bits: list[Net] = []
    while run:
        middle = len(run) // 2
        bits.append(run[middle])
        halves = zip(run[:middle], run[middle + 1 :], strict=True)
        run = [logic.table(MUX, [low, high, bits[-1]]) for low, high in halves]
    return bits[::-1]


def _search(logic: Logic, number: Sequence[Net], thresholds: tuple[int, ...]) -> list[Net] | None:
    """Find the result bit by bit, the highest first."""
    width = len(thresholds).bit_length()
    never = 1 << len(number)
    padded = [*thresholds, *[never] * ((1 << width) - 1 - len(thresholds))]
    wide = [*number, FALSE]
    bits: list[Net] = []  # low first
    for place in reversed(range(width)):
        # With the bits found as b, this one is 1 if the number reaches threshold (b 1 0 .. 0) - 1.
        step = 1 << place
        needed = [padded[(2 * prefix + 1) * step - 1] for prefix in range(1 << len(bits))]
        wanted = [
            _select(logic, [one >> at & 1 for one in needed], bits) for at in range(len(wide))
        ]
        bits.insert(0, greater_or_equal(logic, wide, wanted))
    return bits


def _select(logic: Logic, entries: Sequence[int], bits: Sequence[Net]) -> Net:
    """Return the net of the entry that ``bits``, low first, number."""
    if len(bits) <= MAX_TABLE_INPUTS:
        return logic.table(sum(bit << at for at, bit in enumerate(entries)), bits)
    half = len(entries) // 2
    low, high = (_select(logic, part, bits[:-1]) for part in (entries[:half], entries[half:]))
    return logic.table(MUX, [low, high, bits[-1]])


@dataclass(frozen=True)
class Ramp:
    """``(number * multiplier + offset) >> shift``."""

    multiplier: int
    offset: int
    shift: int

    def at(self, number: int) -> int:
        """Return its value for a number; the shift rounds down."""
        return (number * self.multiplier + self.offset) >> self.shift


@lru_cache(maxsize=1 << 12)
def find_ramp(thresholds: tuple[int, ...], high: int) -> Ramp | None:
    """Return the ramp that, kept within 0 and the levels, counts ``thresholds`` reached.

    It is equal for every number from 0 to ``high``. ``None`` if there is none with a shift of at
    most 24; else the one with the fewest digits.
    """
    inner = [t for t in thresholds if 0 < t <= high]
    if len(inner) < 2 or inner[-1] == inner[0]:
        return None
    slope = Fraction(len(inner) - 1, inner[-1] - inner[0])
    best: tuple[int, int, Ramp] | None = None
    for shift in range(_MAX_SHIFT + 1):
        near = int(slope * (1 << shift))
        for multiplier in range(max(1, near - 2), near + 4):
            offset = _offset(thresholds, high, multiplier, shift)
            if offset is None:
                continue
            cost = len(digits(multiplier)), shift
            if best is None or cost < best[:2]:
                best = *cost, Ramp(multiplier, offset, shift)
    return None if best is None else best[2]


def _offset(thresholds: tuple[int, ...], high: int, multiplier: int, shift: int) -> int | None:
    """Return an offset with which the ramp reaches level k just at the k-th threshold."""
    least, most = None, None
    for k, threshold in enumerate(thresholds, 1):
        level = k << shift
        if threshold <= high:  # reached at the threshold, and at 0 if that is below it
            bound = level - multiplier * max(threshold, 0)
            least = bound if least is None else max(least, bound)
        if threshold > 0:  # not reached by the number before it
            bound = level - 1 - multiplier * min(threshold - 1, high)
            most = bound if most is None else min(most, bound)
    if least is None or most is None or least > most:
        return None
    # The offset with the most zeros at its low end adds the least.
    for zeros in range(shift, -1, -1):
        rounded = -(-least >> zeros) << zeros
        if rounded <= most:
            return rounded
    return least


def _scale(logic: Logic, number: Sequence[Net], thresholds: tuple[int, ...]) -> list[Net] | None:
    """Multiply by a constant, and shift."""
    high = (1 << len(number)) - 1
    ramp = find_ramp(thresholds, high)
    if ramp is None:
        return None
    levels = len(thresholds)
    low_end, high_end = ramp.at(0) << ramp.shift, (ramp.at(high) + 1) << ramp.shift
    width = max(high_end.bit_length(), (-low_end - 1).bit_length() if low_end < 0 else 0) + 1
    heap: list[list[Net]] = [[] for _ in range(width)]
    constant = ramp.offset
    for place, negative in digits(ramp.multiplier):
        for at, net in enumerate(number):
            if at + place < width:
                heap[at + place].append(logic.invert(net) if negative else net)
        if negative:  # -x = ~x + 1 - 2**len, modulo 2**width
            constant += (1 << place) - (1 << (place + len(number)))
    total = compress(logic, heap, width, logic.target.lut_inputs, constant)[ramp.shift :]
    *value, sign = total
    size = levels.bit_length()
    result = (value + [FALSE] * size)[:size]
    if ramp.at(high) > levels:
        over = at_least(logic, value, levels + 1)
        result = [
            logic.table(OR2, [net, over])
            if levels >> at & 1
            else logic.table(AND2, [net, logic.invert(over)])
            for at, net in enumerate(result)
        ]
    if ramp.at(0) < 0:
        result = [logic.table(AND2, [net, logic.invert(sign)]) for net in result]
    return result
