# amaranth: UnusedElaboratable=no
import io
import random
from collections.abc import Sequence
from dataclasses import dataclass, field

import pytest
from amaranth.sim import Simulator
from hypothesis import given
from hypothesis import strategies as st

from htaflow.hw.board.packet import (
    OVERHEAD,
    SYNC,
    Link,
    PacketError,
    Reply,
    Status,
    compute_crc,
    encode,
    encode_reply,
    read_reply,
)

BYTE_CYCLES = 12
"""Cycles between bytes on the line; short, to make the tests quick."""
QUIET = 400
"""Cycles of the quiet time."""
BAD_BYTE = -1
PAUSE = -2
SHORT_PAUSE = -3


# Plain loops: what Amaranth offers in their place are asynchronous generators, which complain when
# a bench in the background is dropped.


async def wait(ctx, cycles: int) -> None:
    for _ in range(cycles):
        await ctx.tick()


async def until(ctx, condition, value=None):
    while True:
        _, _, met, sample = await ctx.tick().sample(
            condition, condition if value is None else value
        )
        if met:
            return sample


@dataclass
class Board:
    """A link whose network is a software stand-in that reverses a frame's beats.

    ``lines`` is what the host sends: bytes, ``BAD_BYTE`` for a framing error, ``PAUSE`` for a
    quiet time. The network takes a beat after ``stall`` cycles.
    """

    beats: int = 3
    bus_bits: int = 8
    stall: int = 0
    latency: int = 4
    frames: list[list[int]] = field(default_factory=list)
    dropped: int = 0
    replies: bytearray = field(default_factory=bytearray)

    @property
    def frame_bytes(self) -> int:
        return self.beats * self.bus_bits // 8

    def run(self, line: Sequence[int]) -> list[Reply]:
        dut = Link(beats=self.beats, bus_bits=self.bus_bits, output_bits=self.beats * self.bus_bits)

        async def host(ctx):
            for byte in line:
                if byte in (PAUSE, SHORT_PAUSE):
                    pause = QUIET if byte == PAUSE else QUIET // 2 - BYTE_CYCLES
                    await wait(ctx, pause)
                    continue
                ctx.set(dut.rx.valid if byte != BAD_BYTE else dut.rx_error, 1)
                ctx.set(dut.rx.payload, byte & 0xFF)
                await ctx.tick()
                ctx.set(dut.rx.valid, 0)
                ctx.set(dut.rx_error, 0)
                ctx.set(dut.rx.payload, 0x5A)  # the payload holds for one cycle only
                await wait(ctx, BYTE_CYCLES - 1)
            await wait(ctx, QUIET + BYTE_CYCLES * (self.frame_bytes + 20))

        async def ticks(ctx):
            while True:
                await wait(ctx, QUIET // 2 - 1)
                ctx.set(dut.tick, 1)
                await ctx.tick()
                ctx.set(dut.tick, 0)

        async def listen(ctx):
            while True:
                ctx.set(dut.tx.ready, 1)
                byte = await until(ctx, dut.tx.valid, dut.tx.payload)
                self.replies.append(byte)
                ctx.set(dut.tx.ready, 0)
                await wait(ctx, BYTE_CYCLES - 1)

        async def network(ctx):
            beats = []
            while True:
                await wait(ctx, self.stall)
                ctx.set(dut.frames.ready, 1)
                beat = await until(ctx, dut.frames.valid, dut.frames.payload)
                ctx.set(dut.frames.ready, 0)
                beats.append(beat.data)
                if not beat.last:
                    assert not beat.error
                    assert len(beats) < self.beats
                    continue
                if beat.error:
                    self.dropped += 1
                else:
                    assert len(beats) == self.beats
                    self.frames.append(beats)
                    await wait(ctx, self.latency)
                    result = sum(
                        data << (i * self.bus_bits) for i, data in enumerate(reversed(beats))
                    )
                    ctx.set(dut.results.payload, result)
                    ctx.set(dut.results.valid, 1)
                    await until(ctx, dut.results.ready)
                    ctx.set(dut.results.valid, 0)
                beats = []

        async def rules(ctx):
            offered = None
            while True:
                _, _, valid, ready, payload = await ctx.tick().sample(
                    dut.frames.valid, dut.frames.ready, dut.frames.payload
                )
                if offered is not None:
                    assert valid, "a beat was taken back"
                    assert payload == offered, "a beat changed while it was offered"
                offered = payload if valid and not ready else None

        simulator = Simulator(dut)
        simulator.add_clock(1e-6)
        simulator.add_testbench(host)
        for bench in (ticks, listen, network, rules):
            simulator.add_testbench(bench, background=True)
        simulator.run()
        return read_all(bytes(self.replies))


def read_all(line: bytes) -> list[Reply]:
    """Split what a board sent into replies; nothing may be left over."""
    replies, rest = [], io.BytesIO(line)
    while rest.tell() < len(line):
        assert line[rest.tell()] == SYNC
        replies.append(read_reply(rest.read))
    return replies


def beats_of(payload: bytes, size: int) -> list[int]:
    return [
        int.from_bytes(payload[at : at + size], "little") for at in range(0, len(payload), size)
    ]


def reversed_beats(payload: bytes, size: int) -> bytes:
    return b"".join(reversed([payload[at : at + size] for at in range(0, len(payload), size)]))


GOOD = bytes([0x10, 0xA5, 0x7F])
ANSWER = Reply(Status.OK, bytes(reversed(GOOD)))


def damaged(packet: bytes, position: int) -> bytes:
    wrong = bytearray(packet)
    wrong[position] ^= 0x04
    return bytes(wrong)


# --- Software ---------------------------------------------------------------------------------


def test_crc_is_the_published_one():
    assert compute_crc(b"123456789") == 0x906E


def test_a_packet_byte_by_byte():
    crc = compute_crc(bytes([2, 0, 0xAB, 0xCD]))
    expected = [0xA5, 2, 0, 0xAB, 0xCD, crc & 0xFF, crc >> 8]
    assert encode(bytes([0xAB, 0xCD])) == bytes(expected)
    assert len(expected) == 2 + OVERHEAD


def test_a_payload_too_long_is_rejected():
    with pytest.raises(ValueError, match="at most 65535 bytes, not 65536"):
        encode(bytes(65536))


@given(st.binary(max_size=40), st.sampled_from(Status))
def test_a_reply_reads_back(result, status):
    assert read_all(encode_reply(status, result)) == [Reply(status, result)]


def test_a_reply_is_found_behind_garbage():
    line = b"\x00\xffhello" + encode_reply(Status.OK, b"\x07")
    assert read_reply(io.BytesIO(line).read) == Reply(Status.OK, b"\x07")


def test_a_line_that_is_never_quiet_and_has_no_reply_is_an_error():
    with pytest.raises(PacketError, match="never quiet and no reply begins"):
        read_reply(bytes)  # zeros, for ever


@pytest.mark.parametrize("keep", range(8))
def test_a_reply_cut_short_is_an_error(keep):
    line = encode_reply(Status.OK, b"\x01\x02")
    with pytest.raises(PacketError, match="quiet before"):
        read_reply(io.BytesIO(line[:keep]).read)


@pytest.mark.parametrize("position", range(3, 8))
def test_a_damaged_reply_is_an_error(position):
    line = damaged(encode_reply(Status.OK, b"\x01\x02"), position)
    with pytest.raises(PacketError, match="CRC is wrong"):
        read_reply(io.BytesIO(line).read)


@pytest.mark.parametrize("payload", [b"", b"\x63"])
def test_a_status_that_is_not_known_is_an_error(payload):
    with pytest.raises(PacketError, match="no status that is known"):
        read_reply(io.BytesIO(encode(payload)).read)


# --- Hardware ---------------------------------------------------------------------------------


@pytest.mark.parametrize("stall", [0, 5])
@pytest.mark.parametrize(("beats", "bus_bits"), [(1, 8), (3, 8), (1, 16), (5, 16), (2, 32)])
def test_a_good_request(beats, bus_bits, stall):
    board = Board(beats=beats, bus_bits=bus_bits, stall=stall)
    payload = random.Random(1).randbytes(board.frame_bytes)
    replies = board.run(encode(payload))
    assert board.frames == [beats_of(payload, bus_bits // 8)]
    assert replies == [Reply(Status.OK, reversed_beats(payload, bus_bits // 8))]


def test_a_long_request_uses_both_bytes_of_the_length():
    board = Board(beats=300)
    payload = random.Random(2).randbytes(300)
    assert board.run(encode(payload)) == [Reply(Status.OK, payload[::-1])]


def test_requests_one_after_the_other():
    """The host waits for each reply, here by a pause, and then sends at once."""
    board = Board()
    requests = [bytes([i, 2 * i, SYNC]) for i in range(4)]
    line = [value for request in requests for value in [*encode(request), PAUSE]]
    replies = board.run(line)
    assert replies == [Reply(Status.OK, request[::-1]) for request in requests]


@pytest.mark.parametrize("position", [3, 4, 5, 6, 7])
def test_a_damaged_request_is_answered_and_its_frame_dropped(position):
    board = Board()
    replies = board.run([*damaged(encode(GOOD), position), PAUSE, PAUSE, *encode(GOOD)])
    assert replies == [Reply(Status.BAD_CRC, b""), ANSWER]
    assert (len(board.frames), board.dropped) == (1, 1)


@pytest.mark.parametrize("payload", [b"", b"12", b"1234", bytes(259), bytes([SYNC] * 40)])
def test_a_wrong_length_is_answered_and_its_payload_ignored(payload):
    board = Board()
    replies = board.run([*encode(payload), PAUSE, PAUSE, *encode(GOOD)])
    assert replies == [Reply(Status.BAD_LENGTH, b""), ANSWER]
    assert board.dropped == 0


def test_a_wrong_length_is_answered_before_its_payload():
    board = Board()
    assert board.run(encode(bytes(64))[:3]) == [Reply(Status.BAD_LENGTH, b"")]


@pytest.mark.parametrize("keep", range(3, 8))
def test_a_truncated_request_is_answered(keep):
    board = Board()
    replies = board.run([*encode(GOOD)[:keep], PAUSE, PAUSE, PAUSE, *encode(GOOD)])
    assert replies == [Reply(Status.TRUNCATED, b""), ANSWER]
    assert board.dropped == 1


@pytest.mark.parametrize("keep", [1, 2])
def test_a_request_without_a_length_is_forgotten(keep):
    board = Board()
    replies = board.run([*encode(GOOD)[:keep], PAUSE, *encode(GOOD)])  # the quiet time is enough
    assert replies == [ANSWER]


def test_a_pause_shorter_than_half_the_quiet_time_is_no_end():
    board = Board()
    packet = encode(GOOD)
    line = [value for byte in packet for value in (byte, SHORT_PAUSE)]
    assert board.run(line) == [ANSWER]


@pytest.mark.parametrize("position", range(3, 8))
def test_a_framing_error_ends_the_request(position):
    board = Board()
    packet = list(encode(GOOD))
    packet[position] = BAD_BYTE
    replies = board.run([*packet, PAUSE, PAUSE, *encode(GOOD)])
    assert replies == [Reply(Status.FRAMING, b""), ANSWER]
    assert board.dropped == 1


def test_a_network_that_is_too_slow_is_an_overrun():
    board = Board(stall=3 * BYTE_CYCLES)
    replies = board.run([*encode(GOOD), PAUSE])
    assert replies == [Reply(Status.OVERRUN, b"")]
    assert board.dropped == 1
    assert board.frames == []


def test_garbage_without_a_sync_byte_is_skipped():
    board = Board()
    garbage = [value for value in range(256) if value != SYNC]
    assert board.run([*garbage, *encode(GOOD)]) == [ANSWER]


@pytest.mark.parametrize("seed", range(12))
def test_any_garbage_then_quiet_then_a_good_request(seed):
    """Random bytes, pieces of good packets and damaged bytes: the board always comes back."""
    chance = random.Random(seed)
    line: list[int] = []
    for _ in range(chance.randrange(1, 12)):
        piece = chance.randrange(4)
        if piece == 0:
            line += chance.choices([SYNC, 3, 0, 1, BAD_BYTE, PAUSE], k=6)
        elif piece == 1:
            line += chance.randbytes(chance.randrange(1, 30))
        else:
            start = chance.randrange(4)
            line += encode(GOOD)[start : chance.randrange(start, 9)]
    board = Board(stall=chance.randrange(3))
    replies = board.run([*line, PAUSE, PAUSE, PAUSE, *encode(GOOD), PAUSE, *encode(GOOD)])
    assert replies[-2:] == [ANSWER, ANSWER]
    assert all(reply == ANSWER or not reply.result for reply in replies)


@pytest.mark.parametrize(
    ("beats", "bus_bits", "output_bits", "message"),
    [
        (3, 12, 8, "bus_bits must be 8 or a larger power of two, not 12"),
        (3, 24, 8, "bus_bits must be 8 or a larger power of two, not 24"),
        (3, 8, 9, "output_bits must be a positive multiple of 8, not 9"),
        (3, 8, 0, "output_bits must be a positive multiple of 8, not 0"),
        (0, 8, 8, "a frame has 0 bytes, a packet carries 1 to 65535"),
        (65536, 8, 8, "a frame has 65536 bytes, a packet carries 1 to 65535"),
        (1, 8, 8 * 65535, "a result with its status has 65536 bytes"),
    ],
)
def test_a_bad_parameter_is_rejected(beats, bus_bits, output_bits, message):
    with pytest.raises(ValueError, match=message):
        Link(beats=beats, bus_bits=bus_bits, output_bits=output_bits)
