"""The runner: a simulation that says nothing, nonsense, or never ends is never a success."""

import json
import os
import re
import subprocess
import sys
import time
from dataclasses import replace

import pytest
import small_design

from htaflow.model.support.errors import MissingToolError
from htaflow.sim.limits import Limits
from htaflow.sim.runner import Bench, SimulationError, run_bench, simulator_version


@pytest.fixture
def folder(tmp_path):
    """A folder that is ready to simulate a right design."""
    small_design.bench(tmp_path, tests=("full_rate",)).write(tmp_path / "verify")
    return tmp_path / "verify"


def test_the_folder_runs_alone(folder):
    environment = {"PATH": os.environ["PATH"], "PYTEST_CURRENT_TEST": "something else"}
    alone = subprocess.run(
        [sys.executable, folder / "run.py"],
        cwd=folder.parent,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert alone.returncode == 0, alone.stdout + alone.stderr
    assert json.loads((folder / "result.json").read_text())["full_rate"]["mismatches"] == 0
    sources = [folder / "run.py", *(folder / "bench").glob("*.py")]
    assert len(sources) >= 4
    for source in sources:
        assert "htaflow" not in source.read_text()


def test_a_failing_test_is_a_result_and_exit_code_1(folder):
    text = (folder.parent / "top.v").read_text()
    (folder.parent / "top.v").write_text(
        text.replace("m_axis_tdata = last", "m_axis_tdata = ~last")
    )
    assert run_bench(folder)["full_rate"]["mismatches"] == 40
    alone = subprocess.run([sys.executable, folder / "run.py"], capture_output=True, check=False)
    assert alone.returncode == 1


def test_a_missing_simulator_names_the_remedy(folder, fake_path):
    with pytest.raises(MissingToolError, match=r"iverilog .* 'apt install iverilog'"):
        run_bench(folder)
    fake_path("iverilog")
    with pytest.raises(MissingToolError, match="vvp"):
        run_bench(folder)
    fake_path("vvp")
    with pytest.raises(MissingToolError, match="'iverilog -V' says nothing"):
        simulator_version()


def test_verilog_that_does_not_compile(folder):
    (folder.parent / "top.v").write_text("module top(; endmodule")
    with pytest.raises(SimulationError, match=r"(?s)without a result.*syntax error.*does not"):
        run_bench(folder)


def test_a_design_without_the_ports(folder):
    (folder.parent / "top.v").write_text("module top(input clk); endmodule")
    with pytest.raises(SimulationError, match="contains no child object named"):
        run_bench(folder)


def test_a_simulation_that_hangs_is_killed(folder):
    text = (folder.parent / "top.v").read_text()
    loop = "reg o = 0; always @(posedge clk) if (n == 9) while (1) o = ~o; endmodule"
    (folder.parent / "top.v").write_text(text.replace("endmodule", loop, 1))
    begun = time.monotonic()
    with pytest.raises(SimulationError, match=r"longer than 4 s and was killed; the end of"):
        run_bench(folder, time_limit=4)
    with pytest.raises(SimulationError, match="said nothing for 3 s and was killed"):
        run_bench(folder, limits=Limits(60, 3, None))
    assert time.monotonic() - begun < 20


FAKES = {
    "nothing": ("pass", "exit code 0 and without a result"),
    "a crash": ("import os; os.kill(os.getpid(), 11)", "exit code -11 and without a result"),
    "nonsense": (
        "open('result.json', 'w').write('}'); open('results.xml', 'w').write('<a/>')",
        "without a result",
    ),
    "no test ran": (
        "open('result.json', 'w').write('{}'); open('results.xml', 'w').write('<a/>')",
        r"not every test of the bench came to an end \(missing: \['full_rate'\]\)",
    ),
    "another test ran": (
        "open('result.json', 'w').write('{\"full_rate\": {}}');"
        "open('results.xml', 'w').write('<a><testcase name=\"other\"/></a>')",
        "not every test of the bench",
    ),
    "a pass that ends badly": (
        "open('result.json', 'w').write('{\"full_rate\": {}}');"
        "open('results.xml', 'w').write('<a><testcase name=\"full_rate\"/></a>'); sys.exit(1)",
        r"the tests say one thing, the simulation's exit code \(1\) another",
    ),
    "a failure that ends well": (
        "open('result.json', 'w').write('{\"full_rate\": {}}');"
        "open('results.xml', 'w').write("
        "'<a><testcase name=\"full_rate\"><failure/></testcase></a>')",
        "the tests say one thing",
    ),
}


@pytest.mark.parametrize("fake", FAKES)
def test_nonsense_is_no_success(folder, fake):
    code, words = FAKES[fake]
    (folder / "run.py").write_text(f"import sys\nprint('its last words')\n{code}\n")
    with pytest.raises(SimulationError, match=f"(?s){words}.*its last words"):
        run_bench(folder)


def test_an_old_result_is_not_taken_for_a_new_one(folder):
    run_bench(folder)
    (folder / "run.py").write_text("")
    with pytest.raises(SimulationError, match="without a result"):
        run_bench(folder)


def test_progress_is_passed_on(folder):
    (folder / "run.py").write_text("print(' 9 INFO top  progress: 3 of 9 frames, 2 cycles/s')")
    told: list[str] = []
    with pytest.raises(SimulationError):
        run_bench(folder, progress=told.append)
    assert told == ["3 of 9 frames, 2 cycles/s"]


# --- Limits ------------------------------------------------------------------------------------


@pytest.mark.parametrize("said", ["", "print('%Warning: x', flush=True);"])
def test_a_compiler_may_be_silent_for_long_but_not_for_ever(folder, said):
    compiling = (
        "import time; print('phase: compiling', flush=True)\n"
        f"for _ in range({{}}): {said} time.sleep(0.1)\n"
        "print('phase: simulating', flush=True)\n"
    )
    (folder / "run.py").write_text(compiling.format(12))
    with pytest.raises(SimulationError, match="ended with exit code 0 and without a result"):
        run_bench(folder, limits=Limits(30, 0.5, None))
    (folder / "run.py").write_text(compiling.format(600))
    with pytest.raises(
        SimulationError, match=r"was not compiled after 1 s and was killed; .*--timeout"
    ):
        run_bench(folder, limits=Limits(1, 0.5, None))


def test_after_compiling_silence_is_a_hang(folder):
    (folder / "run.py").write_text(
        "import time; print('phase: compiling\\nphase: simulating', flush=True)\ntime.sleep(60)"
    )
    with pytest.raises(SimulationError, match="said nothing for 1 s"):
        run_bench(folder, limits=Limits(30, 1, None))


def test_a_timeout_stands_in_for_all_limits(folder, monkeypatch):
    monkeypatch.setattr("htaflow.sim.limits._QUIET", (0.2, 0.0))
    (folder / "run.py").write_text("import time; time.sleep(1)")
    with pytest.raises(SimulationError, match=r"said nothing for 0\.2 s"):
        run_bench(folder)
    options = json.loads((folder / "bench.json").read_text())
    (folder / "bench.json").write_text(json.dumps(options | {"timeout": 30}))
    with pytest.raises(SimulationError, match="ended with exit code 0"):
        run_bench(folder)
    (folder / "bench.json").write_text(json.dumps(options | {"timeout": 0.3}))
    with pytest.raises(SimulationError, match=r"took longer than 0\.3 s"):
        run_bench(folder)


def test_larger_designs_may_take_longer():
    small, large = (Limits.of("icarus", size, None) for size in (1 << 10, 100 << 20))
    assert large.compiling > 50 * small.compiling > 1000
    assert large.quiet > 50 * small.quiet
    assert small.total is large.total is None
    assert Limits.of("verilator", 1, None).compiling > small.compiling
    assert Limits.of("icarus", 100 << 20, 9) == Limits(None, None, 9)


def test_a_serial_line_tells_its_progress_by_cycles(tmp_path):
    """A frame over it may take hours, and nothing but the clock tells that it goes on."""
    (tmp_path / "board.v").write_text(
        "module board(input clk, input rx, output tx); assign tx = 1; endmodule"
    )
    serial = {"cycles_a_bit": 100, "latency_cycles": 1 << 40, "interval_cycles": 1, "reset": None}
    interface = small_design.interface() | {"serial": serial | {"quiet_cycles": 9, "constants": {}}}
    given, answers = small_design.frames(3)
    bench = Bench(interface, (tmp_path / "board.v",), given, answers, port="serial")
    replace(bench, toplevel="board", tests=("full_rate",)).write(tmp_path / "verify")
    base = tmp_path / "verify" / "bench" / "base.py"
    base.write_text(base.read_text().replace("PROGRESS_SECONDS = 4", "PROGRESS_SECONDS = 0.1"))
    told = []

    class EnoughError(Exception):
        pass

    def hear(line):
        told.append(line)
        if len(told) > 5:
            raise EnoughError

    with pytest.raises(EnoughError):
        run_bench(tmp_path / "verify", time_limit=60, progress=hear)
    cycles = [int(found[1]) for found in map(re.compile(r"0 of 3.* (\d+),").search, told) if found]
    assert len(cycles) >= 3
    assert cycles == sorted(set(cycles))


def test_other_settings_of_cocotb_do_not_reach_the_simulation(folder, monkeypatch):
    monkeypatch.setenv("COCOTB_TEST_FILTER", "no such test")
    monkeypatch.setenv("COCOTB_TEST_MODULES", "no_such_module")
    monkeypatch.setenv("WAVES", "1")
    assert run_bench(folder)["full_rate"]["mismatches"] == 0
