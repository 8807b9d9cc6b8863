# amaranth: UnusedElaboratable=no
# A core may be made only to ask for its cycles and layouts.
"""From a network to a board's bitstream."""

import contextlib
import json
import shutil
import time
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from htaflow.flows.boards.board import Board, load_board
from htaflow.flows.build.fit import refuse_too_large
from htaflow.flows.build.lock import Lock, digests, library_versions, read_lock, sha256
from htaflow.flows.build.route import (
    FLOORPLAN,
    ROUTE_LOG,
    BoardTooSmallError,
    diagnose,
    explain_failure,
    find_router,
    packing,
    read_report,
    routing,
    shrink_floorplan,
)
from htaflow.flows.build.seeds import fastest, seed_range
from htaflow.flows.build.synth import LOG as SYNTHESIS_LOG
from htaflow.flows.build.synth import NETLIST, count_carries, synthesis
from htaflow.flows.families import place_and_route
from htaflow.flows.tools.diagnostics import (
    MISSED_CLOCK,
    Diagnostic,
    UnsafeDesignError,
    as_json,
    read_log,
    refuse,
)
from htaflow.flows.tools.step import ToolRun
from htaflow.flows.tools.tools import ToolError, find_tool
from htaflow.hw.board.top import BoardTop, bus_bits
from htaflow.hw.logic.target import find_target
from htaflow.hw.network import NetworkCore, check_pipeline
from htaflow.hw.verilog import describe, to_verilog
from htaflow.model.integer.network import Network
from htaflow.model.run_directory import FAILED, SLOW, Run, read_result, unchanged
from htaflow.model.support.arguments import checked
from htaflow.model.support.errors import BadInputError, DoesNotFitError, HtaflowError
from htaflow.model.support.files import (
    digest,
    locked_folder,
    replace_folder,
    restore_folder,
    with_path,
    write_atomic,
    write_json,
)
from htaflow.model.support.progress import Progress, silent
from htaflow.model.support.results import Built

_ASIDE = "old"
"""What is in place is called so, in the work folder, while the new takes its place."""

_OTHER_ASIDE = "other"
"""The same for the folders beside it, from which nothing is ever put back."""

_BITS_A_BYTE = 10  # on the line: start, eight data, stop


@checked
def build(
    run: str | Path,
    board: str | Path,
    *,
    seed: int = 1,
    seeds: int = 1,
    clock_mhz: float | None = None,
    timeout: float | None = None,
    pipeline: Sequence[str] | None = None,
    depth: float | None = None,
    router: str | None = None,
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
        timeout: seconds that each tool may take; by default what the size of its work allows.
        pipeline: names of the layers that end in a register; by default all.
        depth: about how many look-up tables, one after another, such a layer may have between
            registers; by default as many as a clock made by a PLL leaves time for, and any number
            without one.
        router: nextpnr's ``router1`` or ``router2``; by default ``router2`` for an ECP5 that runs
            at its oscillator's clock, else ``router1``.
        progress: called with a line of text now and then.

    Returns:
        What report.json holds. ``fmax_by_seed`` has every seed routed from the same inputs, in this
        call or an earlier one; ``failed_seeds`` says why others of this call were not.
        ``diagnostics`` has what the tools warned of: see :mod:`htaflow.flows.tools.diagnostics`.

    Raises:
        BadInputError: no valid network, an unknown board, layer or router, a clock that the board
            cannot make, no seeds.
        MissingToolError: Yosys or nextpnr is absent; the message names the remedy.
        DoesNotFitError: the network is too large for the board, cannot be routed, or is too slow
            for its clock. When it is too slow, report.json says by how much; there is no bitstream.
            If there was one before, it stays, and what is too slow is in RUN/boards/NAME.slow.
        UnsafeDesignError: a tool said something that means that the hardware may not work, such as
            a hold violation. RUN/boards/NAME.failed has its log, and a report.json that says what.
        ToolError: a tool failed in another way. The folder RUN/boards/NAME.failed keeps its log.

    Whatever is raised, the bitstream of an earlier build stays, with its report.

    A call while another builds the same for the same board waits for it. ``lock.json`` beside the
    report has what it takes to make the same files again, and their digests.
    """
    run = Path(run)
    here = Run(run)
    wanted = seed_range(seed, seeds)
    target = load_board(str(board)).with_clock(clock_mhz)
    router = find_router(target, router)
    steps = (synthesis(target), routing(target, 0, router), packing(target))  # but for the seed
    versions = {step.tool: find_tool(step.tool).version for step in steps}
    verilog, interface = _design(here.load_network(), target, pipeline, depth)
    inputs = digest(
        verilog,
        json.dumps(interface, sort_keys=True),
        *(step.digest for step in steps),
        repr(sorted(versions.items())),
    )
    job = _Job(
        board=target,
        final=here.board(target.name),
        verilog=verilog,
        interface=interface,
        facts={
            "pipeline": None if pipeline is None else list(pipeline),
            "depth": interface["depth"],
            "router": router,
            "versions": {**interface["versions"], **versions},
            "inputs": inputs,
        },
        timeout=timeout,
        progress=progress,
    )

    report = job.stored(wanted)
    if report is not None and not job.work.exists():
        progress(f"build {target.name}: unchanged")
        return job.met(report)
    with job.alone():  # also clears what a killed build left
        report = job.stored(wanted) or job.make(wanted)  # another may have made it just now
    progress(f"build {target.name}: done in {job.seconds:.0f} s")
    return job.met(report)


def work_folder(folder: Path) -> Path:
    """Return where the build in ``folder`` is made: held by the process that makes it."""
    return folder.with_name(f".{folder.name}")


def failed_folder(folder: Path) -> Path:
    """Return what keeps the logs when the build in ``folder`` fails."""
    return folder.with_name(folder.name + FAILED)


def slow_folder(folder: Path) -> Path:
    """Return what has a build that misses its clock, when the one in ``folder`` does not."""
    return folder.with_name(folder.name + SLOW)


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
    timeout: float | None
    progress: Progress
    start: float = field(default_factory=time.monotonic)
    synthesis_diagnostics: list[Diagnostic] = field(default_factory=list)

    @property
    def failed(self) -> Path:
        """The folder that keeps what a tool left that failed."""
        return failed_folder(self.final)

    @property
    def slow(self) -> Path:
        """The folder of a build that misses its clock, where one that does not stays in place."""
        return slow_folder(self.final)

    @property
    def work(self) -> Path:
        """The folder in which all is made; it is there while a process builds for the board."""
        return work_folder(self.final)

    @property
    def seconds(self) -> float:
        """Seconds since the job began."""
        return time.monotonic() - self.start

    def stored(self, wanted: Sequence[int]) -> dict[str, Any] | None:
        """Return the report of an earlier build if nothing is left to do."""
        kept, fmax = self._earlier(wanted)
        return kept if kept is not None and _next_seed(wanted, fmax, {}, kept) is None else None

    def _earlier(self, wanted: Sequence[int]) -> tuple[dict[str, Any] | None, dict[int, float]]:
        """Return what an earlier build of the same inputs left.

        Its report, if its seed is among those ``wanted`` now, and the clock of each seed it routed.
        """
        kept: dict[str, Any] | None = None
        fmax: dict[int, float] = {}
        for folder in (self.slow, self.final):
            report = unchanged(folder / "report.json", self.facts["inputs"], kind=Built)
            if report is None or not _whole(folder):
                continue
            if not all(key.isdecimal() for key in report["fmax_by_seed"]):
                continue  # somebody has changed it
            fmax |= {int(key): float(value) for key, value in report["fmax_by_seed"].items()}
            if report["seed"] in wanted:
                kept = report
        return kept, fmax

    @contextlib.contextmanager
    def alone(self) -> Iterator[None]:
        """Build for the board in one process at a time, after clearing what a killed one left."""

        def waiting() -> None:
            self.progress(f"build {self.board.name}: waiting for another 'htaflow build' of it")

        with locked_folder(self.work, waiting):
            restore_folder(self.final, self.work / _ASIDE)
            for left in self.work.iterdir():
                shutil.rmtree(left)
            try:
                yield
            finally:
                shutil.rmtree(self.work)

    def make(self, wanted: Sequence[int]) -> dict[str, Any]:
        """Route the seeds that are left to do, keep the best in place, and return its report."""
        kept, fmax = self._earlier(wanted)
        failed: dict[int, HtaflowError] = {}
        synthesised = self.synthesise()
        while (number := _next_seed(wanted, fmax, failed, kept)) is not None:
            folder = synthesised.with_name(f"seed{number}")
            _copy(synthesised, folder)
            try:
                result = self.route(folder, number)
            except BoardTooSmallError:
                raise
            except (DoesNotFitError, UnsafeDesignError) as error:
                failed[number] = error
                if len(failed) == len(wanted):
                    raise
            else:
                fmax[number] = result["fmax_mhz"]
                if kept is None or number == fastest(fmax, (number, kept["seed"])):
                    kept = self.finish(folder, number, result)
            if kept is not None:
                kept["fmax_by_seed"] = {str(key): fmax[key] for key in sorted(fmax)}
                kept["failed_seeds"] = {str(key): str(error) for key, error in failed.items()}
                self.keep(folder, kept)
        assert kept is not None
        shutil.rmtree(self.failed, ignore_errors=True)
        if kept["met"]:
            shutil.rmtree(self.slow, ignore_errors=True)
        return kept

    def synthesise(self) -> Path:
        """Return a folder with the netlist."""
        folder = self.work / "synthesised"
        folder.mkdir()
        write_atomic(folder / "board.v", self.verilog)
        write_json(folder / "top.json", self.interface)
        with self._keeping_failure(folder):
            self._run(synthesis(self.board), folder)
            count_carries(folder, self.board)
            self.synthesis_diagnostics = read_log("yosys", folder / SYNTHESIS_LOG)
            self._refuse(folder, self.synthesis_diagnostics)
        return folder

    def route(self, folder: Path, seed: int) -> dict[str, Any]:
        """Place and route the netlist in ``folder``, and return what came of it."""
        try:
            with self._keeping_failure(folder):
                self._run(routing(self.board, seed, self.facts["router"]), folder, f", seed {seed}")
                result = read_report(folder, self.board)
                found = diagnose(folder, self.board)
                met = result["fmax_mhz"] >= self.board.clock_mhz
                result["met"] = met and all(each.kind != MISSED_CLOCK for each in found)
                found = [*self.synthesis_diagnostics, *found]
                result["diagnostics"] = as_json(found)
                self._refuse(folder, found, seed=seed, **result)
        except UnsafeDesignError:
            raise
        except ToolError as error:
            reason = explain_failure(error, self.board) if error.log.name == ROUTE_LOG else None
            raise reason or error from None
        self.progress(f"build {self.board.name}: seed {seed}: {result['fmax_mhz']:.1f} MHz")
        return result

    def finish(self, folder: Path, seed: int, result: Mapping[str, Any]) -> dict[str, Any]:
        """Write the bitstream, if the clock is met, and return the report."""
        names = place_and_route(self.board.family)
        met = result["met"]
        if met:
            with self._keeping_failure(folder):
                step = packing(self.board)
                self._run(step, folder)
                self._refuse(folder, read_log(step.tool, folder / step.log), seed=seed, **result)
        report = {
            **self._about,
            **result,
            "carry": count_carries(folder, self.board),
            "latency_cycles": self.interface["latency_cycles"],
            "interval_cycles": self.interface["interval_cycles"],
            **_throughput(self.interface, self.board),
            "seed": seed,
            "bitstream": names.bitstream if met else None,
            "sha256": sha256(folder / names.bitstream) if met else None,
            "seconds": round(self.seconds, 1),
            **self.facts,
        }
        _tidy(folder, NETLIST, names.routed)
        Lock(
            network=report["network"],
            inputs=report["inputs"],
            options={
                "seed": seed,
                "clock_mhz": self.board.clock_mhz,
                **{name: self.facts[name] for name in ("pipeline", "depth", "router")},
            },
            versions=library_versions(self.facts["versions"]),
            files=digests(folder),
        ).write(folder)
        return report

    def keep(self, folder: Path, report: Mapping[str, Any]) -> None:
        """Put ``report`` in place: with ``folder``, if it is that seed's, or into what is there."""
        place = self._place(report)
        if folder.name == f"seed{report['seed']}":
            write_json(folder / "report.json", report)
            aside = _ASIDE if place == self.final else _OTHER_ASIDE
            replace_folder(folder, place, self.work / aside)
        else:
            write_json(place / "report.json", report)

    def met(self, report: dict[str, Any]) -> dict[str, Any]:
        """Return ``report`` if the clock was reached, else raise ``DoesNotFitError``."""
        if report["met"]:
            return report
        board, fmax, clock = self.board, report["fmax_mhz"], report["clock_mhz"]
        slower = "a lower --clock, " if board.pll else ""
        missed = [each for each in report.get("diagnostics", []) if each["kind"] == MISSED_CLOCK]
        # A clock that is not the board's, or paths between two of them.
        other = f" ({missed[0]['text']})" if missed and fmax >= clock else ""
        place = self._place(report)
        stays = "" if place == self.final else f"; {self.final} keeps its earlier build"
        raise DoesNotFitError(
            f"{board.title}: the network is too slow: it reaches {fmax:.1f} MHz, its clock is "
            f"{clock:g} MHz ({max(0, 100 * (1 - fmax / clock)):.0f} % short){other}; try {slower}"
            f"other seeds (--seeds 5; this was seed {report['seed']}), or train a network with a "
            f"smaller fan-in{stays}"
        )

    def _place(self, report: Mapping[str, Any]) -> Path:
        """Return where a build belongs: one that misses its clock replaces no bitstream."""
        return self.final if report["met"] or not _has_bitstream(self.final) else self.slow

    @property
    def _about(self) -> dict[str, Any]:
        """What every report says first."""
        return {
            "board": self.board.name,
            "device": self.board.device,
            "package": self.board.package,
            "network": self.interface["digest"],
            "oscillator_mhz": self.board.oscillator_mhz,
            "clock_mhz": self.board.clock_mhz,
        }

    def _refuse(self, folder: Path, found: Sequence[Diagnostic], **result: Any) -> None:
        """Raise ``UnsafeDesignError`` if there is an error in ``found``, and leave a report."""
        advice = "try another --seed, or --seeds 5" if result else "please report it as a fault"
        try:
            refuse(self.board.title, found, folder, advice)
        except UnsafeDesignError:
            told = {**self._about, **result, "diagnostics": as_json(found)}
            write_json(
                folder / "report.json", {**told, "bitstream": None, "sha256": None, **self.facts}
            )
            raise

    def _run(self, step: ToolRun, folder: Path, what: str = "") -> None:
        """Say which tool runs, and run it."""
        self.progress(f"build {self.board.name}: {step.tool}{what}")
        step.run(folder, self.timeout)

    @contextlib.contextmanager
    def _keeping_failure(self, folder: Path) -> Iterator[None]:
        """Keep ``folder`` if a tool fails in it."""
        try:
            yield
        except ToolError as error:
            replace_folder(folder, self.failed, self.work / _OTHER_ASIDE)
            # The message names the log, which has just moved.
            message = str(error).replace(str(folder), str(self.failed))
            log = self.failed / error.log.name
            raise type(error)(message, log=log, timed_out=error.timed_out) from None


def _design(
    network: Network, board: Board, pipeline: Sequence[str] | None, depth: float | None
) -> tuple[str, dict[str, Any]]:
    """Return the Verilog of ``network`` on ``board``, and its interface (top.json)."""
    check_pipeline(network, pipeline, depth)
    depth = board.depth if depth is None else depth
    core = NetworkCore(network, bus_bits(network), find_target(board.family), pipeline, depth)
    refuse_too_large(core, board)
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
        "request_bytes": top.request_bytes,
        "reply_bytes": top.reply_bytes,
        "quiet_seconds": round(top.quiet_cycles / board.clock_hz, 6),
        "cycles_a_bit": top.divisor,
        "quiet_cycles": top.quiet_cycles,
        "latency_cycles": top.latency,
        "interval_cycles": top.interval,
        "reset": board.reset_level,
        "constants": dict(board.top_pins.constants),
    }
    header = [
        f"{board.title}: network '{network.name}', digest {network.digest}.",
        f"Made by {', '.join(f'{k} {v}' for k, v in interface['versions'].items())}.",
        f"Frames and results go over rx and tx, {board.baud} baud, 8N1, in packets that",
        "htaflow.hw.board.packet describes.",
    ]
    text = "".join(f"// {line}\n" for line in header)
    return text + to_verilog(top, "board", core.modules), {**interface, "serial": serial}


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


def _whole(folder: Path) -> bool:
    """Whether every file of an earlier build is there as it was made."""
    try:
        lock = read_lock(folder)
    except BadInputError:
        return False
    return lock is not None and lock.first_change(folder) is None


def _has_bitstream(folder: Path) -> bool:
    """Whether the build in ``folder`` has a bitstream, and still as it was made."""
    try:
        report = read_result(folder / "report.json", Built)
    except BadInputError:
        return False
    return report is not None and report["met"] and same_bitstream(folder, report)


def same_bitstream(folder: Path, report: dict[str, Any]) -> bool:
    """Whether the bitstream in a board's folder is the one that its report describes."""
    path = folder / str(report["bitstream"])
    return path.is_file() and sha256(path) == str(report["sha256"])


def _copy(folder: Path, to: Path) -> None:
    """Copy a folder of files."""
    to.mkdir()
    for file in folder.iterdir():
        with with_path(to / file.name):
            shutil.copyfile(file, to / file.name)


def _tidy(folder: Path, *intermediate: str) -> None:
    """Delete what only the next tool needed, and shrink the drawing."""
    for name in intermediate:
        (folder / name).unlink()
    floorplan = folder / FLOORPLAN
    with contextlib.suppress(FileNotFoundError):  # it is a picture: no reason to fail
        svg = floorplan.read_text(errors="replace")
        if svg.rstrip().endswith("</svg>"):
            write_atomic(floorplan, shrink_floorplan(svg))
        else:
            floorplan.unlink()
