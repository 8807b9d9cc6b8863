"""Whether every clock of a routed design has a constraint and a global net."""

import re
from pathlib import Path
from typing import Any

from htaflow.flows.families import place_and_route
from htaflow.flows.tools.diagnostics import Diagnostic

_CONSTRAINED = re.compile(
    r"constraining clock net '([^']+)' to|Derived frequency constraint of [\d.]+ MHz for net (\S+)"
)


def check_clocks(family: str, tool: str, report: dict[str, Any], log: Path) -> list[Diagnostic]:
    """Return what is wrong with the clocks in nextpnr's ``report``, to which ``log`` belongs.

    A clock without a constraint of its own is timed as if it were the board's, which it need not
    be; one that is on ordinary wires reaches flip-flops at different times, which nextpnr does not
    look at for every family. Raises ``KeyError``, ``TypeError`` or ``AttributeError`` if the report
    makes no sense.
    """
    constrained: dict[str, int] = {}
    for number, line in enumerate(log.read_text(errors="replace").splitlines(), 1):
        if told := _CONSTRAINED.search(line):
            constrained[told[1] or told[2]] = number
    names, wrong = place_and_route(family), []
    for clock in sorted(_clocks(report)):
        is_global = re.fullmatch(names.global_clock, clock)
        name = (is_global[1] if is_global else clock).removesuffix(names.clock_pad)
        at = constrained.get(name, 1)
        if name not in constrained:
            text = f"clock '{clock}' has no constraint: which frequency it has is not known"
            wrong.append(Diagnostic(tool, "unconstrained clock", "error", text, log.name, at))
        if not is_global:
            text = f"clock '{clock}' is not on a global net: flip-flops see it at different times"
            wrong.append(Diagnostic(tool, "clock off global net", "error", text, log.name, at))
    return wrong


def _clocks(report: dict[str, Any]) -> set[str]:
    """Return the names of all clocks: those that time a path, and those at the ends of one."""
    found = set(report["fmax"])
    for path in report.get("critical_paths", []):
        for end in (path["from"], path["to"]):
            edge, _, name = end.partition(" ")
            if edge in ("posedge", "negedge"):
                found.add(name)
    return found
