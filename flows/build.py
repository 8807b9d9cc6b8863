# amaranth: UnusedElaboratable=no
# A core may be made only to ask for its cycles and layouts.
"""From a network to a board's bitstream."""

import contextlib
import hashlib
import shutil
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from htaflow.flows.board import Board, load_board
from htaflow.flows.route import (
    FAMILIES,
    FLOORPLAN,
    explain_failure,
    packing,
    read_result,
    routing,
    shrink_floorplan,
)
from htaflow.flows.rundir import Run, unchanged
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

TIMEOUT = 900.0
"""Seconds that each tool may take unless said otherwise."""

_BITS_A_BYTE = 10  # on the line: start, eight data, stop


def build(
    run: Path,
    board: str,
    *,
    seed: int = 1,
    timeout: float | None = None,
    pipeline: Sequence[str] | None = None,
    progress: Progress = silent,
) -> dict[str, Any]:
    """Synthesise, place and route the network of ``run``, and write RUN/boards/NAME/.

    Args:
        run: the run directory.
        board: a board's name, or the path of a .toml file that describes one.
        seed: of nextpnr's placer.
        timeout: seconds that each tool may take.
        pipeline: names of the layers that end in a register; by default all.
        progress: called with a line of text now and then.

    Returns:
        What report.json holds.

    Raises:
        BadInputError: no valid network, an unknown board.
        MissingToolError: Yosys or nextpnr is absent; the message names the remedy.
        DoesNotFitError: the network is too large for the board, cannot be routed, or is too slow
            for its clock. When it is too slow, report.json says by how much; there is no bitstream.
        ToolError: a tool failed in another way. The folder RUN/boards/NAME.failed keeps its log.
    """
    here = Run(run)
    target = load_board(board)
    names = FAMILIES[target.family]
    steps = (synthesis(target), routing(target, seed), packing(target))
    versions = {step.tool: find_tool(step.tool).version for step in steps}
    verilog, interface = _design(here.load_network(), target, pipeline)
    inputs = digest(verilog, *(step.digest for step in steps), repr(sorted(versions.items())))

    final = here.board(target.name)
    report = unchanged(here.board_report(target.name), inputs)
    if report is not None and (not report["met"] or _same_file(final, report)):
        progress(f"build {target.name}: unchanged")
        return _met(report, target)

    start = time.monotonic()
    final.parent.mkdir(parents=True, exist_ok=True)
    folder = Path(tempfile.mkdtemp(dir=final.parent, prefix=f".{target.name}."))
    folder.chmod(0o755)
    try:
        write_atomic(folder / "board.v", verilog)
        write_json(folder / "top.json", interface)
        synthesise, route, pack = steps
        limit = TIMEOUT if timeout is None else timeout
        _run(synthesise, folder, target, limit, progress)
        _run(route, folder, target, limit, progress)
        result = read_result(folder, target)
        met = result["fmax_mhz"] >= target.clock_mhz
        if met:
            _run(pack, folder, target, limit, progress)
        report = {
            "board": target.name,
            "device": target.device,
            "package": target.package,
            "network": interface["digest"],
            "clock_mhz": target.clock_mhz,
            "met": met,
            **result,
            "carry": count_carries(folder, target),
            "latency_cycles": interface["latency_cycles"],
            "interval_cycles": interface["interval_cycles"],
            **_throughput(interface, target),
            "seed": seed,
            "bitstream": names.bitstream if met else None,
            "sha256": _sha256(folder / names.bitstream) if met else None,
            "versions": {**interface["versions"], **versions},
            "seconds": round(time.monotonic() - start, 1),
            "inputs": inputs,
        }
        _tidy(folder, NETLIST, names.routed)
        write_json(folder / "report.json", report)
    except ToolError as error:
        failed = final.with_name(f"{final.name}.failed")
        _put(folder, failed)
        # The message names the log, which has just moved.
        message = str(error).replace(str(folder), str(failed))
        moved = ToolError(message, log=failed / error.log.name, timed_out=error.timed_out)
        reason = explain_failure(moved, target) if error.log.name == route.log else None
        raise reason or moved from None
    except BaseException:
        shutil.rmtree(folder)
        raise
    _put(folder, final)
    shutil.rmtree(final.with_name(f"{final.name}.failed"), ignore_errors=True)
    progress(f"build {target.name}: done in {report['seconds']:.0f} s")
    return _met(report, target)


def _design(
    network: Network, board: Board, pipeline: Sequence[str] | None
) -> tuple[str, dict[str, Any]]:
    """Return the Verilog of ``network`` on ``board``, and its interface (top.json)."""
    check_pipeline(network, pipeline)
    core = NetworkCore(network, bus_bits(network), find_target(board.family), pipeline)
    try:
        top = BoardTop(core, clock_hz=board.clock_hz, baud=board.baud, pins=board.top_pins)
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


def _run(step: Step, folder: Path, board: Board, timeout: float, progress: Progress) -> None:
    """Say which tool runs, and run it."""
    progress(f"build {board.name}: {step.tool}")
    step.run(folder, timeout)


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
    raise DoesNotFitError(
        f"{board.title}: the network is too slow: it reaches {report['fmax_mhz']:.1f} MHz, the "
        f"board's clock is {report['clock_mhz']:g} MHz ({missing:.0f} % short); try another "
        f"--seed (this was {report['seed']}), or train a network with a smaller fan-in"
    )


def _same_file(folder: Path, report: dict[str, Any]) -> bool:
    """Whether the bitstream is there as the report says."""
    path = folder / report["bitstream"]
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
