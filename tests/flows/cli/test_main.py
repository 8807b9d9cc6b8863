import json
import os
import shlex
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from network_files import small_network, write_raw

from htaflow.flows.cli import main as cli
from htaflow.model.integer.file import save_network
from htaflow.model.support.errors import DoesNotFitError

VERBS = ("demo", "train", "check", "convert", "verify", "build", "report", "doctor")

Run = Callable[..., tuple[int, str, str]]


@pytest.fixture
def htaflow(capsys: pytest.CaptureFixture[str]) -> Run:
    """Return a function that runs the command and returns exit code, stdout and stderr."""

    def run(*arguments: object) -> tuple[int, str, str]:
        code = cli.main([str(argument) for argument in arguments])
        captured = capsys.readouterr()
        assert "Traceback" not in captured.err
        return code, captured.out, captured.err

    return run


@pytest.fixture
def network(tmp_path: Path) -> Path:
    path = tmp_path / "network.safetensors"
    save_network(small_network(), path)
    return path


# --- Usage -----------------------------------------------------------------------------------


def test_help_names_every_verb_and_each_verb_has_an_example(
    capsys: pytest.CaptureFixture[str],
) -> None:
    with pytest.raises(SystemExit, match="0"):
        cli.main(["--help"])
    text = capsys.readouterr().out
    for verb in VERBS:
        assert verb in text
        with pytest.raises(SystemExit, match="0"):
            cli.main([verb, "--help"])
        assert f"example:\n  htaflow {verb}" in capsys.readouterr().out


def test_help_is_fast_because_it_imports_neither_torch_nor_amaranth() -> None:
    code = (
        "import sys\n"
        "from htaflow.flows.cli import main as cli\n"
        "try:\n    cli.main(['--help'])\n"
        "except SystemExit:\n    pass\n"
        "slow = {'torch', 'amaranth', 'numpy', 'cocotb', 'sklearn'} & sys.modules.keys()\n"
        "sys.exit(str(slow) if slow else 0)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_version(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit, match="0"):
        cli.main(["--version"])
    assert capsys.readouterr().out.startswith("htaflow ")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["biuld", "x"], "no verb 'biuld'; did you mean 'build'?"),
        (["zzz"], "no verb 'zzz'; known: bisect, build, check"),
        ([], "VERB"),
        (["build", "run"], "--board"),
        (["convert"], "FILE"),
        (["convert", "file", "--bus", "0"], "at least 1"),
        (["verify", "run", "--frames", "many"], "not a whole number"),
        (["verify", "run", "--seed", "-1"], "--seed"),
        (["verify", "run", "--level", "silicon"], "silicon"),
        (["report", "run", "--fast"], "--fast"),
    ],
)
def test_a_usage_error_exits_2_and_says_what_is_wrong(
    htaflow: Run, arguments: list[str], message: str
) -> None:
    code, out, err = htaflow(*arguments)
    assert (code, out) == (2, "")
    assert err.startswith("htaflow: ")
    assert message in err


# --- Bad input: refused with exit code 2, and nothing half-written ---------------------------


@pytest.mark.parametrize(
    "damage",
    [
        lambda whole: b"",
        lambda whole: whole[:20],
        lambda whole: whole[:-1],
        lambda whole: b"\x00" * len(whole),
        lambda whole: b"\xff" * 8 + whole[8:],
    ],
    ids=["empty", "header cut", "data cut", "zeros", "length wrong"],
)
def test_a_truncated_or_corrupted_network_file(
    htaflow: Run, tmp_path: Path, network: Path, damage: Callable[[bytes], bytes]
) -> None:
    network.write_bytes(damage(network.read_bytes()))
    out = tmp_path / "run"
    code, _, err = htaflow("convert", network, "--out", out)
    assert code == 2
    assert str(network) in err
    assert not out.exists()
    assert htaflow("check", network)[0] == 2


@pytest.mark.parametrize(
    ("tensors", "message"),
    [
        (
            {"1.weights": np.array([[200, -1, 0], [0, 1, 1]])},
            "weight 200 at input 0 is not in -128..127",
        ),
        ({"1.weights": np.array([[1, -1, 0], [0, 0, 0]])}, "neuron 1: fan-in 0"),
        ({"1.thresholds": np.array([0, 4])}, "neuron 1: threshold 4 is out of range"),
        ({"1.thresholds": np.array([-9, 0])}, "neuron 0: threshold -9 is out of range"),
        ({"0.threshold": np.array([8, 4, 99])}, "bit 2: threshold 99 is out of range"),
        ({"1.weights": np.array([[0.5, np.nan, 0], [0, 1, 1]])}, "wrong type"),
    ],
)
def test_a_network_that_is_not_valid(
    htaflow: Run, tmp_path: Path, tensors: dict[str, Any], message: str
) -> None:
    file, out = tmp_path / "bad.safetensors", tmp_path / "run"
    write_raw(file, **tensors)
    code, _, err = htaflow("convert", file, "--out", out)
    assert code == 2
    assert message in err
    assert not out.exists()
    code, printed, _ = htaflow("check", file)
    assert code == 2
    assert printed.startswith(f"{file}: ")
    assert message in printed


def test_check_prints_problems_as_json(htaflow: Run, tmp_path: Path, network: Path) -> None:
    code, out, _ = htaflow("check", network, "--json")
    assert (code, json.loads(out)["problems"]) == (0, [])
    file = tmp_path / "bad.safetensors"
    write_raw(file, **{"1.thresholds": np.array([9, 9])})
    code, out, _ = htaflow("check", file, "--json")
    assert code == 2
    problems = json.loads(out)["problems"]
    assert [problem["layer"] for problem in problems] == ["layer 1 'hidden'"] * 2
    assert all(problem["what"] and problem["fix"] for problem in problems)


def test_a_csv_without_its_label_column(htaflow: Run, tmp_path: Path) -> None:
    data, out = tmp_path / "data.csv", tmp_path / "run"
    data.write_text("height,width\n" + "1,2\n" * 20)
    code, _, err = htaflow("train", "table", "--data", data, "--out", out)
    assert code == 2
    assert "label" in err
    assert not out.exists()


def test_an_unknown_model_names_the_nearest_and_data_must_be_said(
    htaflow: Run, tmp_path: Path
) -> None:
    code, _, err = htaflow("train", "digit", "--out", tmp_path / "run")
    assert code == 2
    assert "did you mean 'digits'?" in err
    code, _, err = htaflow("train", "table", "--out", tmp_path / "run")
    assert code == 2
    assert "--data" in err
    assert not (tmp_path / "run").exists()


def test_an_unknown_board_names_the_nearest_and_builds_nothing(
    htaflow: Run, tmp_path: Path, network: Path
) -> None:
    code, _, err = htaflow("build", tmp_path, "--board", "ulx3s-25f", "--board", "icebraker")
    assert code == 2
    assert "did you mean 'icebreaker'?" in err
    assert not (tmp_path / "boards").exists()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--clock", "fast"], "'fast' is not a number"),
        (["--clock", "nan"], "nan MHz is no frequency"),
        (["--clock", "-80"], "-80 MHz is no frequency"),
        (["--clock", "0"], "0 MHz is no frequency"),
        (["--clock", "1e9"], "1e+09 MHz is no frequency"),
        (["--clock", "81"], "81 MHz cannot be made from 25 MHz; the nearest: 80 and 81.25 MHz"),
        (["--seeds", "0"], "it must be at least 1"),
        (["--seeds", "-1"], "not a whole number"),
        (["--pipeline", "hiden"], "'hiden', which is no layer"),
        (["--depth", "0"], "--depth: 0 is no number of look-up tables; use at least 1"),
        (["--depth", "inf"], "--depth: inf is no number"),
        (["--depth", "nan"], "--depth: nan is no number"),
    ],
)
def test_bad_options_of_build_are_refused_and_build_nothing(
    htaflow: Run, tmp_path: Path, network: Path, options: list[str], message: str
) -> None:
    code, _, err = htaflow("build", tmp_path, "--board", "ulx3s-25f", *options)
    assert code == 2
    assert message in err
    assert not (tmp_path / "boards").exists()


@pytest.mark.parametrize("verb", [["verify"], ["report"], ["build", "--board", "icebreaker"]])
def test_a_run_directory_that_is_not_one(htaflow: Run, tmp_path: Path, verb: list[str]) -> None:
    for place in (tmp_path, tmp_path / "absent"):
        code, _, err = htaflow(verb[0], place, *verb[1:])
        assert code == 2
        assert str(place) in err
    assert list(tmp_path.iterdir()) == []


def test_an_absent_simulator_is_named_with_its_remedy(
    htaflow: Run, tmp_path: Path, network: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert htaflow("convert", tmp_path)[0] == 0
    monkeypatch.setenv("PATH", str(tmp_path))
    code, _, err = htaflow("verify", tmp_path, "--frames", 4)
    assert code == 2
    assert "iverilog" in err
    assert "install" in err
    assert not (tmp_path / "verify" / "rtl.json").exists()


# --- Results and the other ends --------------------------------------------------------------


def test_check_convert_and_report_of_a_valid_network(
    htaflow: Run, tmp_path: Path, network: Path
) -> None:
    run = tmp_path / "run"
    assert "no problems" in htaflow("check", network)[1]
    code, out, err = htaflow("convert", network, "--out", run, "--bus", 8)
    assert code == 0
    assert "2 beats of 8 bits a frame" in out
    assert "generating Verilog" in err
    code, out, _ = htaflow("report", run)
    assert (code, out.strip()) == (0, str(run / "report" / "index.html"))


def test_the_answer_no_exits_1(
    htaflow: Run, tmp_path: Path, network: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def too_large(*arguments: object, **options: object) -> None:
        raise DoesNotFitError("it needs 120 LUT too many")

    monkeypatch.setattr("htaflow.hw.verilog.generate", too_large)
    code, _, err = htaflow("convert", network, "--out", tmp_path / "run")
    assert (code, err.splitlines()[-1]) == (1, "htaflow: it needs 120 LUT too many")


def test_an_interruption_says_how_to_go_on(
    htaflow: Run, network: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupt(*arguments: object, **options: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("htaflow.flows.check.check", interrupt)
    code, _, err = htaflow("check", network)
    assert code == 130
    assert "run the same command again" in err


@pytest.mark.usefixtures("signals_heard")
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_a_process_that_is_told_to_end_takes_its_tools_along(
    tmp_path: Path, number: signal.Signals
) -> None:
    yosys = tmp_path / "yosys"
    yosys.write_text(
        f'#!/bin/sh\n[ "$1" = --version ] || {{ echo $$ > "{tmp_path}/id"; sleep 60; }}\n'
    )
    yosys.chmod(0o755)
    run = tmp_path / "run"
    save_network(small_network(), run / "network.safetensors")
    verb = ["build", str(run), "--board", "icebreaker"]
    with subprocess.Popen(
        [sys.executable, "-m", "htaflow.flows.cli", *verb],
        env={**os.environ, "HTAFLOW_YOSYS": shlex.quote(str(yosys))},
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        started = tmp_path / "id"
        deadline = time.monotonic() + 300
        while not (started.exists() and started.read_text().strip()):
            assert time.monotonic() < deadline
            time.sleep(0.05)
        process.send_signal(number)
        _, errors = process.communicate(timeout=300)
    assert process.returncode == 128 + number
    assert "interrupted" in errors
    assert "Traceback" not in errors
    with pytest.raises(ProcessLookupError):
        os.kill(int(started.read_text()), 0)
    assert list((run / "boards").iterdir()) == []


def test_a_closed_stdout_is_no_traceback(network: Path) -> None:
    command = [sys.executable, "-m", "htaflow.flows.cli", "check", str(network)]
    done = subprocess.run(["sh", "-c", 'exec "$@" >&-', "sh", *command], capture_output=True)
    assert (done.returncode, done.stderr) == (0, b"")


@pytest.mark.parametrize(
    "error",
    [OSError(28, "No space left on device", "run/rtl/top.v"), PermissionError(13, "Denied", "run")],
)
def test_a_failing_disk_is_one_line(
    htaflow: Run, network: Path, monkeypatch: pytest.MonkeyPatch, error: OSError
) -> None:
    def fail(*arguments: object) -> None:
        raise error

    monkeypatch.setattr("htaflow.flows.convert.write_together", fail)
    code, _, err = htaflow("convert", network, "--out", network.parent / "run")
    assert code == 2
    assert err.splitlines()[-1] == f"htaflow: {error.filename}: {error.strerror}"


def test_a_reader_that_goes_away_is_no_error(tmp_path: Path) -> None:
    write_raw(tmp_path / "bad.safetensors", **{"1.thresholds": np.array([9, 9])})
    command = [
        sys.executable,
        "-m",
        "htaflow.flows.cli",
        "check",
        tmp_path / "bad.safetensors",
    ]
    read, write = os.pipe()
    os.close(read)
    with os.fdopen(write, "wb") as pipe:
        done = subprocess.run(command, stdout=pipe, stderr=subprocess.PIPE, text=True)
    assert done.stderr == ""


def test_the_command_is_installed() -> None:
    command = shutil.which("htaflow", path=Path(sys.executable).parent)
    assert command is not None


def test_a_timeout_reaches_each_simulation(htaflow: Run, make_run: Callable[..., Path]) -> None:
    run = make_run(ending="bits", hidden=(8, 6))
    top = run / "rtl" / "top.v"
    top.write_text(top.read_text().replace("wire hidden1_n5 = ", "wire hidden1_n5 = ~"))
    code, _, _ = htaflow("bisect", run, "--timeout", 77)
    assert code == 1
    for folder in (run / "verify", run / "verify" / "replay"):
        assert json.loads((folder / "bench.json").read_text())["timeout"] == 77
    assert htaflow("verify", run, "--timeout", 0)[0] == 2
    assert htaflow("verify", run, "--timeout", 5, "--mutate")[0] == 2
