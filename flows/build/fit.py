"""Whether a network can fit a board at all, asked before Yosys starts.

Synthesis of a network far too large takes many minutes and gigabytes, and may fail without saying
why. Only what can certainly not fit is refused here; of the rest, place and route decides.
"""

from htaflow.flows.boards.board import Board
from htaflow.flows.build.route import SMALLER, BoardTooSmallError
from htaflow.hw.lower_bound import lower_bound
from htaflow.hw.network import NetworkCore

_ENOUGH = 10
"""Counting ends when the part is too small by this factor."""


def refuse_too_large(core: NetworkCore, board: Board) -> None:
    """Raise ``BoardTooSmallError`` if ``core`` certainly does not fit ``board``."""
    available = board.logic_cells
    if available is None:
        return
    bound = lower_bound(core, _ENOUGH * available)
    for kind, needed in (("LUTs", bound.tables), ("flip-flops", bound.registers)):
        if needed > available:
            raise BoardTooSmallError(
                f"{board.title}: the network is too large: it needs at least {needed} {kind}, the "
                f"board has {available} ({needed / available:.1f} times as many); {SMALLER}"
            )
