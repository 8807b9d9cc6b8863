import tomllib
from pathlib import Path

import pytest

from htaflow.flows.boards.board import known_boards, load_board, parse_board
from htaflow.flows.build.route import routing
from htaflow.hw.board.top import BoardPins
from htaflow.model.support.errors import BadInputError

GOOD = """
name = "mine"
title = "My board"
family = "ice40"
device = "hx8k"
package = "ct256"
oscillator_mhz = 12
baud = 1_000_000
[pins]
clk = { at = "J3" }
rx = { at = "B10" }
tx = { at = "B12", pull = "up" }
"""


def problems(text: str) -> str:
    with pytest.raises(BadInputError) as caught:
        parse_board(text, "mine.toml")
    return str(caught.value)


def test_the_boards_that_come_with_htaflow():
    assert known_boards() == ["icebreaker", "ulx3s-25f", "ulx3s-85f"]
    for name in known_boards():
        assert load_board(name).name == name


def test_constraints_of_an_ice40_board():
    board = load_board("icebreaker")
    assert board.constraints.splitlines() == [
        "set_io clk 35",
        "set_io -pullup yes rx 6",
        "set_io tx 9",
        "set_io -pullup yes reset 10",
        "set_io heartbeat 37",
        "set_io activity 11",
        "set_frequency clk 12",
    ]
    assert board.top_pins == BoardPins(reset="low", heartbeat="low", activity="low")


def test_constraints_of_an_ecp5_board():
    board = load_board("ulx3s-25f")
    lines = board.constraints.splitlines()
    assert 'LOCATE COMP "rx" SITE "M1";' in lines
    assert 'IOBUF PORT "rx" PULLMODE=UP IO_TYPE=LVCMOS33;' in lines
    assert 'LOCATE COMP "tx" SITE "L4";' in lines
    assert 'LOCATE COMP "wifi_gpio0" SITE "L2";' in lines
    assert lines[-1] == 'FREQUENCY PORT "clk" 25 MHZ;'
    assert board.top_pins.constants == {"wifi_gpio0": 1}


def test_a_clock_of_ones_own_is_made_by_the_pll():
    board = load_board("ulx3s-25f")
    assert (board.pll, board.clock_mhz) == (None, 25)
    assert board.with_clock(None) == board.with_clock(25) == board
    fast = board.with_clock(80)
    assert (fast.oscillator_mhz, fast.clock_mhz, fast.clock_hz) == (25, 80, 80_000_000)
    assert fast.constraints == board.constraints  # clk is the oscillator still
    assert fast.with_clock(25) == board
    assert (board.depth, fast.depth, board.with_clock(400).depth) == (None, 9.5, 2)


@pytest.mark.parametrize(
    ("name", "mhz", "message"),
    [
        ("ulx3s-25f", 81, "--clock: 81 MHz cannot be made from 25 MHz; the nearest: 80 and 81.25"),
        ("ulx3s-25f", 1000, "cannot be made from 25 MHz; the nearest: 400 MHz"),
        ("ulx3s-25f", 3.125, "--clock 3.125: a clock of 3125000 Hz cannot make 1000000 baud"),
        ("ulx3s-25f", 0, "--clock: 0 MHz is no frequency"),
        ("ulx3s-25f", -80, "--clock: -80 MHz is no frequency"),
        ("ulx3s-25f", 1e300, "--clock: 1e[+]300 MHz is no frequency"),
        ("ulx3s-25f", float("inf"), "--clock: inf MHz is no frequency"),
        ("ulx3s-25f", float("nan"), "--clock: nan MHz is no frequency"),
        ("icebreaker", 24, "htaflow has no PLL for an iCE40 yet; leave out --clock"),
    ],
)
def test_a_clock_that_a_board_cannot_make_is_refused(name, mhz, message):
    with pytest.raises(BadInputError, match=message):
        load_board(name).with_clock(mhz)


def test_an_unknown_board_is_refused_with_the_nearest_name():
    with pytest.raises(BadInputError, match="no board 'icebraker'; did you mean 'icebreaker'"):
        load_board("icebraker")


def test_a_board_of_ones_own(tmp_path: Path):
    file = tmp_path / "mine.toml"
    file.write_text(GOOD)
    board = load_board(str(file))
    assert board.title == "My board"
    assert board.top_pins == BoardPins()
    assert "set_io -pullup yes tx B12" in board.constraints


@pytest.mark.parametrize("content", [None, b"\xff\xfe", b"name = "])
def test_a_file_that_cannot_be_read_is_refused(tmp_path: Path, content):
    file = tmp_path / "mine.toml"
    if content is not None:
        file.write_bytes(content)
    with pytest.raises(BadInputError, match=r"mine.toml: it (cannot be read|is no TOML)"):
        load_board(str(file))


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ('name = "mine"\n', "", "name: it is missing"),
        ('name = "mine"', 'name = "../mine"', "name: '../mine' is not letters"),
        ('name = "mine"', 'name = ".."', "name: '..' is not letters"),
        ('name = "mine"', 'name = "mine.slow"', "name: 'mine.slow' ends like a folder"),
        ('device = "hx8k"', 'device = "-x"', "device: '-x' is not letters"),
        ('device = "hx8k"', 'device = "a b"', "device: 'a b' is not letters"),
        ('title = "My board"', "pll = 3", "pll: no such field"),
        ('title = "My board"', "title = 3", "title: 3 is no text"),
        ('family = "ice40"', 'family = "xc7"', "family: 'xc7' is not one of ecp5, ice40"),
        ('family = "ice40"', 'family = "ecp5"', "speed: an ECP5 needs it"),
        ('family = "ice40"', 'famly = "ice40"', "famly: no such field; did you mean 'family'"),
        ("oscillator_mhz = 12", "oscillator_mhz = 0", "oscillator_mhz: 0 is no number above 0"),
        ("oscillator_mhz = 12", "oscillator_mhz = inf", "oscillator_mhz: inf is no number above 0"),
        (
            "oscillator_mhz = 12",
            "oscillator_mhz = true",
            "oscillator_mhz: True is no number above 0",
        ),
        (
            "oscillator_mhz = 12",
            'oscillator_mhz = "12"',
            "oscillator_mhz: '12' is no number above 0",
        ),
        ("baud = 1_000_000", "baud = 1.5", "baud: 1.5 is no number above 0"),
        ("baud = 1_000_000", "baud = 5_000_000", "cannot make 5000000 baud; use at most 3000000"),
        ('clk = { at = "J3" }\n', "", "pins.clk: it is missing"),
        ('{ at = "J3" }', '"J3"', "pins.clk: say where it is"),
        ('{ at = "J3" }', "{ at = 3 }", "pins.clk: say where it is"),
        ('{ at = "J3" }', '{ at = "J3 rx" }', "pins.clk: say where it is"),
        ('{ at = "J3" }', '{ at = "B10" }', "pins.rx: B10 is also clk"),
        ('{ at = "J3" }', '{ at = "J3", value = 1 }', "pins.clk: it has a use"),
        ('{ at = "J3" }', '{ at = "J3", pul = "up" }', "no such field 'pul'; did you mean 'pull'"),
        ('pull = "up"', 'pull = "down"', "pins.tx: an iCE40 has no pull-down"),
        ('pull = "up"', 'pull = "left"', "pins.tx: pull is 'left', not one of"),
        ('tx = { at = "B12", pull = "up" }', 'led = { at = "B1" }', "pins.led: say which value"),
        ('tx = { at = "B12", pull = "up" }', 'Led = { at = "B1" }', "pins.Led: use a lower-case"),
        ('tx = { at = "B12", pull = "up" }', 'reset = { at = "B1" }', "pins.reset: say active"),
    ],
)
def test_a_bad_description_is_refused(old, new, message):
    assert old in GOOD
    assert message in problems(GOOD.replace(old, new))


def test_pins_must_be_a_table():
    assert "pins: it is no table" in problems(GOOD.split("[pins]")[0] + "pins = 3\n")


def test_every_problem_is_told_at_once():
    text = problems(
        GOOD.replace("hx8k", "a b").replace("oscillator_mhz = 12", "").replace("J3", "j 3")
    )
    assert all(part in text for part in ("device", "oscillator_mhz: it is missing", "pins.clk"))


def test_the_example_is_good():
    assert parse_board(GOOD, "mine.toml").device == tomllib.loads(GOOD)["device"]


def test_which_router_and_which_placement_a_design_gets():
    def options(board, router=None):
        arguments = routing(board, 1, router).arguments
        return [each for each in ("--router", "router2", "--no-tmdriv") if each in arguments]

    board, small = load_board("ulx3s-25f"), load_board("icebreaker")
    assert options(board) == ["--router", "router2"]
    assert options(board, "router1") == ["--no-tmdriv"]
    assert options(board.with_clock(80)) == []
    assert options(board.with_clock(80), "router2") == ["--router", "router2"]
    assert options(small) == options(small, "router1") == []
    with pytest.raises(BadInputError, match="no router 'router3'; did you mean 'router2'"):
        routing(board, 1, "router3")
