"""A network's streams beside cocotbext-axi's source and sink, which are not ours."""

import json
from pathlib import Path

import numpy as np
import pytest
from cocotb_tools.check_results import get_results
from cocotb_tools.runner import get_runner
from networks import random_frames, random_network

from htaflow.hw.stream.layout import layouts
from htaflow.hw.verilog import generate
from htaflow.model.integer.golden.executor import run as golden


def test_cocotbext_axi_gets_goldens_results(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    network = random_network(np.random.default_rng(1))
    design = generate(network, 8)
    (tmp_path / "top.v").write_text(design.text)
    inputs, outputs = layouts(network, 8)
    assert inputs.beats == 3
    frames = random_frames(network, np.random.default_rng(2), 20)
    bench = {
        "beat_bytes": 1,
        "frames": [beats.tobytes().hex() for beats in inputs.pack(frames)],
        "results": [word.tobytes().hex() for word in outputs.pack(golden(network, frames))],
    }
    assert len(set(bench["results"])) > 3
    (tmp_path / "bench.json").write_text(json.dumps(bench))
    runner = get_runner("icarus")
    runner.build(
        sources=[tmp_path / "top.v"],
        hdl_toplevel="top",
        build_dir=tmp_path,
        timescale=("1ns", "1ps"),
        always=True,
    )
    monkeypatch.delenv("PYTEST_CURRENT_TEST")  # with it the runner would end this process
    results = runner.test(
        test_module="axis_bench",
        hdl_toplevel="top",
        build_dir=tmp_path,
        test_dir=tmp_path,
        extra_env={
            "AXIS_BENCH": str(tmp_path / "bench.json"),
            "PYTHONPATH": str(Path(__file__).parent),
        },
        log_file=tmp_path / "log",
    )
    assert get_results(results) == (5, 0), (tmp_path / "log").read_text()
