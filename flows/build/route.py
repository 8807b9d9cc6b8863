"""Place and route by nextpnr, and the bitstream."""

import json
import math
import re
from pathlib import Path
from typing import Any

from htaflow.flows.boards.board import Board
from htaflow.flows.build.clocks import check_clocks
from htaflow.flows.build.synth import NETLIST
from htaflow.flows.families import place_and_route
from htaflow.flows.tools.diagnostics import Diagnostic, read_log
from htaflow.flows.tools.step import ToolRun
from htaflow.flows.tools.tools import NONSENSE, ToolError
from htaflow.model.support.errors import BadInputError, DoesNotFitError, did_you_mean

FLOORPLAN = "floorplan.svg"
ROUTE_LOG = "nextpnr.log"

ROUTERS = ("router1", "router2")
"""nextpnr's: which of them finds ways for all wires, and how fast, depends on the design."""

_REPORT = "nextpnr.json"
SMALLER = (
    "train a smaller network (fewer neurons, a smaller fan-in, fewer thresholds a feature), or "
    "choose a larger board"
)
"""What to do about a network that is too large."""

_UTILISATION = re.compile(r"^Info:\s+(\w+):\s+(\d+)/\s*(\d+)\s+\d+%", re.MULTILINE)
_NO_PLACE = re.compile(
    r"^ERROR: .*(no BELs remaining|legal placement|utilisation limit|[Ff]ailed to (?:expand|place)|"
    r"[Ff]ailed to (?:find a )?route|[Uu]nroutable|unable to (?:place|route))",
    re.MULTILINE,
)


class BoardTooSmallError(DoesNotFitError):
    """The board has too few of something: no seed of the placer can help."""


def find_router(board: Board, router: str | None) -> str:
    """Return the router to use: by default ``router2`` for an ECP5 at its oscillator's clock.

    Raises ``BadInputError`` if there is none of that name.
    """
    if router is None:
        return default_router(board.family, board.pll is not None)
    if router not in ROUTERS:
        raise BadInputError(f"there is no router '{router}'{did_you_mean(router, ROUTERS)}")
    return router


def default_router(family: str, hurried: bool) -> str:
    """Return the router of a design; a hurried one runs faster than its board's oscillator."""
    return "router1" if hurried else place_and_route(family).unhurried


def routing(board: Board, seed: int, router: str | None = None) -> ToolRun:
    """Return the step that places and routes the netlist for ``board``'s clock."""
    names, router = place_and_route(board.family), find_router(board, router)
    arguments = [f"--{board.device}", "--package", board.package]
    if board.speed is not None:
        arguments += ["--speed", str(board.speed)]
    arguments += ["--json", NETLIST, "--top", "board"]
    arguments += [names.constraints_option, names.constraints_file]
    arguments += ["--freq", f"{board.clock_mhz:g}", "--seed", str(seed)]
    # A clock that is missed is reported here, with what to do, rather than there.
    arguments += ["--timing-allow-fail", "--report", _REPORT, "--placed-svg", FLOORPLAN]
    if router == "router2":
        arguments += ["--router", router]
    elif board.pll is None:
        arguments += names.short_wires
    arguments += [names.routed_option, names.routed]
    return ToolRun(
        tool=names.tool,
        arguments=tuple(arguments),
        outputs=(names.routed, _REPORT),
        log=ROUTE_LOG,
        files={names.constraints_file: board.constraints},
        endings={names.routed: names.routed_ending},
    )


def packing(board: Board) -> ToolRun:
    """Return the step that writes the bitstream."""
    names = place_and_route(board.family)
    return ToolRun(
        tool=names.packer,
        arguments=names.packing,
        outputs=(names.bitstream,),
        log=f"{names.packer}.log",
        endings={names.bitstream: names.bitstream_ending},
    )


def read_report(folder: Path, board: Board) -> dict[str, Any]:
    """Return ``fmax_mhz`` and, for each resource, how much is used and available.

    ``LUT``, ``FF``, ``BRAM`` and ``IO``; for an iCE40 also ``LC``, its logic cells: each holds one
    LUT and one flip-flop, and it is they that run out. Raises ``ToolError`` if nextpnr's report
    and log do not hold these.
    """
    names = place_and_route(board.family)
    log = folder / ROUTE_LOG
    try:
        report = json.loads((folder / _REPORT).read_text())
        clocks = [float(clock["achieved"]) for clock in report["fmax"].values()]
        if not all(map(math.isfinite, clocks)):
            raise ValueError("a clock that is no number")
        result: dict[str, Any] = {"fmax_mhz": round(min(clocks), 3)}
        for resource, cell in names.cells.items():
            entry = report["utilization"][cell]
            result[resource] = {"used": int(entry["used"]), "available": int(entry["available"])}
        result |= names.more_resources(log.read_text(errors="replace"), result)
    except NONSENSE as error:
        raise _nonsense(names.tool, log, error) from None
    return result


def diagnose(folder: Path, board: Board) -> list[Diagnostic]:
    """Return what nextpnr said in ``folder`` that means that the hardware may not work.

    Raises ``ToolError`` if its report makes no sense.
    """
    router, log = place_and_route(board.family).tool, folder / ROUTE_LOG
    try:
        report = json.loads((folder / _REPORT).read_text())
        clocks = check_clocks(board.family, router, report, log)
    except NONSENSE as error:
        raise _nonsense(router, log, error) from None
    return [*read_log(router, log), *clocks]


def _nonsense(router: str, log: Path, error: Exception) -> ToolError:
    return ToolError(
        f"{router}: its report makes no sense ({type(error).__name__}: {error}); its log is {log}",
        log=log,
    )


def explain_failure(error: ToolError, board: Board) -> DoesNotFitError | None:
    """Return why nextpnr failed if the network does not fit the board, else ``None``."""
    log = error.log.read_text(errors="replace")
    for cell, used, available in _UTILISATION.findall(log):
        over = int(used) - int(available)
        if over > 0:
            part = 100 * int(used) / int(available)
            return BoardTooSmallError(
                f"{board.title}: the network is too large: it needs {used} {_kind(cell, board)}, "
                f"the board has {available} ({over} too many, {part:.0f} %); {SMALLER}"
            )
    if error.timed_out:
        return DoesNotFitError(
            f"{board.title}: place and route found no way in time: {error}; give it more with "
            f"--timeout, try the other --router or another --seed, or {SMALLER}"
        )
    if _NO_PLACE.search(log):
        return DoesNotFitError(
            f"{board.title}: the network cannot be placed and routed: {error}\n"
            f"try another --seed, or {SMALLER}"
        )
    return None


def _kind(cell: str, board: Board) -> str:
    """Return a resource's name for people."""
    people = {"LC": "logic cells", "LUT": "LUTs", "FF": "flip-flops", "IO": "pins"}
    for resource, name in place_and_route(board.family).cells.items():
        if name == cell:
            return people.get(resource, resource)
    return cell


_RECT = re.compile(
    r'<rect x="([\d.]+)" y="([\d.]+)" width="([\d.]+)" height="([\d.]+)" '
    r'stroke="(#\w+)" fill="([#\w]+)"/>'
)
_DETAIL = "#C0C0C0"
"""The colour of the wires and ports within a cell: most of the drawing, none of the picture."""


def shrink_floorplan(svg: str) -> str:
    """Return nextpnr's drawing a tenth the size: one path a colour, coordinates to 0.1."""
    size = re.search(r'viewBox="0 0 ([\d.]+) ([\d.]+)"', svg)
    if not size:
        return svg
    paths: dict[tuple[str, str], list[str]] = {}
    for x, y, width, height, stroke, fill in _RECT.findall(svg):
        if stroke != _DETAIL:
            a, b, w, h = (f"{float(number):.1f}" for number in (x, y, width, height))
            paths.setdefault((stroke, fill), []).append(f"M{a} {b}h{w}v{h}h-{w}z")
    # What is used is drawn last, over what is free, and thick: an ECP5's cells are tiny in their
    # tiles and would not be seen at the size of a page.
    thick = f' stroke-width="{float(size[1]) / 250:.0f}"'
    ordered = sorted(paths.items(), key=lambda item: item[0][1] != "none")
    return "\n".join(
        [
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {size[1]} {size[2]}">',
            '<rect width="100%" height="100%" fill="#fff"/>',
            *(
                f'<path stroke="{stroke}" fill="{fill}"{thick if fill != "none" else ""} '
                f'd="{"".join(parts)}"/>'
                for (stroke, fill), parts in ordered
            ),
            "</svg>\n",
        ]
    )
