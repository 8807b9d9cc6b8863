"""Synthesis: Verilog to a netlist of the part's own cells, by Yosys."""

import json
from pathlib import Path

from htaflow.flows.boards.board import Board
from htaflow.flows.families import FAMILIES
from htaflow.flows.tools.step import ToolRun
from htaflow.flows.tools.tools import NONSENSE, ToolError

NETLIST = "netlist.json"
"""What nextpnr reads; large, and deleted when it has."""

NETLIST_VERILOG = "netlist.v"
"""The same netlist as Verilog, which is kept: it can be simulated and proved."""

CELLS = "cells.json"

_ENDINGS = {NETLIST: rb"\n}\n", NETLIST_VERILOG: rb"\nendmodule\n"}
_SCRIPT = "synth.ys"
_OWN_LOG = "yosys.own.log"
LOG = "yosys.log"


def synthesis(board: Board) -> ToolRun:
    """Return the step that turns ``board.v`` into a netlist.

    The netlist is flat, so that logic is shared and trimmed across layers. The network's own logic
    is Boolean and has no arithmetic; carry chains are made for the counters around it alone.
    """
    family = FAMILIES[board.family]
    command = f"{family.synthesis}{family.speed_options(board.device)}"
    return _step(
        "read_verilog board.v",
        f"{command} -top board -json {NETLIST}",
        f"write_verilog -noattr {NETLIST_VERILOG}",
        f"tee -q -o {CELLS} stat -json",
        outputs=(NETLIST, NETLIST_VERILOG, CELLS),
    )


def core_synthesis(family: str, source: str) -> ToolRun:
    """Return the step that turns ``source``, module ``top``, into a netlist of ``family``.

    The same logic as on a board, with its streams as ports, and no pads.
    """
    return _step(
        f"read_verilog {source}",
        f"{FAMILIES[family].synthesis}{FAMILIES[family].no_pads} -top top",
        f"write_verilog -noattr {NETLIST_VERILOG}",
        f"write_json {NETLIST}",
        outputs=(NETLIST_VERILOG, NETLIST),
    )


def _step(*script: str, outputs: tuple[str, ...]) -> ToolRun:
    """Return the step in which Yosys runs ``script``."""
    return ToolRun(
        tool="yosys",
        # YoWASP's Yosys prints nothing any more once it has run ABC, not even an error; but it goes
        # on to write the log that it is told to write itself.
        arguments=("-q", "-L", _OWN_LOG, "-s", _SCRIPT),
        outputs=outputs,
        log=LOG,
        own_log=_OWN_LOG,
        files={_SCRIPT: "".join(f"{line}\n" for line in script)},
        endings=_ENDINGS,
    )


def count_carries(folder: Path, board: Board) -> int:
    """Return the carry cells in the netlist. Raises ``ToolError`` if Yosys's count is no count."""
    try:
        counts = json.loads((folder / CELLS).read_text())["design"]["num_cells_by_type"]
        return int(counts.get(FAMILIES[board.family].carry, 0))
    except NONSENSE:
        log = folder / LOG
        raise ToolError(f"yosys: {CELLS} is no count of cells; its log is {log}", log=log) from None
