"""The design around a network on a board: clock, serial line, packets."""

from htaflow.hw.board.packet import PacketError, Reply, Status, encode, read_reply

__all__ = ["PacketError", "Reply", "Status", "encode", "read_reply"]
