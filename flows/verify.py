"""``htaflow verify``: the same network at every level, from generated Verilog to the bitstream.

- ``rtl``: the Verilog of ``convert``, at its streams.
- ``netlist``: what Yosys makes of that Verilog for a family, in Yosys's own models of the family's
  cells, at the same streams, in the same cycles.
- ``bitstream``: the logic recovered from a board's finished bitstream, at the board's pins: frames
  go in and results come out over the serial line, each in its predicted cycle.
"""

import json
import shutil
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NotRequired, TypedDict, get_args

from htaflow.flows.boards.board import Board, load_board
from htaflow.flows.build.folders import same_bitstream
from htaflow.flows.build.synth import NETLIST, NETLIST_VERILOG, core_synthesis
from htaflow.flows.families import DEFAULT, find_family
from htaflow.flows.recovery.bitstream import closed_cells, reading_versions, recover_bitstream
from htaflow.flows.recovery.cells.cell import UnknownCellError
from htaflow.flows.recovery.levelized_verilog import to_ordered_verilog
from htaflow.flows.recovery.netlist_cells import netlist_of
from htaflow.flows.tools.cell_models import MODEL_OPTIONS, cell_models
from htaflow.flows.tools.diagnostics import as_json, read_log, refuse
from htaflow.flows.tools.tools import find_tool
from htaflow.flows.tools.yosys_json import YosysModule
from htaflow.model.integer.network import Network
from htaflow.model.run_directory import Run, read_result, source_digest, unchanged
from htaflow.model.support.arguments import checked
from htaflow.model.support.errors import BadInputError, HtaflowError, MismatchError, did_you_mean
from htaflow.model.support.files import digest, locked_folder, write_atomic, write_json
from htaflow.model.support.progress import Progress, silent
from htaflow.model.support.results import BoardInterface, Built, Object, ToolMessage
from htaflow.sim.runner import Simulator
from htaflow.sim.verify import DesignUnderTest, LevelResult, rtl_design, verify_design

Facts = dict[str, Any]

LEVELS = ("rtl", "netlist", "bitstream")


@checked
def verify(
    run: str | Path,
    *,
    level: str = "rtl",
    boards: Sequence[str] = (),
    family: str | None = None,
    frames: int | None = None,
    seed: int = 0,
    simulator: Simulator = "icarus",
    timeout: float | None = None,
    progress: Progress = silent,
) -> list[LevelResult]:
    """Simulate the hardware of ``run`` at one level, or at all, and compare it with golden.

    Args:
        run: the run directory.
        level: one of :data:`LEVELS`, or ``all``.
        boards: whose bitstreams; by default those of all boards that were built.
        family: whose cells a netlist is made of: ``ice40``, ``ecp5`` or ``gowin``; by default those
            of the boards, or ``ice40`` if there is none.
        frames: how many frames of the test set, or random ones if there is none; None for all.
        seed: of the random stalls, and of random frames.
        simulator: which one to use.
        timeout: seconds that each tool and each simulation may take; by default what the size of
            their work allows, and for a simulation any time while it makes progress.
        progress: is told what is being done, every few seconds.

    Returns:
        What ``RUN/verify/NAME.json`` holds for each design: ``rtl``, ``netlist-FAMILY``,
        ``bitstream-BOARD``. A result whose inputs have not changed is returned as it is.

    Raises:
        BadInputError: an argument is refused, the run lacks something, or its hardware belongs to
            another network.
        MissingToolError: a tool is absent.
        ToolError: a tool failed.
        SimulationError: a simulation crashed or hung.
        MismatchError: hardware and golden differ. All levels have been tried, and their results
            written; the message has what each said.
    """
    run = Path(run)
    levels = chosen_levels(level)
    if simulator not in (known := get_args(Simulator)):
        raise BadInputError(f"there is no simulator '{simulator}'{did_you_mean(simulator, known)}")
    here = Run(run)
    network = here.load_network()
    names = list(boards) or here.boards
    results, differ = [], []
    try:
        for design in designs(here, network, levels, names, family, progress, timeout):
            try:
                results.append(
                    verify_design(
                        run,
                        network,
                        design,
                        frames=frames,
                        seed=seed,
                        simulator=simulator,
                        timeout=timeout,
                        progress=progress,
                    )
                )
            except MismatchError as error:
                differ.append(str(error))
    except HtaflowError as error:
        if not differ:
            raise
        differ.append(f"and no further: {error}")  # a difference is what matters most
    if differ:
        raise MismatchError("\n".join(differ))
    return results


def chosen_levels(level: str) -> tuple[str, ...]:
    """Return the levels that ``level`` names: itself, or all. Raises ``BadInputError``."""
    if level == "all":
        return LEVELS
    if level not in LEVELS:
        raise BadInputError(f"there is no level '{level}'{did_you_mean(level, (*LEVELS, 'all'))}")
    return (level,)


def designs(
    run: Run,
    network: Network,
    levels: Sequence[str],
    boards: Sequence[str],
    family: str | None,
    progress: Progress,
    timeout: float | None = None,
) -> Iterator[DesignUnderTest]:
    """Return what is to be simulated, each made when its turn comes.

    Raises ``BadInputError`` at once as :func:`verify` does; errors of tools come with their design.
    """
    if family is not None:
        find_family(family)
    for name in boards:
        load_board(name)
    if "bitstream" in levels:
        if not boards:
            other = ", or name one --level" if len(levels) > 1 else ""
            raise BadInputError(f"{run.path}: no board was built; {_build(run.path)}{other}")
        for name in boards:
            _built(run, network, name)

    def made_in_turn() -> Iterator[DesignUnderTest]:
        if "rtl" in levels:
            yield rtl_design(run.path, network)
        if "netlist" in levels:
            of_boards = sorted({load_board(name).family for name in boards})
            for name in [family] if family else of_boards or [DEFAULT]:
                yield netlist_design(run, network, name, progress, timeout)
        if "bitstream" in levels:
            for name in boards:
                yield bitstream_design(run, network, name, progress, timeout)

    return made_in_turn()


def netlist_design(
    run: Run, network: Network, family: str, progress: Progress, timeout: float | None = None
) -> DesignUnderTest:
    """Synthesise ``RUN/rtl/top.v`` for ``family``, and return the netlist as what is simulated.

    Its cells are put in order first (:mod:`htaflow.flows.recovery.levelized_verilog`), which
    simulates a hundred times as fast; one with a cell that is not known there is simulated in
    Yosys's models.
    """
    source = rtl_design(run.path, network)
    folder = run.path / "verify" / f"netlist-{family}"
    step = core_synthesis(family, "top.v")
    verilog = run.verilog.read_text()
    version = find_tool(step.tool).version
    inputs = digest(verilog, step.digest, version, source_digest("htaflow.flows"))
    made, cells, ordered = folder / _MADE, folder / "cells.v", folder / "ordered.v"
    with locked_folder(
        folder, lambda: progress("verify: waiting for another 'htaflow verify' of the run")
    ):
        stored = unchanged(made, inputs, _Made)
        if stored is None:
            progress(f"verify netlist-{family}: {step.tool}")
            aside = folder / "synthesis"  # a netlist of before stays if this one fails
            shutil.rmtree(aside, ignore_errors=True)
            write_atomic(aside / "top.v", verilog)
            step.run(aside, timeout)
            found = read_log(step.tool, aside / step.log)
            refuse(f"{run.path}: netlist-{family}", found, aside, "please report it as a fault")
            _order(aside, family, progress)
            made.unlink(missing_ok=True)
            for file in (cells, ordered):
                file.unlink(missing_ok=True)
            for file in aside.iterdir():
                file.replace(folder / file.name)
            aside.rmdir()
            stored = _Made(inputs=inputs, diagnostics=as_json(found))
            write_json(made, stored)
    in_models = cells.exists()
    return DesignUnderTest(
        level=f"netlist-{family}",
        folder=folder,
        interface=source.interface,
        sources=(folder / NETLIST_VERILOG, cells) if in_models else (ordered,),
        build_args=MODEL_OPTIONS if in_models else (),
        facts={
            "yosys": version,
            "of": run.digests(run.verilog),
            "diagnostics": stored.get("diagnostics", []),
        },
    )


def _order(folder: Path, family: str, progress: Progress) -> None:
    """Write the netlist in ``folder`` as ``ordered.v``, or the models of its cells, ``cells.v``."""
    netlist = json.loads((folder / NETLIST).read_text())
    (folder / NETLIST).unlink()
    try:
        cells_of_top = netlist_of(YosysModule.of(netlist, "top")).simplified()
        write_atomic(folder / "ordered.v", to_ordered_verilog(cells_of_top, "top"))
    except UnknownCellError as error:
        progress(f"verify netlist-{family}: {error}; it is simulated in Yosys's models")
        write_atomic(folder / "cells.v", cell_models(family))


def bitstream_design(
    run: Run, network: Network, name: str, progress: Progress, timeout: float | None = None
) -> DesignUnderTest:
    """Recover the logic of the bitstream that was built for board ``name``."""
    board, report, interface = _built(run, network, name)
    folder = run.path / "verify" / f"bitstream-{board.name}"
    verilog, made = folder / "recovered.v", folder / _MADE
    tools = repr(sorted(reading_versions(board).items()))
    inputs = digest(str(report["sha256"]), repr(board), source_digest("htaflow.flows"), tools)
    with locked_folder(
        folder, lambda: progress("verify: waiting for another 'htaflow verify' of the run")
    ):
        if unchanged(made, inputs, Object, [verilog]) is None:
            progress(f"verify bitstream-{board.name}: recovering the logic from the bitstream")
            file = run.board(board.name) / str(report["bitstream"])
            recovered = recover_bitstream(file, board, folder, timeout) + closed_cells()
            made.unlink(missing_ok=True)
            write_atomic(verilog, recovered)
            write_json(made, {"inputs": inputs})
    return DesignUnderTest(
        level=f"bitstream-{board.name}",
        folder=folder,
        interface=interface,
        sources=(verilog,),
        port="serial",
        toplevel="board",
        facts={
            "bitstream": report["sha256"],
            "of": run.digests(run.board(board.name) / str(report["bitstream"])),
        },
    )


def _built(run: Run, network: Network, name: str) -> tuple[Board, Built, BoardInterface]:
    """Return a board, the report of its build and its interface. Raises ``BadInputError``."""
    board = load_board(name)
    again = _build(run.path, board.name)
    report = read_result(run.board_report(board.name), Built)
    interface = read_result(run.board(board.name) / "top.json", BoardInterface)
    if report is None or interface is None:
        raise BadInputError(f"{run.path}: there is no build for {board.name}; {again}")
    if not report["met"]:
        raise BadInputError(
            f"{run.path}: {board.name} has no bitstream: the network is too slow for its clock; "
            "build it with a lower --clock or other --seeds, or name other boards with --board"
        )
    if not same_bitstream(run.board(board.name), report):
        raise BadInputError(f"{run.path}: {board.name} has no complete bitstream; {again}")
    if interface["digest"] != network.digest:
        raise BadInputError(f"{run.path}: {board.name} was built from another network; {again}")
    return board, report, interface


_MADE = "made.json"
"""From which inputs a level's Verilog was made."""


class _Made(TypedDict):
    inputs: str
    diagnostics: NotRequired[list[ToolMessage]]


def _build(run: Path, board: str = "NAME") -> str:
    return f"run 'htaflow build {run} --board {board}'"
