from htaflow.flows import summary


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
    report = {"fmax_mhz": 24.51, "bitstream": "boards/a/top.bin"} | {
        name: {"used": 1, "available": 8} for name in ("LUT", "FF", "BRAM")
    }
    rows = summary.build_rows({"a": report, "b": report})
    assert rows[0] == ("", "a", "b")
    assert ("fmax", "24.5 MHz", "24.5 MHz") in rows
    assert ("LUT", "1 of 8", "1 of 8") in rows
