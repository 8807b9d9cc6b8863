"""Boards as data."""

from typing import TYPE_CHECKING

from htaflow.model.support.exports import export

if TYPE_CHECKING:
    from htaflow.flows.boards.board import Board, known_boards, load_board, parse_board

__all__ = [
    "Board",
    "known_boards",
    "load_board",
    "parse_board",
]

export(
    __name__,
    {
        "board": "Board known_boards load_board parse_board",
    },
)
