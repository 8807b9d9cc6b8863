"""What comes back over a serial line."""

import contextlib
import io
import random
from pathlib import Path

from fuzz.mutate import Raw
from htaflow.hw.board.packet import (
    MAX_PAYLOAD,
    PacketError,
    Status,
    encode,
    encode_reply,
    read_reply,
)


def reply_seeds() -> list[bytes]:
    good = encode_reply(Status.OK, b"\x01\x02\x03")
    bad = encode_reply(Status.BAD_CRC)
    return [good, bad, b"\x00\xa4\xff" + good, good + bad + good, encode(b""), encode(b"\x63")]


def mutate_reply(data: bytes, rng: random.Random, raw: Raw) -> bytes:
    if rng.random() < 0.3:
        payload = rng.randbytes(rng.choice((0, 1, 2, 5, 300)))
        return data + encode(payload)
    return raw(data)


def check_reply(data: bytes, folder: Path) -> bool:
    """What comes back over a serial line: replies and noise, in pieces."""
    line = io.BytesIO(data)
    asked = 0

    def read(count: int) -> bytes:
        nonlocal asked
        asked += count
        assert 0 <= count <= MAX_PAYLOAD
        return line.read(count)

    accepted = False
    while line.tell() < len(data):
        start = line.tell()
        try:
            reply = read_reply(read)
        except PacketError as error:
            assert 0 < len(str(error)) <= 200
        else:
            assert encode_reply(reply.status, reply.result) in data[start : line.tell()]
            accepted = True
        assert line.tell() > start
        assert asked <= 2 * len(data) + 4 * MAX_PAYLOAD * (1 + len(data) // 5)
    return accepted


def check_endless(byte: int) -> None:
    """A line that never stops talking and never says anything ends in an error."""
    told = 0

    def read(count: int) -> bytes:
        nonlocal told
        told += count
        assert told < 1 << 22, "it would listen for ever"
        return bytes([byte]) * count

    with contextlib.suppress(PacketError):
        read_reply(read)
