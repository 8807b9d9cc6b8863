"""The logic in a finished iCE40 bitstream, as Verilog.

``iceunpack`` turns ``top.bin`` into text, and IceStorm's ``icebox_vlog`` that into Verilog, with
the database of Project IceStorm alone: nothing is taken from the netlist or from nextpnr, only
which pin each port is at, from the board.
"""

import re
from collections.abc import Iterable
from pathlib import Path

from htaflow.flows.board import Board
from htaflow.flows.levelise import Update, registers
from htaflow.flows.step import Step
from htaflow.model.errors import BadInputError
from htaflow.model.files import write_atomic

_COMMENT = re.compile(r"/\*.*?\*/|//.*")
_DECLARATION = re.compile(r"(?P<kind>wire|reg) (?P<names>.*);")
_FLIP_FLOP = re.compile(
    r"always @\((?P<when>[^)]*)\) (?:if \((?P<condition>\S+)\) )?(?P<statement>.*;)"
)
_PORT = re.compile(r"(?:input|output|inout) (\w+)")
_INSTANCE = re.compile(r"\bSB_\w+")

_BITSTREAM, _TEXT = "top.bin", "top.asc"
_PINS = "ports.pcf"


def recover_bitstream(bitstream: Path, board: Board, folder: Path, timeout: float = 300.0) -> str:
    """Return Verilog, module ``board``, of the logic in a finished bitstream for ``board``.

    Its tools run in ``folder``, each for at most ``timeout`` seconds, and leave their files there.

    Raises:
        BadInputError: the bitstream uses a block (such as a memory) that cannot be recovered.
        MissingToolError: IceStorm's tools are absent.
        ToolError: a tool failed: the file is no bitstream for the board.
    """
    write_atomic(folder / _BITSTREAM, bitstream.read_bytes())
    Step("iceunpack", (_BITSTREAM, _TEXT), (_TEXT,), "iceunpack.log").run(folder, timeout)
    ports = "".join(f"set_io {name} {pin.at}\n" for name, pin in board.pins.items())
    arguments = ("-s", "-l", "-n", "board", "-d", board.package, "-p", _PINS, _TEXT)
    listing = "icebox_vlog.log"  # it prints the Verilog, below the line that says what was called
    Step("icebox_vlog", arguments, (listing,), listing, {_PINS: ports}).run(folder, timeout)
    lines = (folder / listing).read_text().splitlines()[1:]
    return group(lines)


def group(lines: Iterable[str]) -> str:
    """Return ``icebox_vlog``'s Verilog with one process for all registers that act together.

    It has one for every flip-flop, which a simulator wakes with every clock edge. Ports are no
    longer declared twice, which some simulators refuse. Raises ``BadInputError`` for a block that
    has no Verilog of its own, and for a line that is not understood.
    """
    text: list[str] = []
    updates: list[Update] = []
    ports: set[str] = set()
    for line in (_COMMENT.sub("", line).strip() for line in lines):
        if found := _INSTANCE.search(line):
            raise BadInputError(
                f"the bitstream uses an {found[0]}, which cannot be recovered from an iCE40's yet"
            )
        if line.startswith("module "):
            ports = set(_PORT.findall(line))
            text.append(line)
        elif found := _DECLARATION.fullmatch(line):
            names = [name for name in found["names"].split(", ") if name not in ports]
            text += [f"{found['kind']} {', '.join(names)};"] if names else []
        elif found := _FLIP_FLOP.fullmatch(line):
            updates.append(Update(found["when"], found["condition"] or "", found["statement"]))
        elif line.startswith("assign "):
            text.append(line)
        elif line and line != "endmodule":
            raise BadInputError(f"icebox_vlog wrote what is not understood: {line}")
    return "".join(f"{line}\n" for line in [*text, *registers(updates), "endmodule"])
