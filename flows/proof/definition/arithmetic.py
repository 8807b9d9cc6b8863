"""Numbers of several bits as decision diagrams."""

from bisect import bisect_right
from collections.abc import Sequence

from htaflow.flows.proof.bdd import FALSE, TRUE, Bdd, Edge
from htaflow.flows.proof.definition.define import Bits


def at_least(bdd: Bdd, bits: Sequence[Edge], threshold: int) -> Edge:
    """Return whether an unsigned number is ``threshold`` or more."""
    if threshold <= 0:
        return TRUE
    if threshold >> len(bits):
        return FALSE
    result = TRUE  # equal numbers are enough
    for place, bit in enumerate(bits):
        one = threshold >> place & 1
        result = bdd.conj(bit, result) if one else bdd.disj(bit, result)
    return result


def number(bdd: Bdd, terms: Sequence[tuple[Edge, int]], constant: int, width: int) -> Bits:
    """Return the low ``width`` bits of a sum of weighted literals, in two's complement."""

    def bit(place: int) -> Edge:
        return bdd.of_sum(terms, constant, lambda total: total >> place & 1)

    return [bit(place) for place in range(width)]


def levels(
    bdd: Bdd, terms: Sequence[tuple[Edge, int]], constant: int, thresholds: Sequence[int]
) -> Bits:
    """Return how many ascending ``thresholds`` a sum of weighted literals reaches."""

    def bit(place: int) -> Edge:
        return bdd.of_sum(
            terms, constant, lambda total: bisect_right(thresholds, total) >> place & 1
        )

    return [bit(place) for place in range(len(thresholds).bit_length())]


def bit_weights(bits: Sequence[Edge], *, signed: bool) -> list[tuple[Edge, int]]:
    """Return the bits of a number, each with what it weighs."""
    weights = [1 << place for place in range(len(bits))]
    if signed:
        weights[-1] = -weights[-1]
    return list(zip(bits, weights, strict=True))


def less(bdd: Bdd, a: Bits, b: Bits) -> Edge:
    """Return whether unsigned ``a`` is less than ``b``."""
    result = FALSE
    for x, y in zip(a, b, strict=True):  # the highest bit in which they differ decides
        result = bdd.mux(bdd.xor(x, y), result, y)
    return result
