"""Popcounts of several neurons that read the same bits, built of what they share."""

from collections.abc import Sequence

import numpy as np

from htaflow.hw.logic.netlist import TRUE, Logic, Net
from htaflow.hw.logic.sums.popcount import at_least, total, total_by_modules
from htaflow.hw.logic.sums.sharing import Bools, Sharing, direct_cost, share
from htaflow.hw.logic.truth_table import MAJORITY3, XOR3

Counted = tuple[list[Net], int, int]
"""A count as (unsigned number, low bit first; sign; constant): sign * number + constant."""

FEWEST_BITS = 16
"""Bits from which on neurons share sums: what reads fewer, synthesis makes smaller than we do.

Measured on 30 neurons, each alone and shared: of 8 bits 48 and 121 LUT6, 65 and 143 LUT4 (iCE40);
of 12 bits 106 and 198, 190 and 246; of 16 bits 228 and 220, 303 and 301."""

INLINE_BITS = 50_000
"""Bits to add from which on a layer counts by shared modules, which cannot be cut by registers."""


def shared_counts(logic: Logic, nets: Sequence[Net], flips: Bools) -> "SharedCounts | None":
    """Return the popcounts of ``nets ^ flips``, or ``None`` if it is cheaper to build each alone.

    ``flips`` is ``[neurons, len(nets)]``; nets may be constant.
    """
    live = np.flatnonzero(np.asarray(nets) > TRUE)
    if len(flips) < 2 or len(live) < FEWEST_BITS:
        return None
    lut_inputs = logic.target.lut_inputs
    sharing = share(flips[:, live], lut_inputs)
    if sharing.cost >= direct_cost(len(flips), len(live), lut_inputs):
        return None
    constant = [at for at, net in enumerate(nets) if net <= TRUE]
    ones = (flips[:, constant] ^ np.array([nets[at] == TRUE for at in constant], np.bool_)).sum(1)
    return SharedCounts(logic, [nets[at] for at in live.tolist()], sharing, ones.tolist())


class SharedCounts:
    """The popcounts ``c[n]`` of some ``nets ^ flips[n]`` and of ``ones[n]`` ones.

    ``sharing`` is the plan for ``flips``, and says what R, D and Q are: ``c[n] - ones[n]`` is
    ``R - |D| + 2 * Q``, or ``len(nets)`` less that for a neuron that the plan inverts.
    """

    def __init__(
        self, logic: Logic, nets: Sequence[Net], sharing: Sharing, ones: Sequence[int]
    ) -> None:
        self._logic = logic
        self._sharing = sharing
        self._ones = ones
        self._bits = len(nets)
        self._add = total_by_modules if sharing.bits_added > INLINE_BITS else total
        self._differ = sharing.differs.sum(axis=1).tolist()
        zeros = [
            net if flipped else logic.invert(net)
            for net, flipped in zip(nets, sharing.reference.tolist(), strict=True)
        ]
        self._zeros = np.array(zeros)
        triples = [[zeros[at] for at in triple] for triple in sharing.triples.tolist()]
        self._sums = np.array([logic.cell(XOR3, triple) for triple in triples], np.int64)
        self._carries = np.array([logic.cell(MAJORITY3, triple) for triple in triples], np.int64)
        # 3 - number is the complement of a number of two bits: ones are counted as zeros are.
        columns = [[logic.invert(net) for net in column] for column in self._columns(0)]
        self._reference = total(logic, columns, self._bits.bit_length())
        low, *half = self._reference
        self._half = half
        width = ((self._bits + 1) // 2).bit_length()
        self._half_up = total(logic, [[low, *half[:1]], *([net] for net in half[1:])], width)

    def at_least(self, n: int, threshold: int) -> Net:
        """Return the net of ``c[n] >= threshold``."""
        threshold -= self._ones[n]
        if self._sharing.inverted[n]:
            return self._logic.invert(self._reaches(n, self._bits + 1 - threshold))
        return self._reaches(n, threshold)

    def number(self, n: int) -> Counted:
        """Return ``c[n]``."""
        differ, ones = self._differ[n], self._ones[n]
        columns = [[net] for net in self._reference] + [[], []]
        for at, column in enumerate(self._columns(1 + n), 1):
            columns[at] += column
        number = self._add(self._logic, columns, (self._bits + differ).bit_length())
        if self._sharing.inverted[n]:
            return number, -1, ones + self._bits + differ
        return number, 1, ones - differ

    def _reaches(self, n: int, threshold: int) -> Net:
        """Return the net of ``R - |D| + 2 * Q >= threshold``."""
        threshold += self._differ[n]
        half = self._half_up if threshold & 1 else self._half
        columns = [[net] for net in half] + [[], []]
        for at, column in enumerate(self._columns(1 + n)):
            columns[at] += column
        width = ((self._bits + 1) // 2 + self._differ[n]).bit_length()
        return at_least(self._logic, self._add(self._logic, columns, width), (threshold + 1) // 2)

    def _columns(self, row: int) -> list[list[Net]]:
        """Return the bits that sum ``row`` of the plan adds: of weight 1, and of weight 2."""
        uses = self._sharing.uses[row]
        singles: list[Net] = self._zeros[self._sharing.singles[row]].tolist()
        sums: list[Net] = self._sums[uses].tolist()
        carries: list[Net] = self._carries[uses].tolist()
        return [singles + sums, carries]
