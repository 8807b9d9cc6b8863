"""Questions to a SAT solver, that of Yosys: can this netlist ever yield 1?"""

import json
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from htaflow.flows.tools.tools import ToolError, find_tool, run_tool
from htaflow.hw.logic.netlist import Logic
from htaflow.hw.logic.verilog import module_verilog
from htaflow.model.support.files import write_atomic

_SCRIPT = """\
read_verilog question.v
hierarchy -top {name}
proc
opt -fast
sat -prove y 0 -show x -timeout {seconds} -dump_json answer.json
"""
_NEVER = "SAT proof finished - no model found: SUCCESS!"
_SOME = "SAT proof finished - model found: FAIL!"
_START_SECONDS = 60
"""What Yosys may take besides solving."""


@dataclass(frozen=True)
class Answer:
    """Whether a netlist can yield 1.

    Attributes:
        verdict: ``never`` is a closed proof; ``sometimes`` comes with inputs; ``undecided`` means
            that time ran out.
        inputs: the netlist's inputs, input 0 in the low bit, for which it is 1.
        seconds: what it took.
    """

    verdict: Literal["never", "sometimes", "undecided"]
    inputs: int = 0
    seconds: float = 0.0


def is_satisfiable(logic: Logic, seconds: float) -> Answer:
    """Ask whether ``logic``, a netlist of one output, can yield 1, for at most ``seconds``.

    Raises ``MissingToolError`` without Yosys, ``ToolError`` if it fails.
    """
    begun = time.monotonic()
    limit = max(1, round(seconds))
    with tempfile.TemporaryDirectory(prefix="htaflow-") as name:
        folder = Path(name)
        write_atomic(folder / "question.v", module_verilog(logic))
        write_atomic(folder / "ask.ys", _SCRIPT.format(name=logic.name, seconds=limit))
        try:
            run_tool(
                find_tool("yosys"),
                ["ask.ys"],
                folder=folder,
                log="yosys.log",
                outputs=(),
                timeout=limit + _START_SECONDS,
            )
        except ToolError as error:
            if not error.timed_out:
                raise
            return Answer("undecided", seconds=time.monotonic() - begun)
        log = (folder / "yosys.log").read_text(errors="replace")
        taken = round(time.monotonic() - begun, 3)
        if _NEVER in log:
            return Answer("never", seconds=taken)
        if _SOME in log:
            shown = json.loads((folder / "answer.json").read_text())
            return Answer("sometimes", int(shown["signal"][0]["data"][0], 2), taken)
        return Answer("undecided", seconds=taken)
