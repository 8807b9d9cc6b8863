"""Descriptions of boards."""

import random
import re
import tomllib
import zlib
from importlib import resources
from pathlib import Path

from fuzz import mutate
from fuzz.guard import bounded_memory
from fuzz.targets.target import refusals, told
from htaflow.flows.boards.board import parse_board
from htaflow.model.support.errors import BadInputError


def board_seeds() -> list[bytes]:
    folder = resources.files("htaflow.flows.boards")
    names = ("icebreaker", "ulx3s-25f")
    return [folder.joinpath(f"{name}.toml").read_bytes() for name in names]


def mutate_board(data: bytes, rng: random.Random, raw: mutate.Raw) -> bytes:
    try:
        table = tomllib.loads(data.decode())
    except (ValueError, RecursionError):
        return raw(data)
    if rng.random() < 0.2:
        return raw(data)
    changed = mutate.mutate_value(table, rng)
    if not isinstance(changed, dict):
        return raw(data)
    return mutate.to_toml(changed).encode("utf-8", "surrogatepass")


_CONSTRAINT = re.compile(
    r"set_io (-pullup yes )?[a-z][a-z0-9_]* [A-Z0-9]+|set_frequency clk [0-9.e+-]+|"
    r'LOCATE COMP "[a-z][a-z0-9_]*" SITE "[A-Z0-9]+";|FREQUENCY PORT "clk" [0-9.e+-]+ MHZ;|'
    r'IOBUF PORT "[a-z][a-z0-9_]*" PULLMODE=(UP|DOWN|NONE) IO_TYPE=[A-Za-z0-9][A-Za-z0-9_.-]*;'
)


def check_board(data: bytes, folder: Path) -> bool:
    """A board's description; what it says stands in files for tools."""
    with bounded_memory():
        try:
            board = parse_board(data.decode("utf-8", "replace"), "my.toml")
        except BadInputError as error:
            told(error)
            return False
        for line in board.constraints.splitlines():
            assert _CONSTRAINT.fullmatch(line), line
        assert len(board.top_pins.constants) <= len(board.pins)
        assert board.title.isprintable(), board.title
        for word in (board.name, board.device, board.package):
            assert re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9_.-]*", word), word
        clocks = (80.0, 1e-9, 1e300) if zlib.crc32(data) % 64 == 0 else (None,)  # a long search
        for mhz in clocks:
            with refusals():
                assert board.with_clock(mhz).clock_hz > 0
    return True
