"""What is known of a word of bits: which are constant, or equal to others.

Such bits need no register and no wire. Synthesis finds them within one layer's logic; across a
register it does not, so one layer's logic tells the next.
"""

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class BitFacts:
    """For each bit a simpler one: ``bit[i] == bit[same[i]] ^ flip[i]``, ``same[i] <= i``.

    ``same[i]`` is -1 for a constant, 0 if not flipped. A bit that ``same`` names stands for itself.
    """

    same: Sequence[int]
    flip: Sequence[bool]

    @property
    def simpler(self) -> list[int]:
        """The bits that are a constant, or another bit or its complement."""
        return [index for index, same in enumerate(self.same) if same != index]
