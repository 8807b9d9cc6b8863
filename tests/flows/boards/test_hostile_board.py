"""Boards that mean no good, as files and on the serial line.

Each of these once crashed, hung or filled memory, or easily could.
"""

from pathlib import Path
from typing import Any

import pytest
from fuzz.guard import bounded_time
from fuzz.mutate import to_toml
from fuzz.targets.reply import check_endless
from fuzz.targets.target import MAX_MESSAGE

from htaflow.flows.boards.board import load_board, parse_board
from htaflow.model.support.errors import BadInputError

BOARD: dict[str, Any] = {
    "name": "mine",
    "title": "My board",
    "family": "ice40",
    "device": "up5k",
    "package": "sg48",
    "oscillator_mhz": 12,
    "baud": 1_000_000,
    "pins": {"clk": {"at": "35"}, "rx": {"at": "6"}, "tx": {"at": "9"}},
}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a = " + "[" * 5000, "it is no TOML"),
        ("a = " + "9" * 5000, "it is no TOML"),
        (to_toml({**BOARD, "title": "x\nmodule evil; endmodule //"}), "title: .* is no line"),
        (to_toml({**BOARD, "title": "x" * 200}), "title: .* is no line"),
        (to_toml({**BOARD, "baud": 10**400}), "baud: 1000.*is no number above 0"),
        (to_toml({**BOARD, "baud": [1]}), r"baud: \[1\] is no number above 0"),
        (to_toml({**BOARD, "name": "../../x"}), r"name: '\.\./\.\./x' is not letters"),
        (to_toml({**BOARD, "device": "up5k; touch x"}), "device: .* is not letters"),
        (to_toml({**BOARD, "package": "sg48\n"}), "package: .* is not letters"),
        (to_toml({**BOARD, "name": "x" * 300}), "name: .* is not letters"),
        (to_toml({**BOARD, **{f"k{n}": 1 for n in range(500)}}), "and 460 more"),
        (to_toml({**BOARD, "x" * 5000: 1}), "xxx.*: no such field"),
        (
            to_toml({**BOARD, "pins": {**BOARD["pins"], "x\nset_io y": {"at": "1", "value": 1}}}),
            "use a lower-case letter",
        ),
    ],
)
def test_a_hostile_board_is_refused_in_a_few_lines(text: str, message: str) -> None:
    with bounded_time(10), pytest.raises(BadInputError, match=message) as caught:
        parse_board(text, "my.toml")
    assert len(str(caught.value)) < MAX_MESSAGE
    parse_board(to_toml(BOARD), "my.toml")


def test_a_file_that_is_far_too_long_for_a_board_is_not_parsed(tmp_path: Path) -> None:
    (tmp_path / "b.toml").write_text("# " + "x" * 100_000 + "\n" + to_toml(BOARD))
    with pytest.raises(BadInputError, match="more than 65536 characters; it is no board"):
        load_board(str(tmp_path / "b.toml"))


@pytest.mark.parametrize("byte", [0x00, 0xA5, 0xFF])
def test_a_line_that_never_stops_does_not_hold_the_host(byte: int) -> None:
    check_endless(byte)
