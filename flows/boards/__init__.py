"""Boards as data."""

from htaflow.flows.boards.board import Board, Pin, known_boards, load_board, parse_board

__all__ = ["Board", "Pin", "known_boards", "load_board", "parse_board"]
