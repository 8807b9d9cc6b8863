"""Boards as data."""

from htaflow.flows.boards.board import Board, known_boards, load_board, parse_board

__all__ = ["Board", "known_boards", "load_board", "parse_board"]
