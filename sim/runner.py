"""Runs the cocotb bench: a folder is written first, then simulated under time limits.

The folder is complete: ``bench/``, ``run.py``, ``bench.json`` and ``frames.npz`` are all that
somebody who has cocotb and a simulator needs to run the same check without htaflow.
"""

import io
import json
import os
import re
import shutil
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal
from xml.etree import ElementTree

import numpy as np
import numpy.typing as npt

from htaflow.model.support.environment import tool_settings
from htaflow.model.support.errors import HtaflowError, MissingToolError
from htaflow.model.support.files import to_json, write_together
from htaflow.model.support.process import LOG_LIMIT, ask, run_process
from htaflow.model.support.progress import Progress, silent
from htaflow.sim.bench import verilator
from htaflow.sim.limits import Limits

Bytes = npt.NDArray[np.uint8]
Simulator = Literal["icarus", "verilator"]
Port = Literal["stream", "serial"]

CHECKS = ("full_rate", "stalled", "reset", "framing")
"""The tests of the bench, at every port."""

_LAST_LINES = 12
_LINE_BYTES = 4096  # looked at of a line without an end
_PROGRESS = re.compile(r"(progress|^phase): (.*)")


class SimulationError(HtaflowError):
    """The simulation did not come to an end that means anything; the message has its last words.

    ``killed`` says whether that was because it overran its time.
    """

    killed = False


@dataclass(frozen=True)
class Bench:
    """What to simulate, and what it must give.

    Args:
        interface: the design's ports and cycles, as in ``rtl/top.json``.
        sources: Verilog files with module ``toplevel``.
        beats: what goes in, uint8 ``[N, beats, bus_bytes]``.
        expected: what must come out, uint8 ``[N, output_bytes]``.
        tests: those of :data:`CHECKS` to run.
        port: where frames enter and leave: AXI4-Streams, or the pins of a board.
        seed: of the random stalls.
        stalled_frames: how many frames go through with stalls: the first ones, or all of them
            again and again if there are fewer.
        waves: file to keep a waveform in, or None.
        probe: note what each stage holds for this frame (its place in the order), or None.
        build_args: more options for the simulator's compiler.
        kept_words: how many of the words that come out are kept in each test's result.
        first_only: end at the first fault: what was found tells only whether there is one.
        timeout: seconds that compiling and simulating may take together, however large the work
            and whatever it says; None for what :mod:`htaflow.sim.limits` says.
    """

    interface: Mapping[str, Any]
    sources: tuple[Path, ...]
    beats: Bytes
    expected: Bytes
    tests: tuple[str, ...] = CHECKS
    port: Port = "stream"
    toplevel: str = "top"
    seed: int = 0
    stalled_frames: int = 500
    simulator: Simulator = "icarus"
    waves: str | None = None
    probe: int | None = None
    build_args: tuple[str, ...] = ()
    kept_words: int = 0
    first_only: bool = False
    timeout: float | None = None

    @property
    def interval(self) -> int:
        """Cycles between frames at full rate."""
        part = self.interface if self.port == "stream" else self.interface["serial"]
        return int(part["interval_cycles"])

    def write(self, folder: Path) -> None:
        """Write everything that the bench needs into ``folder``."""
        here = Path(__file__).resolve().parent
        files: dict[Path, str | bytes] = {
            folder / "bench" / file.name: file.read_bytes()
            for file in sorted((here / "bench").glob("*.py"))
        }
        files[folder / "run.py"] = (here / "standalone.py").read_bytes()
        arrays = {"beats": self.beats, "expected": self.expected}
        buffer = io.BytesIO()
        np.savez(buffer, allow_pickle=False, **arrays)
        files[folder / "frames.npz"] = buffer.getvalue()
        options = {
            "interface": dict(self.interface),
            "sources": [os.path.relpath(source, folder) for source in self.sources],
            "port": self.port,
            "toplevel": self.toplevel,
            "simulator": self.simulator,
            "build_args": list(self.build_args),
            "tests": list(self.tests),
            "seed": self.seed,
            "stalled_frames": self.stalled_frames,
            "waves": self.waves,
            "probe": self.probe,
            "kept_words": self.kept_words,
            "first_only": self.first_only,
            "timeout": self.timeout,
        }
        write_together({**files, folder / "bench.json": to_json(options)})


def simulator_version(simulator: Simulator = "icarus") -> str:
    """Return the simulator's name and version.

    Raises ``MissingToolError``, with what to install, if it is absent or too old.
    """
    if simulator == "icarus":
        for tool in ("iverilog", "vvp"):
            if shutil.which(tool) is None:
                raise MissingToolError(
                    f"{tool} (Icarus Verilog) is not on PATH; install it: 'apt install iverilog' "
                    "(Debian, Ubuntu), 'brew install icarus-verilog' (macOS)"
                )
        return _ask("iverilog", "-V")
    try:
        return verilator.find()[0]
    except LookupError as error:
        raise MissingToolError(str(error)) from None


def run_bench(
    folder: Path,
    *,
    time_limit: float | None = None,
    limits: Limits | None = None,
    progress: Progress = silent,
) -> dict[str, Any]:
    """Simulate what :meth:`Bench.write` put into ``folder``.

    Args:
        folder: where ``run.py`` is; the log is kept there as ``simulation.log``.
        time_limit: seconds after which the simulation is killed; by default the bench's timeout.
        limits: after which it is killed; by default those of its size, or the time limit alone.
        progress: is told frames done, cycles and rate every few seconds.

    Returns:
        What the bench found, by test: see ``Phase`` there.

    Raises:
        MissingToolError: the simulator is absent or too old.
        SimulationError: it crashed, hung, or left nothing that can be trusted.
    """
    options = json.loads((folder / "bench.json").read_text())
    simulator_version(options["simulator"])
    for stale in ("result.json", "results.xml"):
        (folder / stale).unlink(missing_ok=True)
    if limits is None:
        size = sum((folder / source).stat().st_size for source in options["sources"])
        timeout = options.get("timeout") if time_limit is None else time_limit
        limits = Limits.of(options["simulator"], size, timeout)
    code, ended = _run(folder, limits, progress)
    if ended is not None:
        error = SimulationError(_told(folder, f"the simulation {ended}"))
        error.killed = True
        raise error
    try:
        result = json.loads((folder / "result.json").read_text())
        failed = _failed_tests(folder / "results.xml")
    except (OSError, ValueError, ElementTree.ParseError):
        what = f"the simulation ended with exit code {code} and without a result"
        raise SimulationError(_told(folder, what)) from None
    tests = set(options["tests"])
    if not isinstance(result, dict) or set(result) != tests or set(failed) != tests:
        missing = sorted(tests - set(result)) or "none"
        what = f"not every test of the bench came to an end (missing: {missing})"
        raise SimulationError(_told(folder, what))
    if code != int(any(failed.values())):
        what = f"the tests say one thing, the simulation's exit code ({code}) another"
        raise SimulationError(_told(folder, what))
    return result


def _run(folder: Path, limits: Limits, progress: Progress) -> tuple[int, str | None]:
    """Run ``run.py``; return its exit code, and how it overran its time if it was killed."""
    # Settings of somebody else's cocotb run must not reach this one.
    keep = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("COCOTB_", "GPI_", "PYGPI_"))
        and name not in ("PYTEST_CURRENT_TEST", "WAVES", "GUI", "PYTHONSAFEPATH")
    }
    environment = keep | tool_settings() | {"COCOTB_ANSI_OUTPUT": "0", "PYTHONUNBUFFERED": "1"}
    listener = _Listener(limits, progress)
    ended = run_process(
        [sys.executable, "run.py"],
        folder=folder,
        log=folder / "simulation.log",
        timeout=limits.total,
        quiet=limits.quiet,
        environment=environment,
        on_output=listener.on_output,
    )
    if ended.overrun is None:
        return ended.code, None
    quiet = f"said nothing for {limits.quiet:g} s" if limits.quiet is not None else ""
    if listener.compiling and limits.compiling is not None:
        quiet = f"was not compiled after {limits.compiling:g} s"
    return ended.code, {
        "time": f"took longer than {limits.total or 0:g} s and was killed",
        "quiet": f"{quiet} and was killed; if it is only slow, --timeout gives it longer",
        "log": f"printed more than {LOG_LIMIT >> 20} MiB and was killed",
    }[ended.overrun]


class _Listener:
    """Passes on what a simulation says of its progress, and knows how long it may be silent.

    A compiler may say nothing, or much: it is done in time or it is not.
    """

    def __init__(self, limits: Limits, progress: Progress) -> None:
        self._limits = limits
        self._progress = progress
        self._begun = time.monotonic()
        self._line = b""
        self.compiling = False

    def on_output(self, data: bytes) -> float | None:
        """Take what it prints; return the seconds within which there must be more, or None."""
        *lines, self._line = (self._line + data).split(b"\n")
        self._line = self._line[-_LINE_BYTES:]
        for line in lines:
            found = _PROGRESS.search(line.decode(errors="replace"))
            if found and found[1] == "progress":
                self._progress(found[2])
            elif found:
                self.compiling = found[2] == "compiling"
        if self.compiling and self._limits.compiling is not None:
            return max(0.0, self._begun + self._limits.compiling - time.monotonic())
        return self._limits.quiet


def _failed_tests(path: Path) -> dict[str, bool]:
    """Return whether each test in cocotb's result file failed, by name."""
    # The file was written by cocotb, in our own folder, a moment ago.
    root = ElementTree.parse(path).getroot()  # noqa: S314
    return {
        case.get("name", ""): any(
            case.find(bad) is not None for bad in ("failure", "error", "skipped")
        )
        for case in root.iter("testcase")
    }


def _told(folder: Path, what: str) -> str:
    """Return ``what`` with the last lines of the log."""
    log = folder / "simulation.log"
    lines = log.read_text(errors="replace").splitlines()[-_LAST_LINES:]
    said = "\n  ".join(lines) if lines else "(it said nothing)"
    return f"{what}; the end of {log}:\n  {said}"


def _ask(tool: str, option: str) -> str:
    """Return the first line that ``tool`` prints for ``option``."""
    said = ask([tool, option], environment=os.environ | tool_settings())
    if said is None:
        raise MissingToolError(f"{tool} does not run; install it again")
    lines = said.decode(errors="replace").splitlines()
    if not lines:
        raise MissingToolError(f"'{tool} {option}' says nothing; install {tool} again")
    return lines[0].removesuffix("()").strip()
