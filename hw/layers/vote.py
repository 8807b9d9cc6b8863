"""The decision: votes counted by group, and the index of the largest score."""

from collections.abc import Sequence
from functools import lru_cache

from htaflow.hw.layers.placement import layer_logic
from htaflow.hw.logic.constants import BitFacts
from htaflow.hw.logic.netlist import TRUE, Logic, Net
from htaflow.hw.logic.sums.compressor import compress
from htaflow.hw.logic.sums.literals import collect, columns
from htaflow.hw.logic.sums.popcount import greater_or_equal, popcount
from htaflow.hw.logic.target import PORTABLE, Target
from htaflow.hw.logic.truth_table import MUX
from htaflow.model.integer.network import ArgMax, GroupSum, Values


@layer_logic.register
def group_sum_logic(
    layer: GroupSum, values: Values, target: Target = PORTABLE, known: BitFacts | None = None
) -> Logic:
    """Return the logic of a ``GroupSum``: its scores, each in the fewest bits, the first lowest."""
    logic = Logic(f"{layer.name}_logic", values.count, target, known)
    size = values.count // layer.groups
    width = layer.output(values).width
    for group in range(layer.groups):
        bits = logic.sources[group * size : (group + 1) * size]
        score = _count_votes(logic, bits, width) if target.cell else popcount(logic, bits)
        logic.name_number(f"{layer.name}_score{group}", score)
        logic.outputs += score
    return logic


def _count_votes(logic: Logic, bits: Sequence[Net], width: int) -> list[Net]:
    """Return the number of ones among ``bits``, equal and opposite ones taken together."""
    weights, constant = collect(logic, [(net, 1) for net in bits])
    heap, too_much = columns(logic, weights)
    return compress(logic, heap[:width], width, logic.target.lut_inputs, constant - too_much)


@layer_logic.register
def argmax_logic(
    layer: ArgMax, values: Values, target: Target = PORTABLE, known: BitFacts | None = None
) -> Logic:
    """Return the logic of an ``ArgMax``: the class index in the low bits, then the scores."""
    width = values.width
    logic = Logic(f"{layer.name}_logic", values.count * width, target, known)
    bits = logic.sources
    scores = [bits[k * width : (k + 1) * width] for k in range(values.count)]
    keys = [_unsigned(logic, score, values.signed) for score in scores]
    index_width = layer.output(values).width
    if target.lut_inputs >= 6:
        index = _first(logic, _eliminate(logic, keys), index_width)
    else:
        index = _tournament(logic, keys, index_width)
    logic.name_number(f"{layer.name}_class", index)
    logic.outputs = index + bits
    return logic


def _tournament(logic: Logic, keys: Sequence[list[Net]], index_width: int) -> list[Net]:
    """Return the index of the largest key, the lowest of equals: pairs compete, winners go on."""
    contenders = [
        ([index >> bit & 1 for bit in range(index_width)], key) for index, key in enumerate(keys)
    ]
    while len(contenders) > 2:
        winners = [
            _better(logic, contenders[k], contenders[k + 1])
            for k in range(0, len(contenders) - 1, 2)
        ]
        contenders = winners + contenders[len(winners) * 2 :]
    low, high = contenders
    keep = greater_or_equal(logic, low[1], high[1])
    return [logic.table(MUX, [b, a, keep]) for a, b in zip(low[0], high[0], strict=True)]


_Contender = tuple[list[Net], list[Net]]  # (class index, score)


def _better(logic: Logic, low: _Contender, high: _Contender) -> _Contender:
    """Return the greater of two contenders; a tie goes to ``low``, which has the lower index."""
    keep = greater_or_equal(logic, low[1], high[1])
    index, key = (
        [logic.table(MUX, [b, a, keep]) for a, b in zip(low[part], high[part], strict=True)]
        for part in (0, 1)
    )
    return index, key


def _eliminate(logic: Logic, keys: Sequence[list[Net]]) -> list[Net]:
    """Return for each key whether it is the largest, or equal to it.

    From the top bit down: if some key still in has a one, those with a zero are out. It takes no
    comparison and moves no score: for 10 keys 14 LUT6 a bit, 18 for the first two.
    """
    alive: list[Net] = [TRUE] * len(keys)
    bits = list(reversed(list(zip(*keys, strict=True))))
    if len(bits) > 1:  # all are in: two bits share one step
        high, low, *bits = bits
        some_high = _any(logic, [(net,) for net in high])
        pairs = list(zip(high, low, strict=True))
        size = (logic.target.lut_inputs - 1) // 2
        some = []
        for at in range(0, len(pairs), size):
            nets = [net for pair in pairs[at : at + size] for net in pair]
            some.append((logic.cell(_low_table(len(nets) // 2), [some_high, *nets]),))
        some_low = _any(logic, some)
        # (high | ~some high) & (low | ~some low), inputs (high, low, some high, some low)
        alive = [logic.cell(_BOTH, [one, zero, some_high, some_low]) for one, zero in pairs]
    for ones in bits:
        terms = [_term(a, one) for a, one in zip(alive, ones, strict=True)]
        found = _any(logic, terms)
        # alive & (one | ~found), inputs (alive, one, found)
        alive = [logic.cell(0x8A, [a, one, found]) for a, one in zip(alive, ones, strict=True)]
    return alive


@lru_cache
def _low_table(pairs: int) -> int:
    """Return the table of inputs (h, high, low, high, low, ...): some low with high or not h."""
    table = 0
    for index in range(1 << (2 * pairs + 1)):
        some = any(
            index >> (2 * k + 2) & 1 and (index >> (2 * k + 1) & 1 or not index & 1)
            for k in range(pairs)
        )
        table |= int(some) << index
    return table


_BOTH = sum(
    int((i & 1 or not i >> 2 & 1) and (i >> 1 & 1 or not i >> 3 & 1)) << i for i in range(16)
)


def _term(alive: Net, one: Net) -> tuple[Net, ...]:
    return (one,) if alive == TRUE else (alive, one)


def _any(logic: Logic, terms: Sequence[tuple[Net, ...]]) -> Net:
    """Return whether all nets of some term are 1, in as few tables as their width allows."""
    widest = logic.target.lut_inputs
    waiting = list(terms)
    while sum(map(len, waiting)) > widest:
        taken = [waiting.pop(0)]
        while waiting and sum(map(len, taken)) + len(waiting[0]) <= widest:
            taken.append(waiting.pop(0))
        waiting.append((_or_of_ands(logic, taken),))
    return _or_of_ands(logic, waiting)


def _or_of_ands(logic: Logic, terms: Sequence[tuple[Net, ...]]) -> Net:
    table = _or_of_ands_table(tuple(map(len, terms)))
    return logic.cell(table, [net for term in terms for net in term])


@lru_cache(maxsize=256)
def _or_of_ands_table(sizes: tuple[int, ...]) -> int:
    """Return the table that is 1 where some run of inputs, of these sizes, is all ones."""
    table = 0
    for index in range(1 << sum(sizes)):
        rest = index
        for size in sizes:
            ones = (1 << size) - 1
            table |= int(rest & ones == ones) << index
            rest >>= size
    return table


def _first(logic: Logic, alive: Sequence[Net], index_width: int) -> list[Net]:
    """Return the index of the first net that is 1; some net is."""
    found: list[tuple[Net, list[Net]]] = [
        (net, [index >> bit & 1 for bit in range(index_width)]) for index, net in enumerate(alive)
    ]
    while len(found) > 1:
        merged = []
        for k in range(0, len(found) - 1, 2):
            (low, low_index), (high, high_index) = found[k : k + 2]
            index = [
                logic.table(MUX, [b, a, low]) for a, b in zip(low_index, high_index, strict=True)
            ]
            merged.append((logic.table(0b1110, [low, high]), index))
        found = merged + found[len(merged) * 2 :]
    return found[0][1]


def _unsigned(logic: Logic, number: list[Net], signed: bool) -> list[Net]:
    """Return ``number`` as an unsigned key of the same order: the sign bit inverted."""
    if not signed:
        return number
    return [*number[:-1], logic.invert(number[-1])]
