"""The decision: votes counted by group, and the index of the largest score."""

from collections.abc import Sequence

from htaflow.hw.logic import MUX, Logic, Net
from htaflow.hw.popcount import popcount
from htaflow.model.network import ArgMax, GroupSum, Values

# Inputs (a, b, lower): a > b in this bit, or equal in this bit and greater or equal below.
_COMPARE = 0xB2


def group_sum_logic(layer: GroupSum, values: Values) -> Logic:
    """Return the logic of a ``GroupSum``: its scores, each in the fewest bits, the first lowest."""
    logic = Logic(f"{layer.name}_logic", values.count)
    size = values.count // layer.groups
    bits = list(logic.inputs)
    for group in range(layer.groups):
        score = popcount(logic, bits[group * size : (group + 1) * size])
        logic.name_number(f"{layer.name}_score{group}", score)
        logic.outputs += score
    return logic


def argmax_logic(layer: ArgMax, values: Values) -> Logic:
    """Return the logic of an ``ArgMax``: the class index in the low bits, then the scores."""
    width = values.width
    logic = Logic(f"{layer.name}_logic", values.count * width)
    bits = list(logic.inputs)
    scores = [bits[k * width : (k + 1) * width] for k in range(values.count)]
    keys = [_unsigned(logic, score, values.signed) for score in scores]
    index_width = layer.output(values).width
    contenders = [
        ([index >> bit & 1 for bit in range(index_width)], key) for index, key in enumerate(keys)
    ]
    while len(contenders) > 1:
        winners = [
            _better(logic, contenders[k], contenders[k + 1])
            for k in range(0, len(contenders) - 1, 2)
        ]
        contenders = winners + contenders[len(winners) * 2 :]
    index = contenders[0][0]
    logic.name_number(f"{layer.name}_class", index)
    logic.outputs = index + bits
    return logic


def greater_or_equal(logic: Logic, a: Sequence[Net], b: Sequence[Net]) -> Net:
    """Return the net of ``a >= b`` for two unsigned numbers of one width, low bit first."""
    result: Net = 1
    for bit_a, bit_b in zip(a, b, strict=True):
        result = logic.table(_COMPARE, [bit_a, bit_b, result])
    return result


_Contender = tuple[list[Net], list[Net]]  # (class index, score)


def _better(logic: Logic, low: _Contender, high: _Contender) -> _Contender:
    """Return the greater of two contenders; a tie goes to ``low``, which has the lower index."""
    keep = greater_or_equal(logic, low[1], high[1])
    index, key = (
        [logic.table(MUX, [b, a, keep]) for a, b in zip(low[part], high[part], strict=True)]
        for part in (0, 1)
    )
    return index, key


def _unsigned(logic: Logic, number: list[Net], signed: bool) -> list[Net]:
    """Return ``number`` as an unsigned key of the same order: the sign bit inverted."""
    if not signed:
        return number
    return [*number[:-1], logic.invert(number[-1])]
