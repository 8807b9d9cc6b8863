"""Messages of the tools that mean that the hardware may not work, although the tool ended well.

A log is read line by line. What is known is named and judged by :data:`_RULES`; any other warning
is kept as it stands. An error must keep a bitstream from being used.
"""

import re
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Literal, cast

from htaflow.flows.tools.tools import ToolError
from htaflow.model.support.results import ToolMessage

Severity = Literal["error", "warning", "note"]

MISSED_CLOCK = "missed clock"
"""A kind that is no error by itself: a build says by how much its clock is missed, and what to do.
"""

_MOST = 20
"""Messages of one kind from one log that are kept."""

_LONGEST = 300
"""Characters of a message that are kept."""

_CONTINUED = 4
"""Indented lines after a message that are taken as parts of it, at most."""


@dataclass(frozen=True)
class Diagnostic:
    """One message.

    Args:
        tool: who gave it.
        kind: what it is about, such as ``hold`` or ``latch``; ``other`` if it is not known.
        severity: ``error`` if hardware could fail, ``warning`` if it might, ``note`` if not.
        text: the message.
        log: the name of the file that it stands in.
        line: and its line, from 1.
    """

    tool: str
    kind: str
    severity: Severity
    text: str
    log: str
    line: int

    def __str__(self) -> str:
        return f"{self.kind}: {self.text} ({self.tool}; {self.log}, line {self.line})"


class UnsafeDesignError(ToolError):
    """A tool ended well, but what it said means that the hardware may not work."""


@dataclass(frozen=True)
class _Rule:
    kind: str
    severity: Severity
    pattern: str
    """Matches the beginning of a message, without the word for its severity."""


_RULES = (
    _Rule("hold", "error", r"Hold/min time violation|[1-9]\d* Hold/min time violations"),
    _Rule(MISSED_CLOCK, "warning", r"Max frequency for .*\(FAIL at "),
    _Rule(
        "combinational loop",
        "error",
        r"found logic loop|Found [1-9]\d* combinat\w+ loops|"
        r"(?i:timing analysis failed)",
    ),
    _Rule("latch", "error", r"Latch inferred for signal"),
    _Rule(
        "multiple drivers",
        "error",
        r"multiple conflicting drivers|Drivers conflicting with|Driver-driver conflict|"
        r".* is multiply driven",
    ),
    _Rule("no driver", "error", r".* is used but has no driver"),
    _Rule("unknown cell", "error", r".* is an unmapped internal cell|.* unknown cell type"),
    _Rule("pin", "error", r"IO '.*' is unconstrained"),
    _Rule("unconstrained clock", "error", r".* ignoring clock constraint"),
    _Rule(
        "placement",
        "error",
        r"post-placement validity check failed|found unplaced cell|Found unbound cell|"
        r"Found mismatched binding",
    ),
    _Rule("routing", "error", r"Failed to find a route|No wires found for port"),
    _Rule("memory in registers", "note", r"using FF mapping for memory (?!.*\$auto\$proc_rom)"),
    _Rule("slow wires", "note", r"\d+% of arcs have failing slack"),
)

_MESSAGE = re.compile(
    r"(?:\S+:\d+[\d.-]*: )?(?P<level>warning|error|info)\s*:\s*(?P<text>\S.*)", re.IGNORECASE
)
_PACKERS = ("icepack", "ecppack")
"""They have nothing to warn of but that a bitstream is not what was asked for."""


def read_log(tool: str, log: Path) -> list[Diagnostic]:
    """Return the messages in the ``log`` of a ``tool`` that ended well, in order, each text once.

    Raises ``OSError`` if there is no such file.
    """
    lines = log.read_text(errors="replace").splitlines()
    found: dict[tuple[str, str], Diagnostic] = {}
    for number, line in enumerate(lines, 1):
        judged = _judge(tool, line)
        if judged is None:
            continue
        kind, severity, text = judged
        text = "; ".join([text.rstrip(":"), *_continuation(lines, number)])[:_LONGEST]
        found.setdefault((kind, text), Diagnostic(tool, kind, severity, text, log.name, number))
    return _limited(found.values())


def _judge(tool: str, line: str) -> tuple[str, Severity, str] | None:
    """Return the kind, the severity and the text of the message in ``line``, if it is one."""
    message = _MESSAGE.match(line)
    level, text = ("info", line) if message is None else (message["level"].lower(), message["text"])
    for rule in _RULES:
        if re.match(rule.pattern, text):
            # What nextpnr says of its estimates before routing is information.
            if rule.kind == MISSED_CLOCK and level == "info":
                return None
            return rule.kind, rule.severity, text
    if level == "error" or (level == "warning" and tool in _PACKERS):
        return "other", "error", text
    return ("other", "warning", text) if level == "warning" else None


def _continuation(lines: Sequence[str], number: int) -> list[str]:
    """Return the indented lines after the line of that ``number``: what a message goes on with."""
    found = []
    for line in lines[number : number + _CONTINUED]:
        if not line.startswith("    "):
            break
        found.append(line.strip())
    return found


def _limited(found: Iterable[Diagnostic]) -> list[Diagnostic]:
    """Return of each kind the first :data:`_MOST`; the last of them says how many are left out."""
    by_kind: dict[str, list[Diagnostic]] = {}
    for each in found:
        by_kind.setdefault(each.kind, []).append(each)
    kept = []
    for several in by_kind.values():
        kept += several[:_MOST]
        if len(several) > _MOST:
            text = f"and {len(several) - _MOST} more like these"
            kept.append(replace(several[_MOST], text=text))
    return sorted(kept, key=lambda each: each.line)


def errors(found: Iterable[Diagnostic]) -> list[Diagnostic]:
    """Return those that must keep a bitstream from being used."""
    return [each for each in found if each.severity == "error"]


def as_json(found: Iterable[Diagnostic]) -> list[ToolMessage]:
    """Return them as plain JSON values."""
    return [cast(ToolMessage, asdict(each)) for each in found]


def refuse(what: str, found: Iterable[Diagnostic], folder: Path, advice: str) -> None:
    """Raise ``UnsafeDesignError`` if there is an error among those ``found`` in ``folder``'s logs.

    ``what`` is the design in words, ``advice`` what to do.
    """
    wrong = errors(found)
    if not wrong:
        return
    shown = [f"  {each}" for each in wrong[:5]]
    more = [f"  and {len(wrong) - 5} more"] if len(wrong) > 5 else []
    log = folder / wrong[0].log
    raise UnsafeDesignError(
        "\n".join(
            [
                f"{what}: the hardware may not work, so there is no bitstream of it:",
                *shown,
                *more,
                f"the log is {log}; {advice}",
            ]
        ),
        log=log,
    )
