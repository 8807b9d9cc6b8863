"""Other programs: their limits, and that nothing of them stays when this process has gone."""

import errno
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from htaflow.model.support import process
from htaflow.model.support.process import ProcessResult, ask, run_process

# Starts a child, tells both numbers, and sleeps.
PARENT = (
    "import os, subprocess, sys, time\n"
    "child = subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(600)'])\n"
    "open('ids.tmp', 'w').write(f'{os.getpid()} {child.pid}')\n"
    "os.rename('ids.tmp', 'ids')\n"
)
SLEEPER = PARENT + "time.sleep(600)"


def run(folder: Path, code: str, **options: object) -> ProcessResult:
    options = {"timeout": 300, "log": folder / "log"} | options
    return run_process([sys.executable, "-c", code], folder=folder, **options)  # type: ignore[arg-type]


def is_running(number: int) -> bool:
    """Whether a process runs: one that ended and that nobody has asked after does not."""
    try:
        state = Path(f"/proc/{number}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return False
    return state != "Z"


def wait_for(condition: object, seconds: float = 120) -> None:
    end = time.monotonic() + seconds
    while not condition():  # type: ignore[operator]
        assert time.monotonic() < end
        time.sleep(0.02)


def test_what_it_prints_is_in_the_log_and_is_heard(tmp_path: Path) -> None:
    heard: list[bytes] = []
    ended = run(tmp_path, "print('hello'); 1/0", heading="first\n", on_output=heard.append)
    assert ended == ProcessResult(1)
    log = (tmp_path / "log").read_text()
    assert log.startswith("first\nhello\n")
    assert log.endswith("ZeroDivisionError: division by zero\n")
    assert b"".join(heard).decode() == log.removeprefix("first\n")


@pytest.mark.parametrize("number", [9, 11, 15])
def test_the_signal_that_ended_it_is_told(tmp_path: Path, number: int) -> None:
    assert run(tmp_path, f"import os; os.kill(os.getpid(), {number})") == ProcessResult(-number)


def test_its_settings_are_those_of_this_process(tmp_path: Path) -> None:
    code = "import os; print(os.getcwd(), os.environ['MINE'], os.read(0, 1))"
    assert run(tmp_path, code, environment={"MINE": "yes"}).code == 0
    assert (tmp_path / "log").read_text() == f"{tmp_path} yes b''\n"


def test_what_is_no_program_says_so(tmp_path: Path) -> None:
    ended = run_process(["/no/such"], folder=tmp_path, log=tmp_path / "log", timeout=9)
    assert ended == ProcessResult(127)
    assert "/no/such cannot be run" in (tmp_path / "log").read_text()
    assert ask(["/no/such"]) is None


@pytest.mark.parametrize(
    ("options", "overrun"),
    [({"timeout": 0.5}, "time"), ({"quiet": 0.5}, "quiet")],
)
def test_one_that_hangs_is_killed_with_its_child(
    tmp_path: Path, options: dict[str, float], overrun: str
) -> None:
    assert run(tmp_path, SLEEPER, **options).overrun == overrun
    ids = [int(word) for word in (tmp_path / "ids").read_text().split()]
    wait_for(lambda: not any(map(is_running, ids)))


def test_one_that_prints_without_end_is_killed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(process, "LOG_LIMIT", 100_000)
    assert run(tmp_path, "while True: print('x' * 999)").overrun == "log"
    assert (tmp_path / "log").stat().st_size == 100_000


def test_one_that_answers_without_end_is_not_waited_for() -> None:
    begun = time.monotonic()
    said = ask([sys.executable, "-c", "while True: print('version 1.2')"])
    assert said is not None
    assert said.startswith(b"version 1.2\n")
    assert len(said) < 1 << 20
    assert time.monotonic() - begun < 300


def test_what_it_leaves_running_ends_with_it(tmp_path: Path) -> None:
    assert run(tmp_path, PARENT) == ProcessResult(0)
    ids = [int(word) for word in (tmp_path / "ids").read_text().split()]
    wait_for(lambda: not any(map(is_running, ids)))


def test_a_full_disk_names_the_log_and_ends_the_program(tmp_path: Path) -> None:
    (tmp_path / "log").symlink_to("/dev/full")
    begun = time.monotonic()
    with pytest.raises(OSError, match="No space left") as caught:
        run(tmp_path, "import time; print('hello', flush=True); time.sleep(600)")
    assert (caught.value.errno, caught.value.filename) == (errno.ENOSPC, str(tmp_path / "log"))
    assert time.monotonic() - begun < 300


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
def test_a_program_ends_with_the_process_that_started_it_even_by_kill_9(
    tmp_path: Path, number: signal.Signals
) -> None:
    """As when a script that calls the Python functions, such as a benchmark, is killed."""
    script = (
        "import sys; from pathlib import Path\n"
        "from htaflow.model.support.process import run_process\n"
        f"run_process([sys.executable, '-c', {SLEEPER!r}], folder=Path.cwd(), log=Path('log'),"
        " timeout=600)"
    )
    with subprocess.Popen([sys.executable, "-c", script], cwd=tmp_path) as parent:
        wait_for((tmp_path / "ids").exists)
        parent.send_signal(number)
    ids = [int(word) for word in (tmp_path / "ids").read_text().split()]
    wait_for(lambda: not any(map(is_running, ids)))


def test_a_program_ends_when_its_leash_is_killed(tmp_path: Path) -> None:
    script = SLEEPER.replace("time.sleep(600)", "os.kill(os.getppid(), 9); time.sleep(600)")
    assert run(tmp_path, script) == ProcessResult(-9)
    ids = [int(word) for word in (tmp_path / "ids").read_text().split()]
    wait_for(lambda: not any(map(is_running, ids)))
