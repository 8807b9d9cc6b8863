"""Folders for programs: no home, one that cannot be written, and other people's in /tmp."""

import os
import shutil
import stat
import tempfile
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest
from amaranth.hdl import Module, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import Out

from htaflow.hw.verilog import to_verilog
from htaflow.model.data.mnist import cache_folder, load_mnist
from htaflow.model.support import environment
from htaflow.model.support.environment import cache_home, changed_environment, tool_settings
from htaflow.model.support.errors import BadInputError

COMPILED = cache_home()
"""Where tools have been compiled already, if they have."""

UNUSABLE = {
    "missing": "/no/such/home",
    "a file": "/dev/null",
    "read-only": "/proc",  # even for root
}


class Wire(wiring.Component):
    y: Signal

    def __init__(self) -> None:
        super().__init__({"y": Out(1)})

    def elaborate(self, platform: object) -> Module:
        return Module()


@pytest.fixture(autouse=True)
def temporary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Return the folder for temporary files, of this test alone; nothing else is set."""
    folder = tmp_path / "temporary"
    folder.mkdir()
    for name in ("TEMP", "TMP", "XDG_CACHE_HOME", "YOWASP_CACHE_DIR", "HTAFLOW_CACHE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("TMPDIR", str(folder))
    monkeypatch.setattr(tempfile, "tempdir", None)
    environment._cache_home.cache_clear()
    yield folder
    environment._cache_home.cache_clear()


def own(temporary: Path) -> Path:
    return temporary / f"htaflow-{os.getuid()}"


def test_a_home_that_can_be_written_is_used(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    assert cache_home() == tmp_path / ".cache"
    assert tool_settings()["XDG_CACHE_HOME"] == str(tmp_path / ".cache")
    assert "HOME" not in tool_settings()
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "a" / "b"))
    environment._cache_home.cache_clear()
    assert cache_home() == tmp_path / "a" / "b"


@pytest.mark.parametrize("home", UNUSABLE.values(), ids=UNUSABLE)
def test_without_one_a_private_folder_stands_in(
    home: str, temporary: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", home)
    assert cache_home() == cache_folder().parent == own(temporary)
    assert stat.S_IMODE(cache_home().stat().st_mode) == 0o700
    assert tool_settings()["HOME"] == tool_settings()["XDG_CACHE_HOME"] == str(cache_home())


def test_a_home_where_no_program_may_run_is_used_only_if_there_is_nothing_better(
    tmp_path: Path, temporary: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setattr(environment, "_executes", lambda folder: folder == temporary)
    assert cache_home() == own(temporary)
    monkeypatch.setattr(environment, "_executes", lambda folder: False)
    environment._cache_home.cache_clear()
    assert cache_home() == tmp_path / ".cache"


@pytest.mark.parametrize("home", [None, "", "relative"])
def test_nobody_in_the_list_of_users_has_no_home(
    home: str | None, temporary: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("HOME") if home is None else monkeypatch.setenv("HOME", home)
    monkeypatch.setattr(environment.pwd, "getpwuid", {}.__getitem__)
    assert cache_folder() == own(temporary) / "htaflow"
    assert tool_settings()["HOME"] == str(own(temporary))


def test_a_cache_of_somebody_else_within_the_home_is_not_used(
    tmp_path: Path, temporary: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As ``sudo`` leaves it; a file stands for it, since root may write to any folder."""
    monkeypatch.setenv("HOME", str(tmp_path))
    (tmp_path / ".cache").mkdir()
    (tmp_path / ".cache" / "YoWASP").touch()
    assert cache_home() == own(temporary)


def test_a_folder_that_others_can_write_is_never_used(
    tmp_path: Path, temporary: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", "/dev/null")
    own(temporary).mkdir()
    own(temporary).chmod(0o770)
    first = cache_home()
    assert first.name.startswith("htaflow-cache-")
    assert stat.S_IMODE(first.stat().st_mode) == 0o700
    own(temporary).rmdir()
    (tmp_path / "theirs").mkdir(mode=0o700)
    own(temporary).symlink_to(tmp_path / "theirs")
    environment._cache_home.cache_clear()
    assert cache_home().name.startswith("htaflow-cache-")


def test_tools_get_a_temporary_folder_that_is_there(
    temporary: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TMP", "/no/such/folder")
    monkeypatch.setenv("YOWASP_CACHE_DIR", "/no/such/folder")
    settings = tool_settings()
    assert settings["TMP"] == settings["TMPDIR"] == str(temporary)
    assert Path(settings["YOWASP_CACHE_DIR"]).parent == cache_home()


def test_the_environment_is_put_back(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OLD", "1")
    monkeypatch.delenv("NEW", raising=False)
    with changed_environment({"OLD": "2", "NEW": "3"}):
        assert (os.environ["OLD"], os.environ["NEW"]) == ("2", "3")
    assert os.environ["OLD"] == "1"
    assert "NEW" not in os.environ


def test_verilog_is_made_without_a_home(temporary: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", "/dev/null")
    if (COMPILED / "wasmtime").exists():  # compiling takes seconds
        shutil.copytree(COMPILED / "wasmtime", cache_home() / "wasmtime")
    assert "module wire_" in to_verilog(Wire(), "wire_", {})
    assert (own(temporary) / "wasmtime").exists()


def test_a_download_without_a_home_is_no_traceback(monkeypatch: pytest.MonkeyPatch) -> None:
    def offline(*_: object, **__: object) -> None:
        raise OSError("offline")

    monkeypatch.delenv("HOME")
    monkeypatch.setattr(environment.pwd, "getpwuid", {}.__getitem__)
    monkeypatch.setattr(urllib.request, "urlopen", offline)
    with pytest.raises(BadInputError, match="offline"):
        load_mnist()
