"""What tools say that means that the hardware may not work: read, reported, and refused."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from htaflow.flows.boards.board import load_board
from htaflow.flows.build.build import build
from htaflow.flows.build.options import BuildOptions
from htaflow.flows.build.synth import LOG, NETLIST_VERILOG, core_synthesis, synthesis
from htaflow.flows.cli import main as cli
from htaflow.flows.report.report import report
from htaflow.flows.tools.diagnostics import UnsafeDesignError, read_log
from htaflow.flows.tools.tools import ToolError
from htaflow.model.run_directory import Run

pytest_plugins = ["fake_tools"]

# As the tools print them: Yosys 0.70, nextpnr 0.11.
HOLD = """
Info: 2 Hold/min time violations (showing 10 worst paths):

Warning: Hold/min time violation for clock 'clk$SB_IO_IN_$glb_clk' (posedge -> posedge):
Info:       type curr  total name
Info:   clk-to-q  0.52  0.52 Source core.x_SB_DFF_Q_LC.O
"""
LOOP = r"""
Warning: found logic loop in module board:
    cell $not$board.v:2$2 ($not) source: board.v:2.22-2.30
      A[0] --> Y[0]
    cell $and$board.v:2$1 ($and) source: board.v:2.24-2.29
      A[0] --> Y[0]
Found and reported 1 problems.
"""
LATCH = r"Warning: Latch inferred for signal `\board.\y' from process `\board.$proc$board.v:2$1'"
INTENDED_LATCH = r"Latch inferred for signal `\board.\y' from always_latch process `\board.$1'"
DRIVERS = r"""
Warning: multiple conflicting drivers for board.\r:
    port Q[0] of cell $procdff$384 ($dff)
    port Q[0] of cell $procdff$383 ($dff)
"""
CONSTANT = """
Warning: Drivers conflicting with a constant 1'0 driver:
    module input a[0]
"""
RESOLVED = (
    r"Warning: Driver-driver conflict for \y between cell $a.Y and constant 1'0 in board: "
    "Resolved using constant."
)
CROSSING = (
    "Warning: Max frequency for  posedge a -> posedge b: 9.10 MHz (FAIL at 12.00 MHz)\n"
    "Info: Max frequency for clock 'c': 33.2 MHz (PASS at 12.00 MHz)"
)

ERRORS = [
    ("yosys", LOOP, "combinational loop", "found logic loop in module board; cell $not$board.v:2"),
    ("yosys", LATCH, "latch", "Latch inferred for signal"),
    ("yosys", INTENDED_LATCH, "latch", "Latch inferred for signal"),
    ("yosys", DRIVERS, "multiple drivers", r"drivers for board.\r; port Q[0] of cell $procdff$384"),
    ("yosys", CONSTANT, "multiple drivers", "a constant 1'0 driver; module input a[0]"),
    ("yosys", RESOLVED, "multiple drivers", "Resolved using constant"),
    ("yosys", r"Warning: Wire board.\u is used but has no driver.", "no driver", r"board.\u"),
    ("nextpnr-ice40", HOLD, "hold", "Hold/min time violation for clock 'clk$SB_IO_IN_$glb_clk'"),
    (
        "nextpnr-ice40",
        "Warning: Hold/min time violation for path 'posedge a' -> 'posedge b':",
        "hold",
        "for path 'posedge a'",
    ),
    (
        "nextpnr-ice40",
        "Warning: Timing analysis failed due to combinational loops.",
        "combinational loop",
        "Timing analysis failed",
    ),
    (
        "nextpnr-ice40",
        "Warning: IO 'rx' is unconstrained in PCF and will be automatically placed",
        "pin",
        "IO 'rx'",
    ),
    (
        "nextpnr-ice40",
        "Warning: net 'clk' does not exist in design, ignoring clock constraint",
        "unconstrained clock",
        "net 'clk'",
    ),
    (
        "nextpnr-ice40",
        "Warning: post-placement validity check failed for Bel 'X1/Y1/lc0' (a)",
        "placement",
        "X1/Y1/lc0",
    ),
    ("nextpnr-ice40", "Warning: Failed to find a route for arc 1 of net a.", "routing", "arc 1"),
    ("nextpnr-ice40", "ERROR: something else", "other", "something else"),
    ("icepack", "Warning: unknown bit", "other", "unknown bit"),
]


@pytest.mark.parametrize(("tool", "said", "kind", "text"), ERRORS)
def test_what_hardware_could_fail_from_is_an_error(
    tmp_path: Path, tool: str, said: str, kind: str, text: str
) -> None:
    log = tmp_path / "log"
    log.write_text(f"$ {tool}\n{said}\n")
    found = [each for each in read_log(tool, log) if text in each.text]
    assert [(each.tool, each.kind, each.severity) for each in found] == [(tool, kind, "error")]
    line = log.read_text().splitlines()[found[0].line - 1]
    assert found[0].text.split(";")[0].rstrip(":") in line


@pytest.mark.parametrize(
    ("tool", "said", "kind", "text"),
    [each for each in ERRORS if each[1] in (LOOP, HOLD) or each[0] == "icepack"],
)
def test_what_hardware_could_fail_from_ends_a_build_and_the_earlier_one_stays(
    run: Path,
    fake: Any,
    capsys: pytest.CaptureFixture[str],
    tool: str,
    said: str,
    kind: str,
    text: str,
) -> None:
    good = build(run, "icebreaker")
    folder = run / "boards" / "icebreaker"
    before = {path.name: path.read_bytes() for path in folder.iterdir()}
    fake.say(tool, said)
    assert cli.main(["build", str(run), "--board", "icebreaker", "--seed", "2"]) == 1
    shown = capsys.readouterr().err
    assert "the hardware may not work, so there is no bitstream of it" in shown
    assert f"{kind}: " in shown and text in shown
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == before
    failed = run / "boards" / "icebreaker.failed"
    told = json.loads((failed / "report.json").read_text())
    assert told["bitstream"] is None and told["network"] == good["network"]
    found = [each for each in told["diagnostics"] if each["kind"] == kind]
    assert found and {each["severity"] for each in found} == {"error"}
    assert str(failed / found[0]["log"]) in shown
    assert Run(run).boards == ["icebreaker"]
    fake.say(tool, "")
    assert build(run, "icebreaker", BuildOptions(seed=2))["diagnostics"] == []
    assert not failed.exists()


def test_a_seed_with_a_hold_violation_is_not_the_one_that_is_kept(run: Path, fake: Any) -> None:
    def stop_saying(message: str) -> None:
        if "seed 2" in message:
            fake.say("nextpnr-ice40", "")

    fake.say("nextpnr-ice40", HOLD)
    made = build(run, "icebreaker", BuildOptions(seeds=2), progress=stop_saying)
    assert made["seed"] == 2
    assert "hold: " in made["failed_seeds"]["1"]


@pytest.mark.parametrize(
    ("clock", "kinds"),
    [
        ("core.gate", ["unconstrained clock", "clock off global net"]),
        ("core.gate_$glb_clk", ["unconstrained clock"]),
        ("clk$SB_IO_IN", ["clock off global net"]),
    ],
)
def test_a_clock_without_constraint_or_global_net_is_refused(
    run: Path, fake: Any, monkeypatch: pytest.MonkeyPatch, clock: str, kinds: list[str]
) -> None:
    monkeypatch.setenv("FAKE_CLOCK", clock)
    with pytest.raises(UnsafeDesignError, match=f"clock '{clock}'".replace("$", r"\$")):
        build(run, "icebreaker")
    told = json.loads((run / "boards" / "icebreaker.failed" / "report.json").read_text())
    assert [each["kind"] for each in told["diagnostics"]] == kinds


def test_a_path_between_clocks_that_is_too_slow_is_a_clock_that_is_missed(
    run: Path, fake: Any
) -> None:
    fake.say("nextpnr-ice40", CROSSING)
    with pytest.raises(
        Exception, match=r"too slow.*Max frequency for  posedge a -> posedge b: 9\.1"
    ):
        build(run, "icebreaker")
    assert not json.loads((run / "boards" / "icebreaker" / "report.json").read_text())["met"]


@pytest.mark.parametrize(
    ("tool", "said", "severity", "kind"),
    [
        ("yosys", "using FF mapping for memory board.m", "note", "memory in registers"),
        ("yosys", "board.v:1: Warning: Identifier `\\q' is declared.", "warning", "other"),
        ("nextpnr-ice40", "Warning: Trellis limitation: DRIVE", "warning", "other"),
        ("nextpnr-ice40", "Warning: 3% of arcs have failing slack; using 1", "note", "slow wires"),
    ],
)
def test_what_is_only_worth_knowing_is_told(
    run: Path,
    fake: Any,
    capsys: pytest.CaptureFixture[str],
    tool: str,
    said: str,
    severity: str,
    kind: str,
) -> None:
    fake.say(tool, said)
    assert cli.main(["build", str(run), "--board", "icebreaker"]) == 0
    text = said.split("Warning: ")[-1]
    assert f"icebreaker: {severity}: {kind}: {text} ({tool}" in capsys.readouterr().out
    stored = json.loads((run / "boards" / "icebreaker" / "report.json").read_text())
    assert [(each["severity"], each["kind"]) for each in stored["diagnostics"]] == [
        (severity, kind)
    ]
    page = report(run).read_text()
    assert text.replace("`", "`").split("`")[0].split(":")[0] in page and kind in page


def test_what_tools_always_say_is_no_alarm(tmp_path: Path) -> None:
    log = tmp_path / "log"
    log.write_text(
        r"""
No latch inferred for signal `\board.\x' from process `\board.$proc$board.v:1$1'.
using FF mapping for memory board.$flatten\link.$auto$proc_rom.cc:155:do_switch$749
Lexer warning: The SystemVerilog keyword `bit' (at /share/abc9_map.v:35) is not recognized
Found and reported 0 problems.
Found 1 SCCs in module board.
     1/3: $3\error[0:0]
Warnings: 0 unique messages, 0 total
0 warnings, 0 errors
Info: Max frequency for clock 'clk': 20.00 MHz (FAIL at 25.00 MHz)
Info: constraining clock net 'clk' to 12.00 MHz
"""
    )
    assert read_log("yosys", log) == read_log("nextpnr-ice40", log) == []


def test_of_very_many_messages_of_a_kind_some_are_kept_and_all_counted(tmp_path: Path) -> None:
    lines = [f"Warning: Wire board.\\w{number} is used but has no driver." for number in range(99)]
    (tmp_path / "log").write_text("\n".join(lines * 2))
    found = read_log("yosys", tmp_path / "log")
    assert len(found) == 21
    assert (found[-1].text, found[-1].severity) == ("and 79 more like these", "error")


LOOPING = "module {top}(input clk, input a, output y); assign y = ~(y & a); endmodule"
DRIVEN_TWICE = """
module {top}(input clk, input a, input b, output y);
  reg r; assign y = r;
  always @(posedge clk) r <= a;
  always @(posedge clk) r <= b;
endmodule
"""
SHORTED = (
    "module {top}(input clk, input a, input b, output y); assign y = a; assign y = b; endmodule"
)
LATCHING = """
module {top}(input clk, input a, input d, output reg y);
  always @* if (a) y = d;
endmodule
"""
REMEMBERING = """
module {top}(input clk, input [3:0] a, input [7:0] d, output [7:0] y);
  reg [7:0] m[0:15]; integer i;
  always @(posedge clk) m[a] <= d;
  assign y = m[0] ^ m[1] ^ m[2] ^ m[3] ^ m[a];
endmodule
"""


@pytest.mark.parametrize(
    ("source", "kinds"),
    [
        (LOOPING, ["combinational loop"]),
        (DRIVEN_TWICE, ["multiple drivers"]),
        (SHORTED, ["multiple drivers", "multiple drivers"]),  # the second only after ABC
        (REMEMBERING, ["memory in registers"]),
    ],
)
def test_the_real_yosys_says_so(tmp_path: Path, source: str, kinds: list[str]) -> None:
    (tmp_path / "board.v").write_text(source.format(top="board"))
    synthesis(load_board("icebreaker")).run(tmp_path, 60)
    assert [each.kind for each in read_log("yosys", tmp_path / LOG)] == kinds
    assert (tmp_path / LOG).read_text().startswith("$ yosys -q -L yosys.own.log -s synth.ys\n")
    assert "End of script" in (tmp_path / LOG).read_text()


def test_a_latch_ends_the_real_yosys_where_there_is_none_on_the_part(tmp_path: Path) -> None:
    (tmp_path / "board.v").write_text(LATCHING.format(top="board"))
    with pytest.raises(ToolError, match="ERROR: Latch inferred for signal"):
        synthesis(load_board("icebreaker")).run(tmp_path, 60)
    (tmp_path / "top.v").write_text(LATCHING.format(top="top"))
    core_synthesis("gowin", "top.v").run(tmp_path, 60)
    assert [each.kind for each in read_log("yosys", tmp_path / LOG)] == ["latch"]


def test_a_netlist_with_a_loop_is_not_verified(
    make_run: Callable[..., Path], capsys: pytest.CaptureFixture[str]
) -> None:
    run = make_run(frames=3, hidden=(6,), fan_in=3, classes=3)
    verilog = run / "rtl" / "top.v"
    bad = (
        "\nwire looping; assign looping = ~(looping & rst) ^ clk; (* keep *) wire kept = looping;\n"
    )
    head, end, tail = verilog.read_text().rpartition("\nendmodule")
    verilog.write_text(head + bad + end + tail)
    assert cli.main(["verify", str(run), "--level", "netlist", "--family", "ice40"]) == 1
    shown = capsys.readouterr().err
    assert "netlist-ice40: the hardware may not work" in shown
    assert "combinational loop: found logic loop in module top" in shown
    assert not (run / "verify" / "netlist-ice40" / NETLIST_VERILOG).exists()
