"""What a feature stands for in an imported graph."""

from dataclasses import dataclass
from fractions import Fraction


@dataclass(frozen=True)
class InputScale:
    """What a feature stands for: ``value = scale * feature + offset``.

    Attributes:
        scale, offset: exact.
        bits: of a feature.
        signed: whether features are signed.
    """

    scale: Fraction = Fraction(1)
    offset: Fraction = Fraction(0)
    bits: int = 8
    signed: bool = False
