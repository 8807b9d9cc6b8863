"""Area of a network's complete core, from encoder to result, by synthesis out of context.

Everyone's numbers are counted the same way: look-up tables of every size one each, carries,
multiplexers and flip-flops apart, no pads. A whole frame comes in one beat.
"""

import contextlib
import json
import re
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from htaflow.flows.families import FAMILIES
from htaflow.flows.tools.step import ToolRun
from htaflow.flows.tools.tools import NONSENSE, ToolError, find_tool
from htaflow.hw.logic.target import PORTABLE, find_target
from htaflow.model.integer.network import Network
from htaflow.model.run_directory import unchanged
from htaflow.model.support.errors import BadInputError
from htaflow.model.support.files import digest, locked_folder, write_atomic, write_json
from htaflow.model.support.progress import Progress, silent
from htaflow.model.support.results import Object

COMMANDS = {
    "xilinx": "synth_xilinx -flatten -abc9 -nocarry -noiopad -noclkbuf",
    **{name: FAMILIES[name].synthesis for name in ("ice40", "ecp5")},
}
"""How Yosys counts each target. The Xilinx part is Yosys's default, a 7-series."""

MAPPINGS = ("cells", "portable")

_KINDS = {
    "LUT": r"(?:SB_)?LUT\d|INV",  # an inverter of its own takes a look-up table
    "FF": r"FD[RSCP]E|SB_DFF\w*|TRELLIS_FF",
    "carry": r"CARRY\d|SB_CARRY|CCU2C",
    "mux": r"MUXF\d|L6MUX21|PFUMX",
}
_CELLS = "cells.json"


def count_area(
    network: Network,
    target: str,
    folder: Path | None = None,
    *,
    mappings: Sequence[str] = MAPPINGS,
    timeout: float | None = None,
    progress: Progress = silent,
) -> dict[str, Any]:
    """Return the area of ``network`` on ``target`` in the best of its ``mappings``.

    ``cells`` is ours, which states compressor trees in the target's own cells, as a build does;
    ``portable`` is portable Verilog, which leaves everything to synthesis.

    Args:
        network: what is counted.
        target: ``xilinx``, ``ice40`` or ``ecp5``.
        folder: where the result, count.json, and the tool's files are kept; a result there that
            has the same inputs is returned as it is. By default nothing is kept.
        mappings: which are tried.
        timeout: seconds that each synthesis may take; by default what its size allows.
        progress: called with a line of text now and then.

    Returns:
        ``target``, ``network`` (digest), ``mapping`` (``cells`` or ``portable``), ``LUT``, ``FF``,
        ``carry``, ``mux``, ``LUT_sizes`` by cell, ``command``, ``mappings`` (LUTs by mapping),
        ``latency_cycles``, ``versions``, ``inputs``.

    Raises:
        BadInputError: there is no such target to count for, or no such mapping.
        MissingToolError: Yosys is absent.
        ToolError: Yosys failed or took too long.
    """
    if not mappings or not set(mappings) <= set(MAPPINGS):
        raise BadInputError(f"mappings {list(mappings)} are not some of {', '.join(MAPPINGS)}")
    if target not in COMMANDS:
        raise BadInputError(f"'{target}' cannot be counted; use {', '.join(COMMANDS)}")
    from htaflow.hw.verilog import generate  # Amaranth takes a while to import

    wanted = {"cells": find_target(target), "portable": PORTABLE}
    designs = {mapping: generate(network, None, wanted[mapping]) for mapping in mappings}
    step = _synthesis(COMMANDS[target])
    yosys = find_tool(step.tool)
    texts = {mapping: design.text for mapping, design in designs.items()}
    inputs = digest(*texts.values(), step.digest, yosys.version)
    stored = None if folder is None else unchanged(folder / "count.json", inputs, Object)
    with contextlib.ExitStack() as held:
        if stored is None and folder is not None:
            held.enter_context(
                locked_folder(
                    folder, lambda: progress(f"count: waiting for another one in {folder}")
                )
            )
            stored = unchanged(folder / "count.json", inputs, Object)
        if stored is not None:
            progress(f"count {network.name} for {target}: unchanged")
            return stored
        where = folder or Path(held.enter_context(tempfile.TemporaryDirectory(prefix="htaflow-")))
        counts = {}
        for mapping, text in texts.items():
            progress(f"count {network.name} for {target}: {mapping}")
            counts[mapping] = _synthesise(text, step, where / mapping, timeout)
        best = min(counts, key=lambda mapping: int(counts[mapping]["LUT"]))
        result = {
            "target": target,
            "network": network.digest,
            "mapping": best,
            **counts[best],
            "command": COMMANDS[target],
            "mappings": {mapping: counted["LUT"] for mapping, counted in counts.items()},
            "latency_cycles": designs[best].interface["latency_cycles"],
            "versions": {**designs[best].interface["versions"], "yosys": yosys.version},
            "inputs": inputs,
        }
        if folder is not None:
            write_json(folder / "count.json", result)
        return result


def _synthesise(text: str, step: ToolRun, folder: Path, timeout: float | None) -> dict[str, Any]:
    """Synthesise Verilog ``text`` in ``folder`` and return its cells by kind."""
    folder.mkdir(parents=True, exist_ok=True)
    write_atomic(folder / "top.v", text)
    step.run(folder, timeout)
    return _read(folder)


def _synthesis(command: str) -> ToolRun:
    """Return the step that counts the cells of ``top.v``."""
    script = ["read_verilog top.v", f"{command} -top top", f"tee -q -o {_CELLS} stat -json"]
    return ToolRun(
        tool="yosys",
        arguments=("-q", "-s", "count.ys"),
        outputs=(_CELLS,),
        log="yosys.log",
        files={"count.ys": "".join(f"{line}\n" for line in script)},
    )


def _read(folder: Path) -> dict[str, Any]:
    """Return the cells that Yosys counted, by kind. Raises ``ToolError`` if they are no count."""
    try:
        cells = json.loads((folder / _CELLS).read_text())["design"]["num_cells_by_type"]
        found: dict[str, Any] = {
            kind: sum(int(number) for cell, number in cells.items() if re.fullmatch(pattern, cell))
            for kind, pattern in _KINDS.items()
        }
        found["LUT_sizes"] = {
            cell: number for cell, number in cells.items() if re.fullmatch(_KINDS["LUT"], cell)
        }
    except NONSENSE:
        log = folder / "yosys.log"
        message = f"yosys: {_CELLS} is no count of cells; its log is {log}"
        raise ToolError(message, log=log) from None
    return found
