# amaranth: UnusedElaboratable=no
import json
from pathlib import Path

import numpy as np
import pytest
from board_network import LOCK_CYCLES, PLL_MODEL, serial_network
from cocotb_tools.check_results import get_results
from cocotb_tools.runner import get_runner

from htaflow.hw.board.pll import find_settings
from htaflow.hw.board.top import BoardPins, BoardTop, bus_bits, divisor
from htaflow.hw.network import NetworkCore
from htaflow.hw.verilog import to_verilog
from htaflow.model.integer.golden import run as golden

PINS = BoardPins(reset="low", heartbeat="low", activity="high", constants={"fixed": 1})


@pytest.mark.parametrize(
    ("feature_bits", "signed", "pll"),
    [(4, False, None), (12, True, None), (4, False, find_settings(25_000_000, 80_000_000))],
)
def test_frames_through_the_pins_give_golden_results(tmp_path, feature_bits, signed, pll):
    network = serial_network(feature_bits, signed=signed)
    core = NetworkCore(network, bus_bits(network))
    top = BoardTop(core, clock_hz=9_000, baud=1_000, pins=PINS, quiet_seconds=0.4, pll=pll)
    verilog = to_verilog(top, "board", core.modules)
    (tmp_path / "board.v").write_text(verilog + PLL_MODEL)
    assert verilog.count("EHXPLLL") == (1 if pll else 0)

    values = network.input
    frames = np.random.default_rng(3).integers(values.low, values.high + 1, (4, 5))
    results = core.output_layout.pack(golden(network, frames))
    bench = {
        "divisor": 9,
        "quiet_cycles": top.quiet_cycles,
        "blink_cycles": 8192,
        "lock_cycles": LOCK_CYCLES if pll else 0,
        "frames": [beats.tobytes().hex() for beats in core.input_layout.pack(frames)],
        "results": [word.tobytes().hex() for word in results],
    }
    (tmp_path / "bench.json").write_text(json.dumps(bench))
    runner = get_runner("icarus")
    runner.build(
        sources=[tmp_path / "board.v"], hdl_toplevel="board", build_dir=tmp_path, always=True
    )
    helpers = Path(__file__).parents[2] / "helpers"
    results_file = runner.test(
        test_module="board_bench",
        hdl_toplevel="board",
        build_dir=tmp_path,
        test_dir=tmp_path,
        extra_env={"BOARD_BENCH": str(tmp_path / "bench.json"), "PYTHONPATH": str(helpers)},
        log_file=tmp_path / "log",
    )
    assert get_results(results_file) == (2, 0), (tmp_path / "log").read_text()


@pytest.mark.parametrize(
    ("clock_hz", "baud", "expected"),
    [(12_000_000, 1_000_000, 12), (25_000_000, 1_000_000, 25), (12_000_000, 115_200, 104)],
)
def test_divisor(clock_hz, baud, expected):
    assert divisor(clock_hz, baud) == expected


@pytest.mark.parametrize(("clock_hz", "baud"), [(12_000_000, 4_000_000), (12_000_000, 2_250_000)])
def test_a_baud_rate_that_the_clock_cannot_make_is_rejected(clock_hz, baud):
    with pytest.raises(ValueError, match=f"cannot make {baud} baud; use at most 3000000"):
        divisor(clock_hz, baud)


def test_a_constant_cannot_take_a_name_in_use():
    core = NetworkCore(serial_network(4, signed=False), 8)
    with pytest.raises(ValueError, match="'rx' cannot be a constant output, it has a use"):
        BoardTop(core, clock_hz=12_000_000, baud=1_000_000, pins=BoardPins(constants={"rx": 1}))
    to_verilog(core, "core", core.modules)  # Amaranth warns of what is never used


def test_the_quiet_time_is_at_least_what_was_asked_for():
    network = serial_network(4, signed=False)
    top = BoardTop(NetworkCore(network, 8), clock_hz=12_000_000, baud=1_000_000)
    to_verilog(top, "board", {})
    assert 0.02 <= top.quiet_cycles / 12e6 < 0.04
