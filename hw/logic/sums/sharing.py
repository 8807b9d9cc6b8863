"""What neurons that read the same bits can share, and what it saves.

Let y be the bits, each inverted or not, so that few neurons disagree with it, and R their popcount.
A neuron that inverts the bits D of y counts ``R - |D| + 2 * Q``, with Q the number of zeros among
D. R is built once; D is less than half of the bits, or else the neuron's complement is counted.

Of the sums Q, three bits in which many neurons differ are added once for all of them: a full adder
is two look-up tables and makes two bits of three, and each bit less saves a neuron the tables that
would have added it. Triples are sought within blocks of a few bits, the one that saves most first.
"""

from dataclasses import dataclass
from functools import lru_cache
from itertools import combinations

import numpy as np
import numpy.typing as npt

Bools = npt.NDArray[np.bool_]

BLOCK = 8
"""Bits of a block. Of 4, 6, 8 and 10, smaller ones share less and 10 saves 1 % more at most."""

_ADDER = 2
"""Look-up tables of a full adder."""

_ROUNDS = 20


@dataclass(frozen=True)
class Sharing:
    """How the popcounts of some neurons are made of shared sums.

    Attributes:
        reference: for each bit whether y is its complement, ``[bits]``.
        inverted: for each neuron whether it is its complement that is counted, ``[neurons]``.
        differs: which bits of y each neuron inverts, ``[neurons, bits]``.
        triples: the bits that are added three at a time, ``[triples, 3]``.
        singles: which zeros of y each sum counts one by one, ``[1 + neurons, bits]``. The first sum
            is that of all bits, n - R; the others are Q.
        uses: which triples each sum takes, ``[1 + neurons, triples]``.
        cost: about how many look-up tables it takes, comparisons apart.
    """

    reference: Bools
    inverted: Bools
    differs: Bools
    triples: npt.NDArray[np.int64]
    singles: Bools
    uses: Bools
    cost: float

    @property
    def bits_added(self) -> int:
        """Bits that all sums together add."""
        return int(self.singles.sum() + 2 * self.uses.sum())


def bit_cost(lut_inputs: int) -> float:
    """Return how many look-up tables of 4 or 6 inputs it takes to add one bit to a sum of many."""
    return 1.0 if lut_inputs >= 6 else 1.75


def direct_cost(neurons: int, bits: int, lut_inputs: int) -> float:
    """Return about how many look-up tables separate popcounts take, comparisons apart."""
    return bit_cost(lut_inputs) * neurons * bits


def share(flips: Bools, lut_inputs: int) -> Sharing:
    """Return the way to share the popcounts of ``bits ^ flips``, ``[neurons, bits]``."""
    reference, inverted = _nearest(flips)
    differs = flips ^ reference ^ inverted[:, None]
    sums = np.concatenate([np.ones((1, flips.shape[1]), np.bool_), differs])
    bit = bit_cost(lut_inputs)
    triples, singles, uses = _find_triples(sums, bit)
    # Every neuron also adds half of R.
    added = singles.sum() + 2 * uses.sum() + len(flips) * (flips.shape[1] // 2).bit_length()
    cost = _ADDER * len(triples) + bit * float(added)
    return Sharing(reference, inverted, differs, triples, singles, uses, cost)


def _nearest(flips: Bools) -> tuple[Bools, Bools]:
    """Return a row and whether to invert each neuron so that few of ``flips`` differ from it."""
    inverted = np.zeros(len(flips), np.bool_)
    for _ in range(_ROUNDS):
        reference = (flips ^ inverted[:, None]).mean(axis=0) > 0.5
        opposite = (flips ^ reference).mean(axis=1) > 0.5
        if np.array_equal(opposite, inverted):
            break
        inverted = opposite
    return reference, inverted


def _find_triples(sums: Bools, bit: float) -> tuple[npt.NDArray[np.int64], Bools, Bools]:
    """Return triples for ``sums``, what is left of these, and which of them use which triple."""
    triples: list[list[int]] = []
    uses: list[Bools] = []
    left = sums.copy()
    for start in range(0, sums.shape[1], BLOCK):
        width = min(BLOCK, sums.shape[1] - start)
        choices, masks, contains = _choices(width)
        if not choices:
            continue
        weights = 1 << np.arange(width)
        codes = left[:, start : start + width] @ weights
        # How many sums have each code: the work does not grow with their number.
        seen = np.bincount(codes, minlength=1 << width).astype(np.float32)
        while True:
            users = contains @ seen
            best = int(np.argmax(users))
            if users[best] * bit <= _ADDER:
                break
            having = np.flatnonzero(contains[best])
            seen[having ^ masks[best]] += seen[having]
            seen[having] = 0
            used = (codes & masks[best]) == masks[best]
            codes[used] ^= masks[best]
            triples.append([start + at for at in choices[best]])
            uses.append(used)
        left[:, start : start + width] = codes[:, None] & weights != 0
    return (
        np.array(triples, np.int64).reshape(-1, 3),
        left,
        np.array(uses, np.bool_).reshape(-1, len(sums)).T,
    )


@lru_cache
def _choices(width: int) -> tuple[list[tuple[int, int, int]], list[int], npt.NDArray[np.float32]]:
    """Return the triples of ``width`` bits, their masks, and which codes contain which triple."""
    choices = list(combinations(range(width), 3))
    masks = [sum(1 << at for at in choice) for choice in choices]
    codes = np.arange(1 << width)
    contains = [(codes & mask) == mask for mask in masks]
    return choices, masks, np.array(contains, np.float32)
