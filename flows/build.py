# amaranth: UnusedElaboratable=no
# A core may be made only to ask for its cycles and layouts.
"""From a network to a board's bitstream."""

import contextlib
import hashlib
import shutil
import tempfile
import time
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from htaflow.flows.board import Board, load_board
from htaflow.flows.route import (
    FAMILIES,
    FLOORPLAN,
    ROUTE_LOG,
    TooLargeError,
    explain_failure,
    packing,
    read_result,
    routing,
    shrink_floorplan,
)
from htaflow.flows.rundir import Run, unchanged
from htaflow.flows.seeds import fastest, seed_range
from htaflow.flows.step import Step
from htaflow.flows.synth import NETLIST, count_carries, synthesis
from htaflow.flows.tools import ToolError, find_tool
from htaflow.hw.board import BoardTop, bus_bits
from htaflow.hw.network import NetworkCore, check_pipeline
from htaflow.hw.packet import OVERHEAD
from htaflow.hw.target import find_target
from htaflow.hw.verilog import convert, describe
from htaflow.model.errors import BadInputError, DoesNotFitError
from htaflow.model.files import digest, write_atomic, write_json
from htaflow.model.network import Network
from htaflow.model.progress import Progress, silent
from htaflow.model.results import Built

TIMEOUT = 900.0
"""Seconds that each tool may take unless said otherwise."""

_BITS_A_BYTE = 10  # on the line: start, eight data, stop


def build(
    run: Path,
    board: str,
    *,
    seed: int = 1,
    seeds: int = 1,
    clock_mhz: float | None = None,
    timeout: float | None = None,
    pipeline: Sequence[str] | None = None,
    depth: float | None = None,
    progress: Progress = silent,
) -> dict[str, Any]:
    """Synthesise, place and route the network of ``run``, and write RUN/boards/NAME/.

    Args:
        run: the run directory.
        board: a board's name, or the path of a .toml file that describes one.
        seed: of nextpnr's placer.
        seeds: how many to try, from ``seed`` on; the fastest result is kept. What is done stays if
            the call is interrupted, and a seed routed before is not routed again.
        clock_mhz: at which the design runs; by default the board's oscillator.
        timeout: seconds that each tool may take.
        pipeline: names of the layers that end in a register; by default all.
        depth: about how many look-up tables, one after another, such a layer may have between
            registers; by default as many as a clock made by a PLL leaves time for, and any number
            without one.
        progress: called with a line of text now and then.

    Returns:
        What report.json holds. ``fmax_by_seed`` has every seed routed from the same inputs, in this
        call or an earlier one; ``failed_seeds`` says why others of this call were not.

    Raises:
        BadInputError: no valid network, an unknown board or layer, a clock that the board cannot
            make, no seeds.
        MissingToolError: Yosys or nextpnr is absent; the message names the remedy.
        DoesNotFitError: the network is too large for the board, cannot be routed, or is too slow
            for its clock. When it is too slow, report.json says by how much; there is no bitstream.
        ToolError: a tool failed in another way. The folder RUN/boards/NAME.failed keeps its log.
    """
    here = Run(run)
    wanted = seed_range(seed, seeds)
    target = load_board(board).with_clock(clock_mhz)
    steps = (synthesis(target), routing(target, 0), packing(target))  # but for the seed
    versions = {step.tool: find_tool(step.tool).version for step in steps}
    verilog, interface = _design(here.load_network(), target, pipeline, depth)
    inputs = digest(verilog, *(step.digest for step in steps), repr(sorted(versions.items())))
    job = _Job(
        board=target,
        final=here.board(target.name),
        verilog=verilog,
        interface=interface,
        facts={
            "pipeline": None if pipeline is None else list(pipeline),
            "depth": interface["depth"],
            "versions": {**interface["versions"], **versions},
            "inputs": inputs,
        },
        timeout=TIMEOUT if timeout is None else timeout,
        progress=progress,
    )

    kept = unchanged(here.board_report(target.name), inputs, kind=Built)
    if kept is not None and kept["met"] and not _same_file(job.final, kept):
        kept = None
    if kept is not None and not all(key.isdecimal() for key in kept["fmax_by_seed"]):
        kept = None  # somebody has changed it
    fmax = {int(key): float(value) for key, value in kept["fmax_by_seed"].items()} if kept else {}
    if kept is not None and kept["seed"] not in wanted:
        kept = None
    if kept is not None and _next_seed(wanted, fmax, {}, kept) is None:
        progress(f"build {target.name}: unchanged")
        return _met(kept, target)

    failed: dict[int, DoesNotFitError] = {}
    with job.synthesised() as synthesised:
        while (number := _next_seed(wanted, fmax, failed, kept)) is not None:
            folder = synthesised.with_name(f"seed{number}")
            shutil.copytree(synthesised, folder)
            try:
                result = job.route(folder, number)
            except TooLargeError:
                raise
            except DoesNotFitError as error:
                failed[number] = error
                if len(failed) == len(wanted):
                    raise
            else:
                fmax[number] = result["fmax_mhz"]
                if kept is None or number == fastest(fmax, (number, kept["seed"])):
                    kept = job.finish(folder, number, result)
            if kept is not None:
                kept["fmax_by_seed"] = {str(key): fmax[key] for key in sorted(fmax)}
                kept["failed_seeds"] = {str(key): str(error) for key, error in failed.items()}
                job.keep(folder, kept)
    assert kept is not None
    shutil.rmtree(job.failed, ignore_errors=True)
    progress(f"build {target.name}: done in {job.seconds:.0f} s")
    return _met(kept, target)


def _next_seed(
    wanted: Sequence[int],
    fmax: Mapping[int, float],
    failed: Collection[int],
    kept: Mapping[str, Any] | None,
) -> int | None:
    """Return the seed to route next, ``None`` if the best is kept.

    One routed in an earlier call comes again only if it is the best and its files are gone.
    """
    for number in wanted:
        if number not in fmax and number not in failed:
            return number
    best = fastest(fmax, wanted)
    return None if kept is not None and kept["seed"] == best else best


@dataclass
class _Job:
    """One design on its way to one board; ``facts`` go into every report of it."""

    board: Board
    final: Path
    verilog: str
    interface: dict[str, Any]
    facts: dict[str, Any]
    timeout: float
    progress: Progress
    start: float = field(default_factory=time.monotonic)

    @property
    def failed(self) -> Path:
        """The folder that keeps what a tool left that failed."""
        return self.final.with_name(f"{self.final.name}.failed")

    @property
    def seconds(self) -> float:
        """Seconds since the job began."""
        return time.monotonic() - self.start

    @contextlib.contextmanager
    def synthesised(self) -> Iterator[Path]:
        """Yield a folder with the netlist; it and all beside it is deleted in the end."""
        self.final.parent.mkdir(parents=True, exist_ok=True)
        work = Path(tempfile.mkdtemp(dir=self.final.parent, prefix=f".{self.board.name}."))
        try:
            folder = work / "synthesised"
            folder.mkdir()
            write_atomic(folder / "board.v", self.verilog)
            write_json(folder / "top.json", self.interface)
            with self._keeping_failure(folder):
                self._run(synthesis(self.board), folder)
                count_carries(folder, self.board)
            yield folder
        finally:
            shutil.rmtree(work)

    def route(self, folder: Path, seed: int) -> dict[str, Any]:
        """Place and route the netlist in ``folder``, and return what came of it."""
        try:
            with self._keeping_failure(folder):
                self._run(routing(self.board, seed), folder, f", seed {seed}")
                result = read_result(folder, self.board)
        except ToolError as error:
            reason = explain_failure(error, self.board) if error.log.name == ROUTE_LOG else None
            raise reason or error from None
        self.progress(f"build {self.board.name}: seed {seed}: {result['fmax_mhz']:.1f} MHz")
        return result

    def finish(self, folder: Path, seed: int, result: Mapping[str, Any]) -> dict[str, Any]:
        """Write the bitstream, if the clock is met, and return the report."""
        names = FAMILIES[self.board.family]
        met = result["fmax_mhz"] >= self.board.clock_mhz
        if met:
            with self._keeping_failure(folder):
                self._run(packing(self.board), folder)
        report = {
            "board": self.board.name,
            "device": self.board.device,
            "package": self.board.package,
            "network": self.interface["digest"],
            "oscillator_mhz": self.board.oscillator_mhz,
            "clock_mhz": self.board.clock_mhz,
            "met": met,
            **result,
            "carry": count_carries(folder, self.board),
            "latency_cycles": self.interface["latency_cycles"],
            "interval_cycles": self.interface["interval_cycles"],
            **_throughput(self.interface, self.board),
            "seed": seed,
            "bitstream": names.bitstream if met else None,
            "sha256": _sha256(folder / names.bitstream) if met else None,
            "seconds": round(self.seconds, 1),
            **self.facts,
        }
        _tidy(folder, NETLIST, names.routed)
        return report

    def keep(self, folder: Path, report: Mapping[str, Any]) -> None:
        """Put ``report`` in place: with ``folder``, if it is that seed's, or into what is there."""
        if folder.name == f"seed{report['seed']}":
            write_json(folder / "report.json", report)
            _put(folder, self.final)
        else:
            write_json(self.final / "report.json", report)

    def _run(self, step: Step, folder: Path, what: str = "") -> None:
        """Say which tool runs, and run it."""
        self.progress(f"build {self.board.name}: {step.tool}{what}")
        step.run(folder, self.timeout)

    @contextlib.contextmanager
    def _keeping_failure(self, folder: Path) -> Iterator[None]:
        """Keep ``folder`` if a tool fails in it."""
        try:
            yield
        except ToolError as error:
            _put(folder, self.failed)
            # The message names the log, which has just moved.
            message = str(error).replace(str(folder), str(self.failed))
            log = self.failed / error.log.name
            raise ToolError(message, log=log, timed_out=error.timed_out) from None


def _design(
    network: Network, board: Board, pipeline: Sequence[str] | None, depth: float | None
) -> tuple[str, dict[str, Any]]:
    """Return the Verilog of ``network`` on ``board``, and its interface (top.json)."""
    check_pipeline(network, pipeline, depth)
    depth = board.depth if depth is None else depth
    core = NetworkCore(network, bus_bits(network), find_target(board.family), pipeline, depth)
    try:
        top = BoardTop(
            core, clock_hz=board.clock_hz, baud=board.baud, pins=board.top_pins, pll=board.pll
        )
    except ValueError as error:
        raise BadInputError(
            f"network '{network.name}' cannot be used over a serial line: {error}"
        ) from None
    interface = describe(core)
    serial = {
        "baud": board.baud,
        "request_bytes": core.input_layout.beats * core.input_layout.bus_bits // 8 + OVERHEAD,
        "reply_bytes": core.output_layout.width // 8 + 1 + OVERHEAD,
        "quiet_seconds": round(top.quiet_cycles / board.clock_hz, 6),
    }
    header = [
        f"{board.title}: network '{network.name}', digest {network.digest}.",
        f"Made by {', '.join(f'{k} {v}' for k, v in interface['versions'].items())}.",
        f"Frames and results go over rx and tx, {board.baud} baud, 8N1, in packets that",
        "htaflow.hw.packet describes.",
    ]
    text = "".join(f"// {line}\n" for line in header)
    return text + convert(top, "board", core.modules), {**interface, "serial": serial}


def _throughput(interface: dict[str, Any], board: Board) -> dict[str, Any]:
    """Return frames a second: on the board, where the serial line sets them, and of the core."""
    serial = interface["serial"]
    line = (serial["request_bytes"] + serial["reply_bytes"]) * _BITS_A_BYTE / board.baud
    # The core takes a frame while it arrives; only what it does after the last beat adds.
    after = max(0, interface["latency_cycles"] - interface["beats"]) / board.clock_hz
    return {
        "estimated_throughput_fps": round(1 / (line + after), 1),
        "throughput_limit": (
            f"the serial line at {board.baud} baud: {serial['request_bytes']} bytes there and "
            f"{serial['reply_bytes']} back, one frame at a time"
        ),
        "core_throughput_fps": round(board.clock_hz / interface["interval_cycles"], 1),
    }


def _met(report: dict[str, Any], board: Board) -> dict[str, Any]:
    """Return ``report`` if the clock was reached, else raise ``DoesNotFitError``."""
    if report["met"]:
        return report
    missing = 100 * (1 - report["fmax_mhz"] / report["clock_mhz"])
    slower = "a lower --clock, " if board.pll else ""
    raise DoesNotFitError(
        f"{board.title}: the network is too slow: it reaches {report['fmax_mhz']:.1f} MHz, its "
        f"clock is {report['clock_mhz']:g} MHz ({missing:.0f} % short); try {slower}other seeds "
        f"(--seeds 5; this was seed {report['seed']}), or train a network with a smaller fan-in"
    )


def _same_file(folder: Path, report: dict[str, Any]) -> bool:
    """Whether the bitstream is there as the report says."""
    path = folder / str(report["bitstream"])
    return path.is_file() and _sha256(path) == str(report["sha256"])


def _sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def _tidy(folder: Path, *intermediate: str) -> None:
    """Delete what only the next tool needed, and shrink the drawing."""
    for name in intermediate:
        (folder / name).unlink()
    floorplan = folder / FLOORPLAN
    with contextlib.suppress(FileNotFoundError):  # it is a picture: no reason to fail
        write_atomic(floorplan, shrink_floorplan(floorplan.read_text()))


def _put(folder: Path, final: Path) -> None:
    """Move ``folder`` to ``final``, whole, in place of what was there."""
    old = folder.with_name(f"{folder.name}.old")
    with contextlib.suppress(FileNotFoundError):
        final.rename(old)
    folder.rename(final)
    shutil.rmtree(old, ignore_errors=True)
