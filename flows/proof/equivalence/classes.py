"""Classes of flip-flops that are always equal, or always each other's complement."""

from htaflow.flows.proof.equivalence.pairing import CONSTANT, Pairing, Side, Unit
from htaflow.flows.proof.gates import Bit


class FlopClasses:
    """The classes of the flip-flops of two designs; ``leader`` gives the one that a class goes by.

    At first all are constant.
    """

    def __init__(self, pairing: Pairing) -> None:
        self.pairing = pairing
        self.leader: dict[Unit, Unit] = dict.fromkeys(pairing.units, CONSTANT)

    def source(self, side: Side, bit: Bit) -> tuple[Unit, int]:
        """Return what stands for a bit that no gate drives, and whether it is complemented."""
        if bit in self.pairing.designs[side].flops:
            unit = self.pairing.unit(side, bit)
            leader = self.leader[unit]
            return leader, self.pairing.init(unit) ^ self.pairing.init(leader)
        sources = self.pairing.sources
        return (0, sources[bit]) if side == 1 and bit in sources else (side, bit), 0
