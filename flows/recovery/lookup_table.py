"""Look-up tables: functions of a few nets."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

NetName = str
"""A name that Verilog takes, or ``"0"`` or ``"1"``. Those of ports begin in lower case."""


@dataclass(frozen=True)
class LookupTable:
    """A look-up table: where the inputs, the first lowest, are ``i``, it is bit ``i``."""

    inputs: tuple[NetName, ...]
    function: int


def multiplexer(low: NetName, high: NetName, select: NetName) -> LookupTable:
    """Return the table that is ``high`` if ``select`` is 1, else ``low``."""
    return LookupTable((low, high, select), 0b11001010)


def simplify(table: LookupTable, known: Mapping[NetName, NetName] = {}) -> LookupTable:
    """Return ``table`` without constant, repeated and unread inputs, renamed by ``known``."""
    inputs = [known.get(net, net) for net in table.inputs]
    function = table.function
    for k in reversed(range(len(inputs))):
        low, high = _halves(function, k, len(inputs))
        first = inputs.index(inputs[k])
        if inputs[k] in ("0", "1"):
            function = high if inputs[k] == "1" else low
        elif first < k:
            # The two inputs are equal: where they are not, the table is never read.
            size = 1 << (len(inputs) - 1)
            function = sum(((high if i >> first & 1 else low) >> i & 1) << i for i in range(size))
        else:
            continue
        del inputs[k]
    for k in reversed(range(len(inputs))):
        low, high = _halves(function, k, len(inputs))
        if low == high:
            function = low
            del inputs[k]
    return LookupTable(tuple(inputs), function)


def permute(table: LookupTable, order: Sequence[NetName]) -> int:
    """Return the function of ``table`` if its inputs, each a different net, came in ``order``."""
    places = [order.index(net) for net in table.inputs]
    result = 0
    for at in range(1 << len(places)):
        old = sum((at >> place & 1) << k for k, place in enumerate(places))
        result |= (table.function >> old & 1) << at
    return result


def _halves(function: int, k: int, count: int) -> tuple[int, int]:
    """Return the tables of the other inputs where input ``k`` of ``count`` is 0 and is 1."""
    width = 1 << k
    mask = (1 << width) - 1
    low = high = 0
    for block in range(1 << (count - 1 - k)):
        low |= (function >> (2 * block * width) & mask) << (block * width)
        high |= (function >> ((2 * block + 1) * width) & mask) << (block * width)
    return low, high
