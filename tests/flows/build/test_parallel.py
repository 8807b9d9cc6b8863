import json
import os
import shlex
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from htaflow.flows.build import parallel as builds
from htaflow.flows.build.options import BuildOptions
from htaflow.flows.build.parallel import BuildError, build_all
from htaflow.model.integer.file import save_network
from htaflow.model.integer.network import ArgMax, Dense, Encode, Network
from htaflow.model.support.errors import BadInputError
from htaflow.model.support.progress import Progress

BOARDS = ("icebreaker", "ulx3s-25f")


@pytest.fixture
def run(tmp_path: Path) -> Path:
    network = Network(
        "small",
        (
            Encode("encode", 3, 4, False, np.arange(3), np.array([8, 4, 12])),
            Dense("scores", np.array([[1, -1, 0], [0, 1, 1]])),
            ArgMax("argmax"),
        ),
    )
    save_network(network, tmp_path / "run" / "network.safetensors")
    return tmp_path / "run"


def fake_yosys(folder: Path, body: str) -> str:
    """Return a command that stands in for Yosys; ``body`` is run for all but ``--version``."""
    script = folder / "yosys"
    script.write_text(f'#!/bin/sh\n[ "$1" = --version ] && echo "Yosys 0.70" && exit\n{body}\n')
    script.chmod(0o755)
    return shlex.quote(str(script))


def test_one_board_is_built_in_this_process(run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[Any] = []

    def build(
        run: Path, board: str, options: BuildOptions, *, progress: Progress
    ) -> dict[str, Any]:
        assert progress
        calls.append((run, board, options))
        return {"board": board}

    monkeypatch.setattr(builds, "build", build)
    options = BuildOptions(3, 2, 12, 9, ["scores"], 4, "router2")
    assert build_all(run, ["icebreaker"], options) == {"icebreaker": {"board": "icebreaker"}}
    assert calls == [(run, "icebreaker", options)]


def test_nothing_is_built_if_one_board_is_unknown_or_there_is_no_network(
    run: Path, tmp_path: Path
) -> None:
    with pytest.raises(BadInputError, match="did you mean 'icebreaker'"):
        build_all(run, ["ulx3s-25f", "icebraker"])
    with pytest.raises(BadInputError, match="no such run directory"):
        build_all(tmp_path / "absent", BOARDS)
    with pytest.raises(BadInputError, match="no PLL for an iCE40"):
        build_all(run, BOARDS, BuildOptions(clock_mhz=80))
    with pytest.raises(BadInputError, match="0 is no number of seeds"):
        build_all(run, BOARDS, BuildOptions(seeds=0))
    with pytest.raises(BadInputError, match="'score', which is no layer; did you mean 'scores'"):
        build_all(run, BOARDS, BuildOptions(pipeline=["score"]))
    assert not (run / "boards").exists()


def test_every_failure_is_told_with_its_board(
    run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HTAFLOW_YOSYS", fake_yosys(tmp_path, "echo ERROR: no; exit 3"))
    said: list[str] = []
    with pytest.raises(BuildError, match="code 3") as caught:
        build_all(run, BOARDS, progress=said.append)
    assert caught.value.exit_code == 1
    for board in BOARDS:
        assert board in str(caught.value)
        assert any(board in line for line in said)
        assert not (run / "boards" / board).exists()


@pytest.mark.usefixtures("signals_heard")
def test_an_interruption_ends_the_builds_and_their_tools(run: Path, tmp_path: Path) -> None:
    slow = fake_yosys(tmp_path, f'echo $$ >> "{tmp_path}/started"; sleep 60')
    verb = ["build", str(run), *(f"--board={name}" for name in BOARDS)]
    with subprocess.Popen(
        [sys.executable, "-m", "htaflow.flows.cli", *verb],
        env={**os.environ, "HTAFLOW_YOSYS": slow},
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        started = tmp_path / "started"
        deadline = time.monotonic() + 300
        while not started.exists() or len(started.read_text().split()) < len(BOARDS):
            assert time.monotonic() < deadline
            time.sleep(0.05)
        process.send_signal(signal.SIGINT)
        _, errors = process.communicate(timeout=300)
    assert process.returncode == 130
    assert "interrupted" in errors
    assert "Traceback" not in errors
    for tool in started.read_text().split():
        with pytest.raises(ProcessLookupError):
            os.kill(int(tool), 0)
    assert list((run / "boards").iterdir()) == []


@pytest.mark.parametrize("seconds", [0.02, 0.3])
def test_a_build_that_is_ended_while_it_starts_is_silent(run: Path, seconds: float) -> None:
    arguments = json.dumps([str(run), "icebreaker", {}])
    with subprocess.Popen(
        [sys.executable, "-m", "htaflow.flows.build.parallel", arguments], stderr=subprocess.PIPE
    ) as process:
        time.sleep(seconds)
        process.terminate()
        _, errors = process.communicate(timeout=300)
    assert process.returncode != 0
    assert errors == b""


def test_a_build_that_dies_is_told(
    run: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(builds, "__name__", "htaflow.no_such_module")
    with pytest.raises(BuildError, match="ended with code 1"):
        build_all(run, BOARDS)
    assert "no_such_module" in capfd.readouterr().err


def test_reports_come_in_the_order_asked_for(run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def follow(arguments: str, *_: Any) -> dict[str, Any]:
        name = json.loads(arguments)[1]
        time.sleep(0.2 if name == "ulx3s-25f" else 0)
        return {"report": {"board": name}}

    monkeypatch.setattr(builds, "_follow", follow)
    assert list(build_all(run, ("ulx3s-25f", "icebreaker"))) == ["ulx3s-25f", "icebreaker"]
