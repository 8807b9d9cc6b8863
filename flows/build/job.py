"""A design on its way to a board: synthesised once, routed with each seed, the best kept."""

import contextlib
import shutil
import time
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

from htaflow.flows.boards.board import Board
from htaflow.flows.build.design import throughput
from htaflow.flows.build.folders import (
    copy_files,
    failed_folder,
    has_bitstream,
    is_whole,
    slow_folder,
    tidy,
    work_folder,
)
from htaflow.flows.build.lock import Lock, digests, library_versions, sha256
from htaflow.flows.build.options import locked
from htaflow.flows.build.route import (
    ROUTE_LOG,
    BoardTooSmallError,
    diagnose,
    explain_failure,
    packing,
    read_report,
    routing,
)
from htaflow.flows.build.seeds import fastest
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
from htaflow.flows.tools.tools import ToolError
from htaflow.model.run_directory import unchanged
from htaflow.model.support.errors import DoesNotFitError, HtaflowError
from htaflow.model.support.files import (
    locked_folder,
    replace_folder,
    restore_folder,
    write_atomic,
    write_json,
)
from htaflow.model.support.progress import Progress
from htaflow.model.support.results import Built, Object

_ASIDE = "old"
"""What is in place is called so, in the work folder, while the new takes its place."""

_OTHER_ASIDE = "other"
"""The same for the folders beside it, from which nothing is ever put back."""


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
class Job:
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
            report = unchanged(folder / "report.json", self.facts["inputs"], Built)
            if report is None or not is_whole(folder):
                continue
            if not all(key.isdecimal() for key in report["fmax_by_seed"]):
                continue  # somebody has changed it
            fmax |= {int(key): float(value) for key, value in report["fmax_by_seed"].items()}
            if report["seed"] in wanted:
                kept = cast(Object, report)
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
            copy_files(synthesised, folder)
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
            **throughput(self.interface, self.board),
            "seed": seed,
            "bitstream": names.bitstream if met else None,
            "sha256": sha256(folder / names.bitstream) if met else None,
            "seconds": round(self.seconds, 1),
            **self.facts,
        }
        tidy(folder, NETLIST, names.routed)
        Lock(
            network=report["network"],
            inputs=report["inputs"],
            options=locked(seed, self.board.clock_mhz, self.facts),
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
        return self.final if report["met"] or not has_bitstream(self.final) else self.slow

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
