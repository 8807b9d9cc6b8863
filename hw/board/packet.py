"""The packets that carry frames to a board and results back, and the logic that speaks them.

A packet is

    0xA5, length (2 bytes), payload (``length`` bytes), CRC-16 of length and payload (2 bytes)

with numbers low byte first and the CRC that HDLC uses (``CRC16_IBM_SDLC`` in Amaranth's catalogue).
A request's payload is one frame; a reply's is a :class:`Status` byte and, if that is ``OK``, the
result. The rules:

1. The host sends one request and waits for its reply before it sends the next.
2. Every request whose length is complete gets exactly one reply.
3. A pause within a request that is longer than the quiet time, which the board states, ends the
   request. It does not before half of that time.
4. After any status but ``OK``, and after no reply, the host sends nothing for the quiet time. Then
   the board listens again, regardless of what it received before.
"""

import enum
from collections.abc import Callable
from dataclasses import dataclass

from amaranth.hdl import Cat, Module, ResetInserter, Signal
from amaranth.lib import data, stream, wiring
from amaranth.lib.crc import catalog
from amaranth.lib.wiring import In, Out

SYNC = 0xA5
MAX_PAYLOAD = 0xFFFF
OVERHEAD = 5
"""Bytes of a packet around its payload."""

CRC = catalog.CRC16_IBM_SDLC(8)


class Status(enum.IntEnum):
    """First byte of a reply's payload."""

    OK = 0
    """The result follows."""
    BAD_LENGTH = 1
    """The request's length is not that of a frame of this network; its payload was ignored."""
    BAD_CRC = 2
    """The request was damaged on the way."""
    TRUNCATED = 3
    """The request stopped before its end."""
    OVERRUN = 4
    """The network did not take the frame as fast as it came."""
    FRAMING = 5
    """A byte came without its stop bit: the baud rates differ, or the line was disturbed."""


class PacketError(Exception):
    """What came back is no good reply; the message says why."""


@dataclass(frozen=True)
class Reply:
    """A reply: its status, and the result (empty unless the status is ``OK``)."""

    status: Status
    result: bytes


def compute_crc(body: bytes) -> int:
    """Return the CRC of a packet's length and payload."""
    return int(CRC.compute(body))


def encode(payload: bytes) -> bytes:
    """Return the packet that carries ``payload``. Raises ``ValueError`` if it is too long."""
    if len(payload) > MAX_PAYLOAD:
        raise ValueError(f"a packet carries at most {MAX_PAYLOAD} bytes, not {len(payload)}")
    body = len(payload).to_bytes(2, "little") + payload
    return bytes([SYNC]) + body + compute_crc(body).to_bytes(2, "little")


def encode_reply(status: Status, result: bytes = b"") -> bytes:
    """Return the packet that a board replies with."""
    return encode(bytes([status]) + result)


def read_reply(read: Callable[[int], bytes]) -> Reply:
    """Read one reply, skipping what comes before it.

    ``read(n)`` returns the next ``n`` bytes, or fewer when no more came in time. Raises
    ``PacketError`` when it returned fewer, on a wrong CRC, on a status that is not known, and when
    no reply begins within the bytes of the longest packet.
    """

    def exactly(count: int, what: str) -> bytes:
        got = read(count)
        if len(got) < count:
            raise PacketError(f"the line went quiet before {what}")
        return got

    for _ in range(MAX_PAYLOAD + OVERHEAD):
        if exactly(1, "a reply began")[0] == SYNC:
            break
    else:
        raise PacketError("the line is never quiet and no reply begins: it carries something else")
    length = exactly(2, "the reply's length")
    payload = exactly(int.from_bytes(length, "little"), "the end of the reply")
    crc = int.from_bytes(exactly(2, "the reply's CRC"), "little")
    if crc != compute_crc(length + payload):
        raise PacketError("the reply's CRC is wrong: it was damaged on the way")
    if not payload or payload[0] not in set(Status):
        raise PacketError(f"the reply has no status that is known: {payload[:1].hex() or 'empty'}")
    return Reply(Status(payload[0]), payload[1:])


class Link(wiring.Component):
    """A network's end of the line: requests to frames, results to replies.

    A frame's beats go to the network as their bytes arrive, so no frame is stored. Only the last
    one waits until the CRC is found right. If it is not, or the request ends early, the network is
    told by one beat with ``last`` and ``error`` set, and drops what it has of the frame.

    Latency: the last beat is offered 2 cycles after the last CRC byte. A byte must have been taken
    by the network when the next one arrives, or the request ends with ``OVERRUN``.

    Parameters:
        beats: Beats of a frame.
        bus_bits: Bits of a beat, a power of two; low byte first on the line.
        output_bits: Bits of a result, a multiple of 8.

    Members:
        rx: Bytes from the line, which cannot be paused.
        rx_error: 1 for a cycle when a byte was damaged.
        tx: Bytes to the line.
        frames: Beats to the network, ``{"data": bus_bits, "last": 1, "error": 1}``.
        results: Results from the network, one for each frame sent without error.
        tick: 1 for a cycle at regular times, two in a quiet time. The line is quiet when two have
            come since the last byte.
        done: 1 for a cycle when a result has been sent.
    """

    rx: stream.Interface
    rx_error: Signal
    tx: stream.Interface
    frames: stream.Interface
    results: stream.Interface
    tick: Signal
    done: Signal

    def __init__(self, *, beats: int, bus_bits: int, output_bits: int) -> None:
        if bus_bits < 8 or bus_bits & (bus_bits - 1):
            raise ValueError(f"bus_bits must be 8 or a larger power of two, not {bus_bits}")
        if output_bits < 8 or output_bits % 8:
            raise ValueError(f"output_bits must be a positive multiple of 8, not {output_bits}")
        self.request_bytes = beats * bus_bits // 8
        self.result_bytes = output_bits // 8
        for name, count in {
            "frame": self.request_bytes,
            "result with its status": self.result_bytes + 1,
        }.items():
            if not 1 <= count <= MAX_PAYLOAD:
                raise ValueError(f"a {name} has {count} bytes, a packet carries 1 to {MAX_PAYLOAD}")
        self._beat_bytes = bus_bits // 8
        beat = data.StructLayout({"data": bus_bits, "last": 1, "error": 1})
        super().__init__(
            {
                "rx": In(stream.Signature(8, always_ready=True)),
                "rx_error": In(1),
                "tx": Out(stream.Signature(8)),
                "frames": Out(stream.Signature(beat)),
                "results": In(stream.Signature(output_bits)),
                "tick": In(1),
                "done": Out(1),
            }
        )

    def elaborate(self, platform: object) -> Module:
        """Return the logic: one state machine, as the two directions take turns."""
        m = Module()
        # Its own start input costs a multiplexer in front of every bit; a reset costs none.
        crc = CRC.create()
        crc_start = Signal()
        m.submodules.crc = ResetInserter(crc_start)(crc)
        rx, tx, frames, results = self.rx, self.tx, self.frames, self.results

        status = Signal(Status)
        length_wrong = Signal()
        index = Signal(range(max(self.request_bytes, self.result_bytes)))
        quiet = Signal()
        timeout = self.tick & quiet

        with m.If(rx.valid | self.rx_error):
            m.d.sync += quiet.eq(0)
        with m.Elif(self.tick):
            m.d.sync += quiet.eq(1)

        with m.If(frames.valid & frames.ready):
            m.d.sync += frames.valid.eq(0)
        # Both streams stop at registers here: otherwise one path would lead from the transmitter
        # through every stage of the network and back.
        m.d.sync += results.ready.eq(0)

        def receive(state: str) -> None:
            """Go to ``state`` with a byte, or end the request if there will not be one."""
            with m.If(rx.valid):
                m.next = state
            with m.Elif(self.rx_error):
                m.d.sync += status.eq(Status.FRAMING)
                m.next = "abort"
            with m.Elif(timeout):
                m.d.sync += status.eq(Status.TRUNCATED)
                m.next = "abort"

        def send(byte: object, state: str) -> None:
            """Send ``byte``, then go to ``state``."""
            m.d.comb += tx.payload.eq(byte)
            m.d.comb += tx.valid.eq(1)
            with m.If(tx.ready):
                m.next = state

        low, high = self.request_bytes.to_bytes(2, "little")
        success = status == Status.OK
        beat_whole = (index & (self._beat_bytes - 1)) == self._beat_bytes - 1
        result_index = index[: (self.result_bytes - 1).bit_length()]
        reply_bytes = Signal(16)
        with m.If(success):
            m.d.comb += reply_bytes.eq(self.result_bytes + 1)
        with m.Else():
            m.d.comb += reply_bytes.eq(1)

        with m.FSM():
            with m.State("sync"):
                m.d.comb += crc_start.eq(1)
                m.d.sync += quiet.eq(0)
                m.d.sync += status.eq(Status.OK)
                m.d.sync += index.eq(0)
                with m.If(rx.valid & (rx.payload == SYNC)):
                    m.next = "length low"

            with m.State("length low"):
                m.d.comb += crc.valid.eq(rx.valid)
                m.d.sync += length_wrong.eq(rx.payload != low)
                with m.If(rx.valid):
                    m.next = "length high"
                with m.Elif(self.rx_error):
                    m.next = "drain"
                with m.Elif(timeout):  # no reply tells the host, which may send at once
                    m.next = "sync"

            with m.State("length high"):
                m.d.comb += crc.valid.eq(rx.valid)
                with m.If(rx.valid & (length_wrong | (rx.payload != high))):
                    m.d.sync += status.eq(Status.BAD_LENGTH)
                    m.next = "reply"
                with m.Elif(rx.valid):
                    m.next = "payload"
                with m.Elif(self.rx_error):
                    m.next = "drain"
                with m.Elif(timeout):  # no reply tells the host, which may send at once
                    m.next = "sync"

            with m.State("payload"):
                m.d.comb += crc.valid.eq(rx.valid)
                receive("payload")
                last = index == self.request_bytes - 1
                with m.If(rx.valid & frames.valid):
                    m.d.sync += status.eq(Status.OVERRUN)
                    m.next = "abort"
                with m.Elif(rx.valid):
                    m.d.sync += frames.payload.data.eq(Cat(frames.payload.data, rx.payload)[8:])
                    m.d.sync += frames.payload.last.eq(0)
                    m.d.sync += frames.payload.error.eq(0)
                    m.d.sync += frames.valid.eq(beat_whole & ~last)
                    m.d.sync += index.eq(index + 1)
                    with m.If(last):
                        m.next = "crc low"

            with m.State("crc low"):
                m.d.comb += crc.valid.eq(rx.valid)
                receive("crc high")

            with m.State("crc high"):
                m.d.comb += crc.valid.eq(rx.valid)
                receive("check")

            with m.State("check"):
                with m.If(~crc.match_detected):
                    m.d.sync += status.eq(Status.BAD_CRC)
                    m.next = "abort"
                with m.Else():
                    m.d.sync += frames.payload.last.eq(1)
                    m.d.sync += frames.valid.eq(1)
                    m.next = "wait"

            # The beat on offer, if any, may not change before it is taken.
            with m.State("abort"), m.If(~frames.valid):
                m.d.sync += frames.payload.last.eq(1)
                m.d.sync += frames.payload.error.eq(1)
                m.d.sync += frames.valid.eq(1)
                m.next = "reply"

            with m.State("wait"):
                # There is no timeout here: the network answers every frame it takes, and giving
                # up would leave its answer behind for the next request.
                m.d.sync += index.eq(0)
                with m.If(results.valid):
                    m.next = "reply"

            with m.State("reply"):
                m.d.comb += crc_start.eq(1)
                send(SYNC, "reply length low")

            with m.State("reply length low"):
                m.d.comb += crc.valid.eq(tx.ready)
                send(reply_bytes[:8], "reply length high")

            with m.State("reply length high"):
                m.d.comb += crc.valid.eq(tx.ready)
                send(reply_bytes[8:], "status")

            with m.State("status"):
                m.d.comb += crc.valid.eq(tx.ready)
                send(status, "result")
                with m.If(tx.ready & ~success):
                    m.next = "reply crc low"

            with m.State("result"):
                m.d.comb += crc.valid.eq(tx.ready)
                send(results.payload.word_select(result_index, 8), "result")
                with m.If(tx.ready):
                    m.d.sync += index.eq(index + 1)
                    with m.If(index == self.result_bytes - 1):
                        m.d.sync += results.ready.eq(1)
                        m.d.comb += self.done.eq(1)
                        m.next = "reply crc low"

            with m.State("reply crc low"):
                send(crc.crc[:8], "reply crc high")

            with m.State("reply crc high"):
                send(crc.crc[8:], "drain")
                with m.If(tx.ready & success):
                    m.next = "sync"

            with m.State("drain"), m.If(timeout):
                m.next = "sync"

        # The CRC runs over one direction at a time.
        with m.If(tx.valid):
            m.d.comb += crc.data.eq(tx.payload)
        with m.Else():
            m.d.comb += crc.data.eq(rx.payload)
        return m
