"""Sums of weighted bits: equal and opposite ones taken together, then stated as columns to add."""

from collections.abc import Iterable, Mapping
from functools import lru_cache

from htaflow.hw.logic.netlist import FALSE, Logic, Net

Literal = tuple[Net, bool]
"""A net, and whether it is inverted."""


def collect(logic: Logic, wires: Iterable[tuple[Net, int]]) -> tuple[dict[Literal, int], int]:
    """Return weighted nets as weights of literals, all above 0, and a constant.

    A net of weight -w counts w if it is 0. No net is constant or appears in two literals: the
    weights of equal bits are added, and what a bit and its complement both weigh is a constant.
    """
    weights: dict[Literal, int] = {}
    constant = 0
    for source, signed in wires:
        weight = abs(signed)
        net, inverted = logic.literal(source)
        inverted ^= signed < 0
        if net == FALSE:
            constant += weight * inverted
            continue
        opposite = (net, not inverted)
        have = weights.get(opposite, 0)
        constant += min(have, weight)
        if have > weight:
            weights[opposite] = have - weight
            continue
        weights.pop(opposite, None)
        if weight > have:
            weights[net, inverted] = weights.get((net, inverted), 0) + weight - have
    return weights, constant


def weighted_table(weights: Mapping[Literal, int], threshold: int) -> int:
    """Return the truth table of ``sum(weights * literals) >= threshold`` by the literals' nets."""
    table = 0
    for index in range(1 << len(weights)):
        total = sum(
            weight
            for at, ((_, inverted), weight) in enumerate(weights.items())
            if (index >> at & 1) != inverted
        )
        table |= int(total >= threshold) << index
    return table


def columns(logic: Logic, weights: Mapping[Literal, int]) -> tuple[list[list[Net]], int]:
    """Return what adds up to ``weights`` times their literals, and by how much it is too large.

    Nets in column k weigh 2**k.
    """
    found: list[list[Net]] = []
    too_much = 0
    for (net, inverted), weight in weights.items():
        for place, negative in digits(weight):
            found += [[] for _ in range(place + 1 - len(found))]
            found[place].append(logic.invert(net) if inverted != negative else net)
            too_much += negative << place
    return found, too_much


@lru_cache(maxsize=1 << 12)
def digits(number: int) -> tuple[tuple[int, bool], ...]:
    """Return ``number``, not negative, as powers of two: (exponent, whether it is subtracted).

    Ones as they stand, or the canonical signed digits where these are fewer.
    """
    plain = tuple((place, False) for place in range(number.bit_length()) if number >> place & 1)
    signed = []
    rest, place = number, 0
    while rest:
        if rest & 1:
            negative = rest & 3 == 3
            signed.append((place, negative))
            rest += 1 if negative else -1
        rest >>= 1
        place += 1
    return plain if len(plain) <= len(signed) else tuple(signed)
