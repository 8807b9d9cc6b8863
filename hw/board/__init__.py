"""The design around a network on a board: clock, serial line, packets."""

from typing import TYPE_CHECKING

from htaflow.model.support.exports import export

if TYPE_CHECKING:
    from htaflow.hw.board.packet import PacketError, Reply, Status, encode, read_reply

__all__ = [
    "PacketError",
    "Reply",
    "Status",
    "encode",
    "read_reply",
]

export(
    __name__,
    {
        "packet": "PacketError Reply Status encode read_reply",
    },
)
