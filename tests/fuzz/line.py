"""Noise on the serial line of a board in simulation: ``python tests/fuzz/line.py --minutes 10``.

Random bytes, requests with bits flipped, glitches, breaks, other baud rates, pauses: whatever came,
after the quiet time the next good request gets its right answer, and what was answered before was
replies and nothing else.
"""

import argparse
import io
import random
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from htaflow.hw.board.packet import SYNC, PacketError, Status, encode, encode_reply, read_reply
from htaflow.hw.board.top import BoardPins, BoardTop, bus_bits
from htaflow.hw.network import NetworkCore
from htaflow.hw.verilog import to_verilog
from htaflow.model.integer import golden
from htaflow.model.integer.network import ArgMax, Dense, Encode, Network

DIVISOR = 9
"""Clock cycles a bit."""

LATE = 12 * DIVISOR
"""Cycles that the last byte of noise may end after the noise itself."""

Levels = list[tuple[int, int]]
"""What is driven: levels, each with a number of cycles."""


@dataclass(frozen=True)
class Device:
    """A board with a small network: its Verilog, quiet time in cycles, frames and results."""

    verilog: str
    quiet: int
    frames: tuple[bytes, ...]
    results: tuple[bytes, ...]


def small_device(feature_bits: int = 4) -> Device:
    """Return a board with 5 features, 8 neurons and 3 classes, on a bus of 8 or 16 bits."""
    rng = np.random.default_rng(7)
    source, threshold = np.repeat(np.arange(5), 2), rng.integers(1, 1 << feature_bits, 10)
    network = Network(
        "small",
        (
            Encode("encode", 5, feature_bits, False, source, threshold),
            Dense("hidden", rng.choice([-1, 1], (8, 10)), np.zeros(8, int)),
            Dense("scores", rng.choice([-1, 1], (3, 8))),
            ArgMax("argmax"),
        ),
    )
    core = NetworkCore(network, bus_bits(network))
    top = BoardTop(
        core,
        clock_hz=1000 * DIVISOR,
        baud=1000,
        pins=BoardPins(reset="low"),
        quiet_seconds=0.1,
    )
    verilog = to_verilog(top, "board", core.modules)
    frames = rng.integers(0, 1 << feature_bits, (16, 5))
    results = core.output_layout.pack(golden.run(network, frames))
    return Device(
        verilog,
        top.quiet_cycles,
        tuple(beats.tobytes() for beats in core.input_layout.pack(frames)),
        tuple(word.tobytes() for word in results),
    )


def sent(data: bytes, rate: float = 1.0) -> Levels:
    """Return how bytes look on the line, each bit ``rate`` times as long as it should be."""
    levels: Levels = []
    for byte in data:
        bits = (0, *((byte >> i) & 1 for i in range(8)), 1)
        edges = [round(DIVISOR * rate * i) for i in range(11)]
        levels += [(bit, edges[i + 1] - edges[i]) for i, bit in enumerate(bits)]
    return levels


def noise(device: Device, rng: random.Random) -> Levels:
    """Return one piece of what may happen to a line."""
    request = encode(rng.choice(device.frames))
    kind = rng.randrange(11)
    if kind == 0:
        return sent(rng.randbytes(rng.randrange(1, 30)))
    if kind == 1:  # bits flipped
        levels = sent(request)
        for _ in range(rng.choice((1, 1, 2, 5))):
            at = rng.randrange(len(levels))
            levels[at] = (1 - levels[at][0], levels[at][1])
        return levels
    if kind == 2:  # glitches, at any place within a bit
        return list(_with_glitches(sent(request), rng))
    if kind == 3:  # a break
        return [(0, DIVISOR * rng.choice((1, 5, 9, 10, 11, 40, 300))), (1, rng.randrange(1, 99))]
    if kind == 4:  # another baud rate
        return sent(request, rng.choice((0.3, 0.5, 0.7, 0.9, 0.95, 1.06, 1.2, 1.5, 2, 3, 8)))
    if kind == 5:  # cut off
        return sent(request)[: rng.randrange(1, 10 * len(request))]
    if kind == 6:  # pauses, some longer than the quiet time
        pauses = (0, 0, 0, 30, device.quiet // 3, device.quiet // 2, device.quiet, 2 * device.quiet)
        parts = ([*sent(bytes([byte])), (1, rng.choice(pauses))] for byte in request)
        return [level for part in parts for level in part]
    if kind == 7:  # levels of any length
        return [(rng.randrange(2), rng.randrange(1, 3 * DIVISOR)) for _ in range(80)]
    if kind == 8:  # what begins like a request
        length = rng.choice((len(request) - 5, 0, 1, 255, 65535)).to_bytes(2, "little")
        return sent(bytes([SYNC] * rng.randrange(1, 4)) + length + rng.randbytes(rng.randrange(9)))
    if kind == 9:  # bytes doubled, lost, changed
        changed = bytearray(request)
        at = rng.randrange(len(changed))
        changed[at : at + rng.randrange(2)] = rng.randbytes(rng.randrange(3))
        return sent(bytes(changed))
    return sent(request) + sent(request)  # the second while the board replies to the first


def _with_glitches(levels: Levels, rng: random.Random) -> Iterator[tuple[int, int]]:
    """Yield ``levels``, some of them interrupted by the other level for a moment."""
    for level, cycles in levels:
        if rng.random() < 0.08:
            before = rng.randrange(cycles + 1)
            yield level, before
            yield 1 - level, rng.randrange(1, DIVISOR)
            yield level, cycles - before
        else:
            yield level, cycles


def script(device: Device, rng: random.Random, episodes: int) -> tuple[str, list[bytes]]:
    """Return what the bench reads, and the reply that must come in the end of each episode.

    An episode is some noise, the quiet time, and a good request.
    """
    lines, replies = [], []
    for number in range(episodes):
        lines.append((3, 2 * number))
        for _ in range(rng.choice((1, 1, 2, 4))):
            lines += noise(device, rng)
        chosen = rng.randrange(len(device.frames))
        lines += [(1, 1), (2, device.quiet + LATE), (3, 2 * number + 1)]
        lines += sent(encode(device.frames[chosen]))
        lines.append((2, device.quiet + LATE))
        replies.append(encode_reply(Status.OK, device.results[chosen]))
    return "".join(f"{what} {count}\n" for what, count in lines if count or what == 3), replies


def simulate(verilog: str, line: str, folder: Path, limit: float = 300) -> list[str]:
    """Return the words of the bench, one a line. Raises if it does not come to its end in time."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "board.v").write_text(verilog)
    (folder / "line.txt").write_text(line)
    bench = Path(__file__).with_name("line.v")
    program = folder / "line.vvp"
    compiler = ["iverilog", "-g2005", f"-Pbench.DIVISOR={DIVISOR}", "-s", "bench"]
    subprocess.run([*compiler, "-o", program, bench, folder / "board.v"], check=True, timeout=limit)
    done = subprocess.run(
        ["vvp", "-n", program],
        cwd=folder,
        check=True,
        timeout=limit,
        capture_output=True,
        text=True,
    )
    return done.stdout.splitlines()


def judge(said: Sequence[str], replies: Sequence[bytes], results: Sequence[bytes]) -> list[str]:
    """Return in words what was not as it must be; nothing if all was well."""
    heard: list[bytearray] = [bytearray()]
    wrong = [f"the bench says: {words}" for words in said if words.split()[0] in _BAD]
    if not said or said[-1] != "end":
        wrong.append("the bench did not come to its end")
    for words in said:
        what, *number = words.split()
        if what == "mark":
            heard.append(bytearray())
        elif what == "byte":
            heard[-1].append(int(number[0]))
    if len(heard) != 2 * len(replies) + 1:
        return [*wrong, f"{len(heard)} parts for {len(replies)} episodes"]
    for episode, reply in enumerate(replies):
        before, after = bytes(heard[2 * episode + 1]), bytes(heard[2 * episode + 2])
        if after != reply:
            wrong.append(f"episode {episode}: answer {after.hex(' ')}, not {reply.hex(' ')}")
        line = io.BytesIO(before)
        while line.tell() < len(before):
            if before[line.tell()] != SYNC:
                wrong.append(f"episode {episode}: {before.hex(' ')} are no replies")
                break
            try:
                told = read_reply(line.read)
            except PacketError as error:
                wrong.append(f"episode {episode}: {before.hex(' ')}: {error}")
                break
            if told.result not in ((b"",) if told.status != Status.OK else results):
                wrong.append(f"episode {episode}: {told} is no reply to any of the frames")
    return wrong


_BAD = ("unknown", "glitch", "unframed")


def main() -> int:
    """Read the command line, and make noise."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--minutes", type=float, default=10)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--episodes", type=int, default=100, help="in one simulation")
    options = parser.parse_args()
    begun, done, seed = time.monotonic(), 0, options.seed
    devices = [small_device(4), small_device(12)]
    with tempfile.TemporaryDirectory(prefix="htaflow-line-") as name:
        while time.monotonic() - begun < 60 * options.minutes:
            device = devices[seed % 2]
            line, replies = script(device, random.Random(seed), options.episodes)
            wrong = judge(simulate(device.verilog, line, Path(name)), replies, device.results)
            done += options.episodes
            spent = time.monotonic() - begun
            print(f"seed {seed}: {done} episodes in {spent:.0f} s", flush=True)  # noqa: T201
            if wrong:
                print("\n".join(wrong), file=sys.stderr)  # noqa: T201
                return 1
            seed += 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
