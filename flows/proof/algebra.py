"""What gates can be evaluated in, and what each kind of gate does there."""

from typing import Protocol

SELECT = "select"
"""A gate whose first inputs are its candidates, 2**k of them, and the last k say which one."""


class Algebra(Protocol):
    """What gates can be evaluated in: false is 0."""

    true: int

    def conj(self, f: int, g: int, /) -> int:
        """Return ``f and g``."""

    def xor(self, f: int, g: int, /) -> int:
        """Return ``f != g``."""

    def invert(self, f: int, /) -> int:
        """Return ``not f``."""

    def mux(self, select: int, low: int, high: int, /) -> int:
        """Return ``high if select else low``."""


class Words:
    """As many independent bits as a mask has, evaluated at once: for simulation."""

    def __init__(self, width: int) -> None:
        self.true = (1 << width) - 1

    def conj(self, f: int, g: int) -> int:
        """Return ``f and g``."""
        return f & g

    def xor(self, f: int, g: int) -> int:
        """Return ``f != g``."""
        return f ^ g

    def invert(self, f: int) -> int:
        """Return ``not f``."""
        return f ^ self.true

    def mux(self, select: int, low: int, high: int) -> int:
        """Return ``high if select else low``."""
        return low ^ select & (low ^ high)


def apply_gate(algebra: Algebra, kind: str, fed: list[int]) -> int:
    """Return the value of one gate."""
    a, b = fed[0], fed[-1]
    invert = algebra.invert
    match kind:
        case "$_BUF_":
            return a
        case "$_NOT_":
            return invert(a)
        case "$_AND_":
            return algebra.conj(a, b)
        case "$_NAND_":
            return invert(algebra.conj(a, b))
        case "$_OR_":
            return invert(algebra.conj(invert(a), invert(b)))
        case "$_NOR_":
            return algebra.conj(invert(a), invert(b))
        case "$_XOR_":
            return algebra.xor(a, b)
        case "$_XNOR_":
            return invert(algebra.xor(a, b))
        case "$_ANDNOT_":
            return algebra.conj(a, invert(b))
        case "$_ORNOT_":
            return invert(algebra.conj(invert(a), b))
        case "$_MUX_":
            return algebra.mux(fed[2], a, fed[1])
        case _:
            return _select(algebra, fed)


def _select(algebra: Algebra, fed: list[int]) -> int:
    """Return the candidate that the last inputs, the lowest bit first, choose."""
    index_bits = len(fed).bit_length() - 1
    candidates, index = fed[:-index_bits], fed[-index_bits:]
    for select in index:
        candidates = [
            low if low == high else algebra.mux(select, low, high)
            for low, high in zip(candidates[::2], candidates[1::2], strict=True)
        ]
    return candidates[0]
