import json
import shlex
from pathlib import Path

import pytest

from htaflow.flows.boards.board import load_board
from htaflow.flows.build.build import build
from htaflow.flows.build.options import BuildOptions
from htaflow.flows.build.reproduce import rebuild
from htaflow.flows.build.route import read_report, shrink_floorplan
from htaflow.flows.build.synth import count_carries
from htaflow.flows.tools.tools import ToolError
from htaflow.model.run_directory import Run
from htaflow.model.support.errors import BadInputError, DoesNotFitError, HtaflowError

pytest_plugins = ["fake_tools"]


def names(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()}


def test_a_build_for_ice40(run, fake):
    said: list[str] = []
    report = build(run, "icebreaker", BuildOptions(seed=3), progress=said.append)
    folder = run / "boards" / "icebreaker"
    assert json.loads((folder / "report.json").read_text()) == report
    expected = {
        "board": "icebreaker",
        "device": "up5k",
        "package": "sg48",
        "oscillator_mhz": 12,
        "clock_mhz": 12,
        "fmax_mhz": 33.25,
        "met": True,
        "LC": {"used": 400, "available": 5280},
        "LUT": {"used": 300, "available": 5280},
        "FF": {"used": 250, "available": 5280},
        "carry": 7,
        "seed": 3,
        "fmax_by_seed": {"3": 33.25},
        "failed_seeds": {},
        "bitstream": "top.bin",
    }
    assert {name: report[name] for name in expected} == expected
    # 3 bytes a frame, 1 + 3 bytes a result and its status, 5 around each: 18 bytes of 10 us.
    assert report["estimated_throughput_fps"] == pytest.approx(1e6 / 180, rel=0.01)
    assert report["core_throughput_fps"] == 12e6 / report["interval_cycles"]
    assert report["versions"]["yosys"] == "0.99"
    assert names(folder) == {
        *("board.v", "top.json", "report.json", "top.bin", "floorplan.svg", "cells.json"),
        *("netlist.v", "lock.json"),
        *("yosys.log", "nextpnr.log", "icepack.log", "synth.ys", "pins.pcf", "nextpnr.json"),
    }
    serial = json.loads((folder / "top.json").read_text())["serial"]
    assert (serial["request_bytes"], serial["reply_bytes"], serial["baud"]) == (8, 10, 1_000_000)
    assert names(run / "boards") == {"icebreaker"}
    assert said[0] == "build icebreaker: yosys"

    yosys, nextpnr, pack = fake.calls
    assert yosys == ["yosys", "-q", "-L", "yosys.own.log", "-s", "synth.ys"]
    script = (folder / "synth.ys").read_text()
    assert "synth_ice40 -abc9 -device u -top board -json netlist.json" in script
    assert shlex.join(nextpnr) == (
        "nextpnr-ice40 --up5k --package sg48 --json netlist.json --top board --pcf pins.pcf "
        "--freq 12 --seed 3 --timing-allow-fail --report nextpnr.json "
        "--placed-svg floorplan.svg --asc top.asc"
    )
    assert pack == ["icepack", "top.asc", "top.bin"]


def test_a_build_for_ecp5(run, fake):
    report = build(run, "ulx3s-25f")
    assert report["bitstream"] == "top.bit"
    assert report["LUT"] == {"used": 400, "available": 5280}
    assert "LC" not in report
    _, nextpnr, pack = fake.calls
    assert shlex.join(nextpnr[:8]) == (
        "nextpnr-ecp5 --25k --package CABGA381 --speed 6 --json netlist.json"
    )
    assert pack == ["ecppack", "--compress", "--input", "top.config", "--bit", "top.bit"]


def test_what_has_not_changed_is_not_built_again(run, fake):
    report = build(run, "icebreaker")
    said: list[str] = []
    assert build(run, "icebreaker", progress=said.append) == report
    assert said == ["build icebreaker: unchanged"]
    assert len(fake.calls) == 3
    build(run, "icebreaker", BuildOptions(seed=2))
    assert len(fake.calls) == 6
    (run / "boards" / "icebreaker" / "top.bin").write_text("other")
    build(run, "icebreaker", BuildOptions(seed=2))
    assert len(fake.calls) == 9


def kept(run: Path) -> str:
    """Return what the bitstream holds, which names its seed."""
    return (run / "boards" / "icebreaker" / "top.bin").read_text().rstrip("\1\6\0")


def test_of_several_seeds_the_fastest_is_kept(run, fake):
    fake.run_at({1: 20, 2: 31, 3: None, 4: 25})
    said: list[str] = []
    report = build(run, "icebreaker", BuildOptions(seeds=4), progress=said.append)
    assert (report["seed"], report["fmax_mhz"], report["met"]) == (2, 31, True)
    assert report["fmax_by_seed"] == {"1": 20, "2": 31, "4": 25}
    assert list(report["failed_seeds"]) == ["3"]
    assert "cannot be placed and routed" in report["failed_seeds"]["3"]
    assert json.loads((run / "boards" / "icebreaker" / "report.json").read_text()) == report
    assert kept(run) == "routed with seed 2"
    assert names(run / "boards") == {"icebreaker"}
    assert "build icebreaker: seed 4: 25.0 MHz" in said
    assert [call[0] for call in fake.calls].count("yosys") == 1


def test_seeds_that_were_routed_are_not_routed_again(run, fake):
    fake.run_at({1: 20, 2: 31, 3: 25, 4: 40})
    build(run, "icebreaker", BuildOptions(seeds=2))
    assert build(run, "icebreaker", BuildOptions(seeds=2))["seed"] == 2
    assert fake.routed == [1, 2]
    report = build(run, "icebreaker", BuildOptions(seeds=3))
    assert fake.routed == [1, 2, 3]
    assert (report["seed"], list(report["fmax_by_seed"])) == (2, ["1", "2", "3"])
    assert kept(run) == "routed with seed 2"
    # One that is not the best, asked for by itself, has to be made again.
    assert build(run, "icebreaker", BuildOptions(seed=3))["seed"] == 3
    assert fake.routed == [1, 2, 3, 3]
    assert kept(run) == "routed with seed 3"
    assert build(run, "icebreaker", BuildOptions(seeds=4))["seed"] == 4
    assert fake.routed == [1, 2, 3, 3, 4]


def test_of_seeds_that_are_equally_fast_the_first_is_kept(run, fake):
    build(run, "icebreaker", BuildOptions(seed=3))
    assert build(run, "icebreaker", BuildOptions(seeds=3))["seed"] == 1
    assert build(run, "icebreaker", BuildOptions(seeds=3))["seed"] == 1
    assert fake.routed == [3, 1, 2]


def test_an_interruption_keeps_the_seeds_that_were_done(run, fake):
    def interrupt(message: str) -> None:
        if "seed 3" in message:
            raise KeyboardInterrupt

    fake.run_at({1: 20, 2: 31})
    with pytest.raises(KeyboardInterrupt):
        build(run, "icebreaker", BuildOptions(seeds=3), progress=interrupt)
    assert names(run / "boards") == {"icebreaker"}
    assert kept(run) == "routed with seed 2"
    build(run, "icebreaker", BuildOptions(seeds=3))
    assert fake.routed == [1, 2, 3]


def test_seeds_that_are_all_too_slow_or_fail(run, fake):
    fake.run_at({1: 10, 2: 11, 3: None})
    with pytest.raises(DoesNotFitError, match=r"reaches 11.0 MHz.*this was seed 2"):
        build(run, "icebreaker", BuildOptions(seeds=3))
    report = json.loads((run / "boards" / "icebreaker" / "report.json").read_text())
    assert report["fmax_by_seed"] == {"1": 10, "2": 11}
    assert (report["met"], report["bitstream"], list(report["failed_seeds"])) == (
        False,
        None,
        ["3"],
    )
    fake.run_at({5: None, 6: None})
    with pytest.raises(DoesNotFitError, match="cannot be placed and routed"):
        build(run, "icebreaker", BuildOptions(seed=5, seeds=2))
    assert names(run / "boards") == {"icebreaker", "icebreaker.failed"}


def test_what_no_seed_can_help_ends_at_once(run, fake):
    fake.break_("nextpnr-ice40:large")
    with pytest.raises(DoesNotFitError, match="too large"):
        build(run, "icebreaker", BuildOptions(seeds=3))
    assert fake.routed == [1]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"seeds": 0}, "--seeds: 0 is no number of seeds"),
        ({"seeds": -3}, "--seeds: -3 is no number of seeds"),
        ({"seed": -1}, "seeds are whole numbers from 0"),
        ({"seed": 2147483647, "seeds": 2}, "seeds are whole numbers from 0 to 2147483647"),
        ({"clock_mhz": 80}, "no PLL for an iCE40 yet"),
        ({"depth": 0.5}, "0.5 is no number of look-up tables"),
        ({"pipeline": ["hiden"]}, "'hiden', which is no layer; did you mean 'hidden'"),
    ],
)
def test_bad_options_are_refused_before_anything_is_written(run, fake, options, message):
    with pytest.raises(BadInputError, match=message):
        build(run, "icebreaker", BuildOptions(**options))
    assert names(run) == {"network.safetensors"}


def test_a_clock_made_by_the_pll(run, fake):
    fake.run_at({1: 81.5})
    report = build(run, "ulx3s-25f", BuildOptions(clock_mhz=80))
    assert (report["oscillator_mhz"], report["clock_mhz"], report["met"]) == (25, 80, True)
    assert report["depth"] == 9.5
    assert report["core_throughput_fps"] == round(80e6 / report["interval_cycles"], 1)
    folder = run / "boards" / "ulx3s-25f"
    assert "EHXPLLL" in (folder / "board.v").read_text()
    assert 'FREQUENCY PORT "clk" 25 MHZ' in (folder / "pins.lpf").read_text()
    assert "--freq 80" in shlex.join(fake.calls[1])
    with pytest.raises(DoesNotFitError, match=r"81.5 MHz, its clock is 90 MHz.*a lower --clock"):
        build(run, "ulx3s-25f", BuildOptions(clock_mhz=90))
    assert not build(run, "ulx3s-25f", BuildOptions(clock_mhz=25))["clock_mhz"] > 25
    assert "EHXPLLL" not in (folder / "board.v").read_text()


def test_a_network_that_is_too_large(run, fake):
    fake.break_("nextpnr-ice40:large")
    with pytest.raises(DoesNotFitError) as caught:
        build(run, "icebreaker")
    text = str(caught.value)
    assert "needs 6000 logic cells, the board has 5280 (720 too many, 114 %)" in text
    assert "train a smaller network" in text
    assert caught.value.exit_code == 1


def test_a_clock_that_is_missed(run, fake):
    fake.break_("nextpnr-ice40:slow")
    for _ in range(2):  # the second time from the stored report
        with pytest.raises(DoesNotFitError, match=r"reaches 11.5 MHz, its clock is 12 MHz"):
            build(run, "icebreaker")
    folder = run / "boards" / "icebreaker"
    report = json.loads((folder / "report.json").read_text())
    assert (report["met"], report["bitstream"]) == (False, None)
    assert not (folder / "top.bin").exists()
    assert len(fake.calls) == 2


def test_a_network_that_cannot_be_routed(run, fake):
    fake.break_("nextpnr-ice40:unroutable")
    with pytest.raises(DoesNotFitError, match="cannot be placed and routed") as caught:
        build(run, "icebreaker")
    assert "--seed" in str(caught.value)


def test_a_router_that_finds_no_end(run, fake):
    fake.break_("nextpnr-ice40:hang")
    with pytest.raises(DoesNotFitError, match="found no way in time") as caught:
        build(run, "icebreaker", BuildOptions(timeout=5))
    assert "--timeout" in str(caught.value)


@pytest.mark.parametrize(
    ("mode", "message"),
    [
        ("yosys:crash", "yosys: it ended with code 1"),
        ("yosys:hang", "yosys: it was not done after 5 s"),
        ("yosys:nothing", "yosys: it ended well but wrote no netlist.json"),
        ("yosys:nonsense", "yosys: cells.json is no count of cells"),
        ("nextpnr-ice40:crash", "nextpnr-ice40: it ended with code 1"),
        ("nextpnr-ice40:nothing", "nextpnr-ice40: it ended well but wrote no top.asc"),
        ("nextpnr-ice40:nonsense", "nextpnr-ice40: its report makes no sense"),
        ("icepack:crash", "icepack: it ended with code 1"),
        ("icepack:nothing", "icepack: it ended well but wrote no top.bin"),
        ("yosys:killed", "yosys: it was ended by signal 9"),
        ("icepack:killed", "icepack: it was ended by signal 9"),
        ("yosys:flood", "yosys: it printed more than 0 MiB and was ended"),
        ("nextpnr-ice40:flood", "nextpnr-ice40: it printed more than 0 MiB and was ended"),
        *(
            (f"{tool}:half of {name}", f"{tool}: it ended well but wrote only part of {name}")
            for tool, name in [
                ("yosys", "netlist.json"),
                ("yosys", "netlist.v"),
                ("nextpnr-ice40", "top.asc"),
                ("icepack", "top.bin"),
            ]
        ),
        ("yosys:half of cells.json", "yosys: cells.json is no count of cells"),
        ("nextpnr-ice40:half of nextpnr.json", "nextpnr-ice40: its report makes no sense"),
    ],
)
def test_a_tool_that_fails_is_told_with_its_log_and_leaves_nothing_half_done(
    run, fake, mode, message, monkeypatch
):
    if "flood" in mode:
        monkeypatch.setattr("htaflow.model.support.process.LOG_LIMIT", 1 << 19)
        monkeypatch.setattr("htaflow.flows.tools.tools.LOG_LIMIT", 1 << 19)
    fake.break_(mode)
    with pytest.raises(ToolError) as caught:
        build(run, "icebreaker", BuildOptions(timeout=5 if "hang" in mode else 60))
    text = str(caught.value)
    assert message in text
    assert names(run / "boards") == {"icebreaker.failed"}
    assert caught.value.log.is_file()
    assert str(caught.value.log) in text
    assert "report.json" not in names(run / "boards" / "icebreaker.failed")


@pytest.mark.parametrize(
    "said",
    [
        b"",
        b"[]",
        b"null",
        b'{"design": 3, "fmax": 3}',
        b'{"design": {"num_cells_by_type": []}, "fmax": {}, "utilization": {}}',
        b'{"design": {"num_cells_by_type": {"SB_CARRY": 1e999}}, "fmax": {"c": {"achieved": NaN}}}',
        b'{"design": {"num_cells_by_type": {"SB_CARRY": "x"}}, "fmax": {"c": {"achieved": "x"}}}',
        b'{"design": {"num_cells_by_type": {"SB_CARRY": NaN}}, "fmax": {"c": {"achieved": 1e999}}}',
        b"[" * 50_000,
        b"\xff\x00",
    ],
)
def test_nonsense_in_a_report_is_a_failure_of_the_tool(tmp_path, said):
    board = load_board("icebreaker")
    for name in ("cells.json", "nextpnr.json", "nextpnr.log"):
        (tmp_path / name).write_bytes(said)
    with pytest.raises(ToolError, match=r"cells\.json is no count of cells"):
        count_carries(tmp_path, board)
    with pytest.raises(ToolError, match="its report makes no sense"):
        read_report(tmp_path, board)


def test_half_a_floorplan_is_no_picture_and_no_reason_to_fail(run, fake):
    fake.break_("nextpnr-ice40:half of floorplan.svg")
    assert build(run, "icebreaker")["met"]
    assert "floorplan.svg" not in names(run / "boards" / "icebreaker")


def test_a_result_that_was_changed_is_made_again(run, fake):
    build(run, "icebreaker")
    folder = run / "boards" / "icebreaker"
    before = (folder / "netlist.v").read_text()
    for damage in (lambda path: path.write_text("half"), lambda path: path.unlink()):
        for name in ("netlist.v", "board.v", "lock.json"):
            damage(folder / name)
            build(run, "icebreaker")
            assert (folder / "netlist.v").read_text() == before
    assert len(fake.calls) == 7 * 3


def test_a_failure_keeps_the_build_before_and_a_success_clears_the_failure(run, fake):
    good = build(run, "icebreaker")
    fake.break_("yosys:crash")
    with pytest.raises(ToolError):
        build(run, "icebreaker", BuildOptions(seed=2))
    assert json.loads((run / "boards" / "icebreaker" / "report.json").read_text()) == good
    fake.break_("")
    build(run, "icebreaker", BuildOptions(seed=2))
    assert names(run / "boards") == {"icebreaker"}


def test_a_clock_that_is_missed_leaves_the_build_before(run, fake):
    fake.run_at({1: 81.5})
    good = build(run, "ulx3s-25f", BuildOptions(clock_mhz=80))
    folder, slow = run / "boards" / "ulx3s-25f", run / "boards" / "ulx3s-25f.slow"
    before = {path.name: path.read_bytes() for path in folder.iterdir()}
    for _ in range(2):  # the second time from the stored report
        with pytest.raises(DoesNotFitError, match=r"81.5 MHz.*/ulx3s-25f keeps its earlier build"):
            build(run, "ulx3s-25f", BuildOptions(clock_mhz=90))
        assert {path.name: path.read_bytes() for path in folder.iterdir()} == before
        assert fake.routed == [1, 1]
    report = json.loads((slow / "report.json").read_text())
    assert (report["met"], report["clock_mhz"], report["bitstream"]) == (False, 90, None)
    assert Run(run).boards == ["ulx3s-25f"]
    assert build(run, "ulx3s-25f", BuildOptions(clock_mhz=80)) == good
    assert rebuild(run, "ulx3s-25f").options["clock_mhz"] == 80
    # Another seed makes it, and is the build from now on.
    fake.run_at({1: 81.5, 2: 91})
    assert build(run, "ulx3s-25f", BuildOptions(clock_mhz=90, seeds=2))["fmax_by_seed"] == {
        "1": 81.5,
        "2": 91,
    }
    assert fake.routed == [1, 1, 1, 2]
    assert names(run / "boards") == {"ulx3s-25f"}


def test_a_seed_that_is_too_slow_leaves_the_one_before(run, fake):
    fake.run_at({1: 20, 2: 10, 3: 11, 4: None})
    build(run, "icebreaker")
    for _ in range(2):
        with pytest.raises(DoesNotFitError, match=r"11.0 MHz.*this was seed 3"):
            build(run, "icebreaker", BuildOptions(seed=2, seeds=2))
    assert fake.routed == [1, 2, 3]
    assert kept(run) == "routed with seed 1"
    with pytest.raises(DoesNotFitError, match=r"11.0 MHz.*this was seed 3"):
        build(run, "icebreaker", BuildOptions(seed=2, seeds=3))
    assert names(run / "boards") == {"icebreaker", "icebreaker.slow"}
    report = build(run, "icebreaker", BuildOptions(seeds=4))
    assert (report["seed"], report["fmax_by_seed"]) == (1, {"1": 20, "2": 10, "3": 11})
    assert fake.routed == [1, 2, 3, 4, 4]
    assert names(run / "boards") == {"icebreaker"}


@pytest.mark.parametrize("damage", ["report.json", "top.bin"])
def test_a_build_before_that_is_not_whole_does_not_stay(run, fake, damage):
    build(run, "icebreaker")
    (run / "boards" / "icebreaker" / damage).write_text("{}")
    fake.run_at({1: 10})
    with pytest.raises(DoesNotFitError, match="too slow"):
        build(run, "icebreaker")
    assert names(run / "boards") == {"icebreaker"}
    assert "top.bin" not in names(run / "boards" / "icebreaker")


def test_an_interruption_leaves_nothing(run, fake):
    def interrupt(message: str) -> None:
        if "nextpnr" in message:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        build(run, "icebreaker", progress=interrupt)
    assert names(run / "boards") == set()


def test_bad_input_is_refused_before_anything_is_written(run, fake, tmp_path):
    with pytest.raises(BadInputError, match="did you mean 'icebreaker'"):
        build(run, "icebreakr")
    with pytest.raises(HtaflowError):
        build(tmp_path / "nowhere", "icebreaker")
    assert names(run) == {"network.safetensors"}


def test_the_floorplan_shrinks():
    rectangle = '<rect x="1.000" y="2.040" width="3.0" height="4.5" stroke="{}" fill="{}"/>\n'
    svg = (
        '<svg viewBox="0 0 30.5 40.25" width="30.5">\n'
        + rectangle.format("#FF3030", "#FF8080")
        + 2 * rectangle.format("#808080", "none")
        + 50 * rectangle.format("#C0C0C0", "none")
        + "</svg>"
    )
    small = shrink_floorplan(svg)
    assert 'viewBox="0 0 30.5 40.25"' in small
    path = "M1.0 2.0h3.0v4.5h-3.0z"
    assert f'<path stroke="#808080" fill="none" d="{path}{path}"/>' in small
    assert small.index("#808080") < small.index("#FF8080")
    assert "#C0C0C0" not in small
    assert shrink_floorplan("something else") == "something else"


@pytest.mark.parametrize(
    ("board", "clock", "bitstream"),
    [("icebreaker", None, "top.bin"), ("ulx3s-25f", 50, "top.bit")],
)
def test_a_real_build(run, board, clock, bitstream):
    report = build(run, board, BuildOptions(clock_mhz=clock))
    assert report["met"]
    assert report["bitstream"] == bitstream
    assert 100 < report["LUT"]["used"] < 1000
    assert 50 < report["FF"]["used"] < report["FF"]["available"]
    folder = run / "boards" / board
    # The preamble of a bitstream, from Project IceStorm and Project Trellis.
    preamble = b"\x7e\xaa\x99\x7e" if bitstream == "top.bin" else b"\xff\xff\xbd\xb3"
    assert preamble in (folder / bitstream).read_bytes()[:1000]
    assert "<path" in (folder / "floorplan.svg").read_text()
    if clock:
        # nextpnr works the PLL's output out for itself.
        log = (folder / "nextpnr.log").read_text()
        assert f"Derived frequency constraint of {clock:.1f} MHz for net" in log
