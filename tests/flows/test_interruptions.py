"""Faults in the flow: killed at any moment, no disk left, two at once. The next run completes.

What tools do wrong is in test_build.py and test_process.py, files and locks in test_files.py.
"""

import dataclasses
import errno
import json
import os
import random
import resource
import shlex
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from concept_networks import DECIDING
from conftest import write_run
from networks import random_network

from htaflow.flows.build.area import count_area
from htaflow.flows.build.build import build
from htaflow.flows.build.folders import work_folder
from htaflow.flows.convert import convert
from htaflow.flows.explain import explain
from htaflow.flows.report.report import report
from htaflow.model.support.files import locked_folder
from htaflow.model.training import zoo
from htaflow.model.training.recipe import Neurons
from htaflow.model.training.train import train
from htaflow.sim.verify import verify_rtl

pytest_plugins = ["fake_tools"]

CHANGES = {"convert": 11, "report": 10, "build": 67, "slow build": 50, "verify": 30}
"""At least so many changes to files does each step make: see faulty.py."""


def disturb(mode: str, step: str, run: Path, *cases: int) -> None:
    """Let the step be killed, or find no disk, at these of its changes to files; by default all."""
    script = Path(__file__).parents[1] / "helpers" / "faulty.py"
    done = subprocess.run(
        [sys.executable, script, mode, step, run.parent, *map(str, cases)],
        capture_output=True,
        text=True,
        timeout=1500,
    )
    told = f"{done.stdout}{done.stderr}"
    assert done.returncode == 0, told
    tried = int(done.stdout.splitlines()[-1].split()[0])
    assert tried == len(cases) if cases else tried >= CHANGES[step], told


@pytest.mark.parametrize("step", CHANGES)
def test_killed_at_any_moment_nothing_half_done_is_seen_and_the_next_run_completes(
    run: Path, fake: object, step: str
) -> None:
    disturb("kill", step, run, *random.sample(range(1, CHANGES[step] + 1), 1))


def test_on_a_full_disk_the_old_result_stays_and_the_next_run_completes(
    run: Path, fake: object
) -> None:
    disturb("full", "build", run, *random.sample(range(1, 60), 1))


@pytest.mark.slow
@pytest.mark.parametrize("step", CHANGES)
@pytest.mark.parametrize("mode", ["kill", "full"])
def test_killed_or_without_disk_at_every_change_to_a_file(
    run: Path, fake: object, mode: str, step: str
) -> None:
    disturb(mode, step, run)


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir() if path.suffix != ".log"}


@pytest.mark.parametrize("times", [1, pytest.param(25, marks=pytest.mark.slow)])
def test_a_build_killed_while_its_tools_run_is_made_anew(
    run: Path, fake: object, monkeypatch: pytest.MonkeyPatch, times: int
) -> None:
    monkeypatch.setenv("FAKE_SECONDS", "0.15")
    command = [
        sys.executable,
        "-m",
        "htaflow.flows.cli",
        "build",
        str(run),
        "--board=icebreaker",
    ]
    begun = time.monotonic()
    subprocess.run(command, check=True, capture_output=True)
    whole = time.monotonic() - begun
    boards = run / "boards"
    undisturbed = contents(boards / "icebreaker")
    for _ in range(times):
        shutil.rmtree(boards)
        with subprocess.Popen(command, stderr=subprocess.DEVNULL) as process:
            time.sleep(random.uniform(0.3, 1) * whole)
            process.kill()
        subprocess.run(command, check=True, capture_output=True)
        assert [path.name for path in boards.iterdir()] == ["icebreaker"]
        found = contents(boards / "icebreaker")
        for each in (found, undisturbed):
            each["report.json"] = without_seconds(each["report.json"])
        assert found == undisturbed


def without_seconds(text: bytes) -> bytes:
    return json.dumps({k: v for k, v in json.loads(text).items() if k != "seconds"}).encode()


@pytest.mark.slow
def test_a_training_killed_again_and_again_ends_in_the_same_network(tmp_path: Path) -> None:
    def command(out: Path) -> list[str]:
        verb = ["train", "digits", "--data", "digits", "--epochs", "12", "--out", str(out)]
        return [sys.executable, "-m", "htaflow.flows.cli", *verb]

    begun = time.monotonic()
    subprocess.run(command(tmp_path / "whole"), check=True, capture_output=True)
    whole = time.monotonic() - begun
    for _ in range(4):
        with subprocess.Popen(command(tmp_path / "run"), stderr=subprocess.DEVNULL) as process:
            time.sleep(random.uniform(0.3, 0.9) * whole)
            process.kill()
    subprocess.run(command(tmp_path / "run"), check=True, capture_output=True)
    for name in ("network.safetensors", "test.npz"):
        assert (tmp_path / "run" / name).read_bytes() == (tmp_path / "whole" / name).read_bytes()
    assert {path.name for path in (tmp_path / "run").iterdir()} == {
        path.name for path in (tmp_path / "whole").iterdir()
    }


def test_a_file_that_cannot_grow_is_one_line_and_no_result(run: Path) -> None:
    """A limit of the operating system: a write fails half-way, as on a disk that fills up."""

    def limit() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (9000, 9000))

    command = [sys.executable, "-B", "-m", "htaflow.flows.cli", "report", str(run)]
    failed = subprocess.run(command, preexec_fn=limit, capture_output=True, text=True)
    assert failed.returncode == 2, failed.stderr
    page = run / "report" / "index.html"
    assert failed.stderr.splitlines()[-1] == f"htaflow: {page}: {os.strerror(errno.EFBIG)}"
    assert not list(page.parent.iterdir())
    assert subprocess.run(command, capture_output=True).returncode == 0


# A disk of $1 KiB, made in a namespace of its own. What is printed: how the command ends on it, the
# results that are then there, how it ends with more room, and all files.
SMALL_DISK = """
mount -t tmpfs -o size=$1k none "$2" && cp -r "$3" "$2/run" || exit 99
cd "$2"; shift 3
"$@"; echo "exit $?"
find . -name report.json -o -name 'top.bi*'
mount -o remount,size=100m none .
"$@"; echo "exit $?"
find . -type f | sort
"""


def may_mount() -> bool:
    try:
        done = subprocess.run(["unshare", "-rm", "true"], capture_output=True)
    except OSError:
        return False
    return done.returncode == 0


@pytest.mark.skipif(not may_mount(), reason="needs user namespaces, to mount a small disk")
@pytest.mark.parametrize("room", [20, 100])
def test_a_build_on_a_disk_that_fills_up_tells_so_and_the_next_one_completes(
    run: Path, tmp_path: Path, fake: object, room: int
) -> None:
    disk = tmp_path / "disk"
    disk.mkdir()
    build_it = [sys.executable, "-B", "-m", "htaflow.flows.cli", "build", "run"]
    done = subprocess.run(
        [
            "unshare",
            "-rm",
            "sh",
            "-c",
            SMALL_DISK,
            "sh",
            str(room),
            disk,
            run,
            *build_it,
            "--board=icebreaker",
        ],
        capture_output=True,
        text=True,
        timeout=120,
    )
    lines = [line for line in done.stdout.splitlines() if not line.startswith(("board ", "icebr"))]
    assert lines[0] in ("exit 1", "exit 2")
    assert lines[1] == "exit 0"  # with no result before it
    assert "No space left" in done.stderr or "no space is left" in done.stderr
    assert "Traceback" not in done.stderr
    folder = "./run/boards/icebreaker/"
    kept = [line.removeprefix(folder) for line in lines[2:] if line.startswith(folder)]
    assert {"top.bin", "report.json", "lock.json", "netlist.v"} <= set(kept)
    assert len(lines) == 2 + len(kept) + 1  # and the network


# --- Two at once -----------------------------------------------------------------------------


@pytest.fixture
def tiny(monkeypatch: pytest.MonkeyPatch) -> None:
    """A recipe that trains in a second."""
    recipe = dataclasses.replace(
        zoo.ZOO["digits"], name="tiny", hidden=(Neurons(40, 4, 20),), epochs=1
    )
    monkeypatch.setitem(zoo.ZOO, "tiny", recipe)


Progress = Callable[[str], None]
WAITING: dict[str, tuple[str, Callable[[Path, Progress], object], str]] = {
    # The folder that is held, the step that wants it, and what the step writes.
    "convert": ("", lambda run, say: convert(run, bus_bits=8, progress=say), "rtl/top.v"),
    "verify": (
        "verify",
        lambda run, say: verify_rtl(run, frames=2, progress=say),
        "verify/rtl.json",
    ),
    "report": ("report", lambda run, say: report(run, progress=say), "report/index.html"),
    "explain": ("explain", lambda run, say: explain(run, 1, progress=say), "explain/frame-1.json"),
    "train": ("", lambda run, say: train("tiny", "digits", run, progress=say), "train.json"),
    "build": (
        "boards/.icebreaker",
        lambda run, say: build(run, "icebreaker", progress=say),
        "boards/icebreaker/top.bin",
    ),
}


@pytest.mark.parametrize("step", WAITING)
def test_a_step_waits_for_another_at_the_same_place_and_says_so(
    tmp_path: Path, fake: object, tiny: None, step: str
) -> None:
    held, action, result = WAITING[step]
    run = write_run(tmp_path / "run", DECIDING, 3, None)
    (run / "rtl" / "top.v").touch()
    before = (run / result).read_bytes() if (run / result).exists() else None
    waits = threading.Event()

    def say(message: str) -> None:
        if "waiting for another" in message:
            waits.set()

    failed: list[BaseException] = []

    def work() -> None:
        try:
            action(run, say)
        except BaseException as error:
            failed.append(error)

    thread = threading.Thread(target=work)
    with locked_folder(run / held, lambda: None):
        thread.start()
        assert waits.wait(60), failed
        now = (run / result).read_bytes() if (run / result).exists() else None
        assert now == before
        if step == "build":  # its folder is the lock: whoever had it deletes it
            work_folder(run / "boards" / "icebreaker").rmdir()
    thread.join(60)
    assert not failed
    assert (run / result).read_bytes() != before


def test_a_count_waits_for_another_in_its_folder(tmp_path: Path, fake: object) -> None:
    network = random_network(np.random.default_rng(1), hidden=(20,), fan_in=4, classes=3)
    said: list[str] = []

    def stop(message: str) -> None:
        said.append(message)
        raise KeyboardInterrupt

    with locked_folder(tmp_path, lambda: None), pytest.raises(KeyboardInterrupt):
        count_area(network, "ice40", tmp_path, progress=stop)
    assert "waiting for another" in said[0]


def test_of_two_builds_at_once_one_works_and_the_other_finds_it_done(
    run: Path, fake: object, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FAKE_SECONDS", "0.4")
    command = [
        sys.executable,
        "-m",
        "htaflow.flows.cli",
        "build",
        str(run),
        "--board=icebreaker",
    ]
    both = [
        subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        for _ in range(2)
    ]
    answers = [each.communicate(timeout=120) for each in both]
    assert [each.returncode for each in both] == [0, 0]
    assert answers[0][0] == answers[1][0]
    assert sum("waiting for another 'htaflow build'" in errors for _, errors in answers) == 1
    assert len(fake.calls) == 3  # type: ignore[attr-defined]
    assert [path.name for path in (run / "boards").iterdir()] == ["icebreaker"]


def test_a_script_that_is_killed_takes_its_tools_along(run: Path, tmp_path: Path) -> None:
    """One that calls the Python functions, as a benchmark does, and does not handle SIGTERM."""
    yosys = tmp_path / "yosys"
    wait = f'echo $$ > "{tmp_path}/id.tmp"; mv "{tmp_path}/id.tmp" "{tmp_path}/id"; sleep 60'
    yosys.write_text(f'#!/bin/sh\n[ "$1" = --version ] && echo Yosys 0.99 && exit\n{wait}\n')
    yosys.chmod(0o755)
    script = (
        "from pathlib import Path; from htaflow.flows.build.build import build\n"
        f"build(Path({str(run)!r}), 'icebreaker')"
    )
    environment = {**os.environ, "HTAFLOW_YOSYS": shlex.quote(str(yosys))}
    with subprocess.Popen([sys.executable, "-c", script], env=environment) as process:
        end = time.monotonic() + 60
        while not (tmp_path / "id").exists():
            assert time.monotonic() < end
            time.sleep(0.05)
        process.send_signal(signal.SIGTERM)
    tool = Path("/proc") / (tmp_path / "id").read_text().strip()
    while tool.exists() and "State:\tZ" not in (tool / "status").read_text():
        assert time.monotonic() < end
        time.sleep(0.05)
