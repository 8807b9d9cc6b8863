"""Where a design is compiled: not where paths confuse the tools, nor where no program may run."""

import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import small_design

from htaflow.sim.bench.workplace import workplace
from htaflow.sim.runner import run_bench

ODD = ("a b", 'quo"te', "do$HOME", "ha#sh", "ümläut", "co:lon", "new\nline", "x/" * 500)


def no_program_runs_in(monkeypatch: pytest.MonkeyPatch, *folders: Path) -> None:
    real = os.statvfs

    class Mounted:
        f_flag = os.ST_NOEXEC

    def statvfs(path: Path) -> object:
        return Mounted() if any(Path(path).is_relative_to(each) for each in folders) else real(path)

    monkeypatch.setattr(os, "statvfs", statvfs)


@pytest.fixture
def plain_path() -> Iterator[Path]:
    """A folder whose path every tool takes, whatever TMPDIR is."""
    with tempfile.TemporaryDirectory(dir="/tmp") as name:
        yield Path(name)


def test_the_folder_of_the_bench_will_mostly_do(plain_path: Path) -> None:
    with workplace(plain_path, [plain_path / "top.v"], executes=True) as place:
        assert place.build == plain_path / "build"
        assert (
            place.copy(plain_path / "top.v")
            == place.name(plain_path / "top.v")
            == plain_path / "top.v"
        )


@pytest.mark.parametrize("name", ODD)
def test_a_path_that_tools_misread_is_linked_from_a_plain_one(tmp_path: Path, name: str) -> None:
    folder = tmp_path / name
    folder.mkdir(parents=True)
    (folder / "top.v").write_text("module")
    for here, executes in ((folder, False), (tmp_path, True)):  # the bench, or what it reads
        with workplace(here, [folder], executes=executes) as place:
            assert place.build.parent != here
            source, link = place.copy(folder / "top.v"), place.name(folder)
            assert source.read_text() == (link / "top.v").read_text() == "module"
            assert source.suffix == ".v"
            assert not source.is_symlink()
            assert name not in f"{source} {link} {place.build}"
            assert place.name(folder) == link
        assert not place.build.parent.exists()


def test_a_program_is_not_compiled_where_none_may_run(
    plain_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    no_program_runs_in(monkeypatch, plain_path)
    with workplace(plain_path, [], executes=False) as place:
        assert place.build == plain_path / "build"
    with workplace(plain_path, [], executes=True) as place:
        assert not place.build.is_relative_to(plain_path)
    no_program_runs_in(monkeypatch, Path("/"))
    with (
        pytest.raises(OSError, match=r"cannot be compiled in .*noexec.*set TMPDIR to"),
        workplace(plain_path, [], executes=True),
    ):
        pass


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT])
def test_nothing_stays_of_a_process_that_is_killed(tmp_path: Path, number: signal.Signals) -> None:
    script = (
        "import sys, time; from pathlib import Path\n"
        "from htaflow.sim.bench.workplace import workplace\n"
        "with workplace(Path('/no such folder'), [], executes=True) as place:\n"
        "    place.build.mkdir(); (place.build / 'file').touch()\n"
        "    print(place.build.parent, flush=True); time.sleep(60)"
    )
    command = [sys.executable, "-c", script]
    environment = os.environ | {"TMPDIR": str(tmp_path)}
    with subprocess.Popen(
        command,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
    ) as process:
        assert process.stdout is not None
        folder = Path(process.stdout.readline().decode().strip())
        assert (folder / "build" / "file").exists()
        os.killpg(process.pid, number)
    end = time.monotonic() + 20
    while folder.exists():
        assert time.monotonic() < end
        time.sleep(0.02)


@pytest.mark.parametrize("simulator", ["icarus", "verilator"])
def test_a_bench_in_a_folder_of_any_name(tmp_path: Path, simulator: str) -> None:
    folder = tmp_path / "a \"b\" $HOME #c 'd'"
    bench = small_design.bench(folder, simulator=simulator, tests=("full_rate",))
    bench.write(folder / "verify")
    assert run_bench(folder / "verify")["full_rate"]["problems"] == []
    assert not (folder / "verify" / "build").exists()


@pytest.mark.slow
def test_a_bench_where_no_program_may_run(tmp_path: Path) -> None:
    """On a file system that is mounted so, in a name space of its own."""
    if shutil.which("unshare") is None or subprocess.run(["unshare", "-m", "true"]).returncode:
        pytest.skip("file systems cannot be mounted here")
    bench = small_design.bench(tmp_path / "design", simulator="verilator")
    bench.write(tmp_path / "design" / "verify")
    script = (
        'mount -t tmpfs -o noexec none "$1" && cp -r "$2" "$1" && '
        '"$3" "$1/design/verify/run.py" && ! test -e "$1/design/verify/build"'
    )
    mounted = tmp_path / "mounted"
    mounted.mkdir()
    arguments = ["sh", str(mounted), str(tmp_path / "design"), sys.executable]
    done = subprocess.run(["unshare", "-m", "sh", "-c", script, *arguments], capture_output=True)
    assert done.returncode == 0, done.stdout + done.stderr
