"""The bench passes a right design and catches each planted bug, in words that name it."""

from dataclasses import replace

import numpy as np
import pytest
import small_design

from htaflow.sim.runner import CHECKS, SimulationError, run_bench


def found(folder, changes=None, **options):
    """Simulate the small design with ``changes``; return what each test found."""
    small_design.bench(folder, changes, **options).write(folder / "verify")
    return run_bench(folder / "verify", time_limit=60)


@pytest.mark.parametrize("beats", [1, 5])
def test_a_right_design_passes(tmp_path, beats):
    result = found(tmp_path, beats=beats, count=60)
    assert list(result) == list(CHECKS)
    for phase in result.values():
        assert phase["received"] == phase["frames"] > 0
        assert phase["mismatches"] == phase["rule_violations"] == 0
    assert result["full_rate"]["frames"] == 60
    assert result["full_rate"]["latency"] == {
        "predicted": beats + 1,
        "measured": beats + 1,
        "wrong": 0,
        "first_wrong_frame": None,
    }
    assert result["full_rate"]["interval"]["measured"] == beats


def test_one_frame_is_enough(tmp_path):
    result = found(tmp_path, beats=2, count=1)
    assert result["full_rate"]["interval"]["measured"] is None
    assert all(phase["mismatches"] == 0 for phase in result.values())


def test_stalls_stop_both_sides_and_differ_with_the_seed(tmp_path):
    cycles = {
        seed: found(tmp_path / str(seed), tests=("stalled",), seed=seed)["stalled"]["cycles"]
        for seed in (0, 1)
    }
    assert all(spent > 700 for spent in cycles.values())  # for 500 frames
    assert cycles[0] != cycles[1]


def test_as_many_frames_are_stalled_as_asked(tmp_path):
    result = found(tmp_path, tests=("stalled",), stalled_frames=60, count=7)
    assert result["stalled"]["frames"] == result["stalled"]["received"] == 60


def test_a_sink_that_stalls_for_long_is_no_hang(tmp_path):
    """As it does to fill a design that holds very many frames, and after the last ones came in."""
    bench = small_design.bench(tmp_path, tests=("stalled",), stalled_frames=60)
    replace(bench, interface={**bench.interface, "frames_held": 1500}).write(tmp_path / "verify")
    result = run_bench(tmp_path / "verify", time_limit=60)["stalled"]
    assert result["problems"] == []
    assert result["received"] == result["frames"] == 60
    assert result["cycles"] > 1500


DATA = "m_axis_tdata = last;"
VALID = "m_axis_tvalid = last_valid;"
READY = "last_ready = m_axis_tready;"
LAST = "m_axis_tlast = last_valid;"
BUGS = {
    "wrong output bit": ("full_rate", 1, {DATA: "m_axis_tdata = last ^ (n == 20);"}, "frame 1"),
    "dropped beat": (
        "full_rate",
        1,
        {VALID: "m_axis_tvalid = last_valid & n != 20;",
         READY: "last_ready = m_axis_tready | n == 20;"},
        "the word of the frame after: a beat was dropped?",
    ),
    "doubled beat": (
        "full_rate",
        1,
        {READY: "last_ready = m_axis_tready & n != 20;"},
        "the word of the frame before: a beat was doubled?",
    ),
    "stall ignored": ("stalled", 1, {"~output__valid | output__ready;": "1;"}, "expected 0x"),
    "valid dropped before ready": (
        "stalled",
        1,
        {VALID: "m_axis_tvalid = last_valid & (m_axis_tready | n[0]);"},
        "m_axis_tvalid fell before the word was taken",
    ),
    "valid waits for ready": (
        "reset",
        1,
        {VALID: "m_axis_tvalid = last_valid & m_axis_tready;"},
        "m_axis_tvalid is not 1 after",
    ),
    "data change while stalled": (
        "stalled",
        1,
        {DATA: "m_axis_tdata = m_axis_tready ? last : last ^ n;"},
        "m_axis_tdata changed from",
    ),
    "valid stuck at 1": ("full_rate", 1, {VALID: "m_axis_tvalid = ~rst;"}, "belongs to no frame"),
    "valid stuck at 0": ("full_rate", 1, {VALID: "m_axis_tvalid = 0;"}, "nothing moved for"),
    "valid is X": ("full_rate", 1, {VALID: "m_axis_tvalid = 1'bx;"}, "m_axis_tvalid is X"),
    "an output bit is X": (
        "full_rate",
        1,
        {DATA: "m_axis_tdata = {last[15:1], 1'bx};"},
        "got 0b",
    ),
    "last missing": ("full_rate", 1, {LAST: "m_axis_tlast = 0;"}, "m_axis_tlast is 0"),
    "latency one more": (
        "full_rate",
        1,
        {"reg [7:0] n = 0;": "reg [7:0] n = 0; wire [15:0] late; wire late_valid, m;",
         DATA: "m_axis_tdata = late;", VALID: "m_axis_tvalid = late_valid;",
         READY: "m = 0; stage third(.clk(clk), .rst(rst), "
         ".input__payload(last), .input__valid(last_valid), .input__ready(last_ready), "
         ".output__payload(late), .output__valid(late_valid), .output__ready(m_axis_tready));",
         LAST: "m_axis_tlast = late_valid;"},
        "latency: predicted 2 cycles, measured 3 at frame 0, 40 times not as predicted",
    ),
    "half the rate": (
        "full_rate",
        1,
        {VALID: "m_axis_tvalid = last_valid & n[0];", READY: "last_ready = m_axis_tready & n[0];"},
        "interval: predicted 1 cycles, measured 2",
    ),
    "stage not reset": ("reset", 1, {"if (rst) output__valid <= 0;": ""}, "belongs to no frame"),
    "frame not reset": ("reset", 2, {"if (rst) begin": "if (0) begin"}, "expected 0x"),
    "input valid ignored": ("stalled", 1, {"= s_axis_tvalid & ": "= "}, "expected 0x"),
    "input error ignored": ("framing", 2, {" & ~s_axis_tuser": ""}, "belongs to no frame"),
    "early last ignored": ("framing", 2, {" & (count == BEATS - 1);": ";"}, "belongs to no frame"),
    "late last ignored": ("framing", 2, {" & ~long &": " &"}, "belongs to no frame"),
    "late last ignored, one beat": ("framing", 1, {" & ~long &": " &"}, "belongs to no frame"),
    "drop untold": ("framing", 2, {"taken & bad": "0"}, "dropped is 0, but a frame was dropped"),
    "drop told in the same cycle": (
        "framing",
        1,
        {"output reg dropped": "output wire dropped", "initial dropped = 0;": "",
         "always @(posedge clk) dropped <= taken": "assign dropped = taken"},
        "dropped is 1, but no frame was dropped",
    ),
    "drop of a frame too long untold": (
        "framing",
        2,
        {": count == BEATS - 1 & ~long": ": 0"},
        "dropped is 0, but a frame was dropped",
    ),
    "drop of a frame without end told with each beat": (
        "reset",
        2,
        {": count == BEATS - 1 & ~long": ": count == BEATS - 1"},
        "dropped is 1, but no frame was dropped",
    ),
    "ready in reset": ("reset", 1, {"= ready & ~rst": "= ready"}, "reset: s_axis_tready is 1"),
    "valid in reset": ("reset", 1, {"= last_full & ~rst": "= last_full"}, "m_axis_tvalid is 1"),
    "a beat taken in reset": (
        "reset",
        2,
        {"if (rst) begin": "if (rst & ~s_axis_tvalid) begin",
         "wire taken = s_axis_tvalid & s_axis_tready;": "wire taken = s_axis_tvalid & ready;",
         "else if (taken & s_axis_tlast)": "else if (taken & s_axis_tlast & ~rst)"},
        "expected 0x",
    ),
}  # fmt: skip


def test_a_design_without_the_port_dropped_passes_as_earlier_versions_made_it(tmp_path):
    changes = {", output reg dropped": "", "initial dropped = 0;": "reg dropped;"}
    changes |= {"= ready & ~rst": "= ready", "= last_full & ~rst": "= last_full"}
    bench = small_design.bench(tmp_path, changes, beats=2)
    earlier = {key: what for key, what in bench.interface.items() if key != "dropped_cycles"}
    replace(bench, interface=earlier).write(tmp_path / "verify")
    for phase in run_bench(tmp_path / "verify", time_limit=60).values():
        assert phase["problems"] == []


def test_a_design_that_lacks_the_port_dropped_is_refused_in_words(tmp_path):
    changes = {", output reg dropped": "", "initial dropped = 0;": "reg told;"}
    small_design.bench(tmp_path, changes | {"dropped <=": "told <="}).write(tmp_path / "verify")
    with pytest.raises(SimulationError, match="the design has no port 'dropped'"):
        run_bench(tmp_path / "verify")


@pytest.mark.parametrize("bug", BUGS)
def test_a_planted_bug_is_caught(tmp_path, bug):
    test, beats, changes, words = BUGS[bug]
    phase = found(tmp_path, changes, beats=beats, tests=(test,))[test]
    cycles = (phase["latency"] or {}).get("wrong")
    assert phase["mismatches"] or phase["rule_violations"] or cycles
    log = (tmp_path / "verify" / "simulation.log").read_text()
    assert "FAIL" in log
    assert words in log


def test_a_wrong_expectation_fails(tmp_path):
    bench = small_design.bench(tmp_path, tests=("full_rate",))
    bench.expected[3, 1] ^= 0x80
    bench.write(tmp_path / "verify")
    phase = run_bench(tmp_path / "verify")["full_rate"]
    assert phase["mismatches"] == 1
    first = phase["first"]
    assert (first["frame"], first["cycle"]) == (3, 5)
    assert int(first["expected"], 16) ^ int(first["got"], 16) == 0x8000


def test_mismatches_are_counted_to_the_end(tmp_path):
    bench = small_design.bench(tmp_path, tests=("full_rate",))
    bench.expected[10:] ^= 1
    bench.write(tmp_path / "verify")
    assert run_bench(tmp_path / "verify")["full_rate"]["mismatches"] == 30


def test_probes_show_what_each_stage_held_for_a_frame(tmp_path):
    bench = small_design.bench(tmp_path, {".input__payload(middle)": ".input__payload(~middle)"})
    tests = ("full_rate", "stalled")
    replace(bench, probe=3, tests=tests, waves="kept.fst").write(tmp_path / "verify")
    result = run_bench(tmp_path / "verify")
    right = int.from_bytes(bench.expected[3].tobytes(), "little")
    for test in tests:
        stages = result[test]["stages"]
        assert int(stages["first"]["word"], 16) == right
        assert int(stages["second"]["word"], 16) == right ^ 0xFFFF
        assert stages["second"]["cycle"] > stages["first"]["cycle"]
    first = result["full_rate"]["stages"]["first"]
    assert first["cycle"] == 4
    assert (tmp_path / "verify" / "kept.fst").stat().st_size > 0


def test_frames_of_the_wrong_width_are_refused(tmp_path):
    bench = small_design.bench(tmp_path)
    wide = replace(bench, expected=np.pad(bench.expected, ((0, 0), (0, 1))))
    wide.write(tmp_path / "verify")
    with pytest.raises(SimulationError, match=r"m_axis_tdata has 16 bits, frames\.npz 24"):
        run_bench(tmp_path / "verify")
