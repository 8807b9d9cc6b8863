"""What is in a board's finished bitstream: as Verilog, and whether it is the netlist.

An ECP5's is read by :mod:`.recover`; that of an iCE40 by Project IceStorm's tools:
``iceunpack`` turns it into text, and ``icebox_vlog`` that into a list of tables and flip-flops
(:mod:`.icebox`), with IceStorm's database alone. In both, only which port is at which
pin comes from the board's description; nothing is taken from the netlist or from nextpnr.
"""

from pathlib import Path

from htaflow.flows.boards.board import Board
from htaflow.flows.recovery.ecp5.recover import recover_netlist
from htaflow.flows.recovery.ice40.icebox import read_icebox
from htaflow.flows.recovery.netlist import Netlist
from htaflow.flows.recovery.netlist_cells import read_netlist
from htaflow.flows.recovery.netlist_verilog import to_verilog
from htaflow.flows.recovery.register_matching import Correspondence, correspond
from htaflow.flows.tools.step import ToolRun
from htaflow.flows.tools.tools import find_tool
from htaflow.model.support.files import digest, write_atomic

_ECP5_UNPACKING = ToolRun(
    tool="ecpunpack",
    arguments=("--input", "top.bit", "--textcfg", "unpacked.config"),
    outputs=("unpacked.config",),
    log="ecpunpack.log",
)
_ICE40_UNPACKING = ToolRun(
    tool="iceunpack",
    arguments=("top.bin", "unpacked.asc"),
    outputs=("unpacked.asc",),
    log="iceunpack.log",
)
_LISTING = "icebox_vlog.log"
"""``icebox_vlog`` prints what it finds; its log is its output, below the line that started it."""


def recover_bitstream(
    bitstream: Path, board: Board, folder: Path, timeout: float | None = None
) -> str:
    """Return a bitstream's logic as Verilog, module ``board`` with the board's pins as ports.

    It is complete, but for a model of the PLL (``EHXPLLL``) if there is one, as in ``board.v``.

    Args:
        bitstream: what ``build`` made, ``top.bit`` or ``top.bin``.
        board: the board it is for.
        folder: where the tools run; what they read and wrote stays there.
        timeout: seconds that each may take; by default what the size of its work allows.

    Raises:
        BadInputError: something in it is not understood: a setting, a block such as a memory, a
            second driver of a wire.
        MissingToolError: a tool is absent.
        ToolError: it failed.
    """
    netlist = recover(bitstream, board, folder, timeout)
    header = [
        f"Recovered from the bitstream of an {board.family}: {len(netlist.tables)} tables,",
        f"{len(netlist.flip_flops)} flip-flops.",
    ]
    return to_verilog(netlist, "board", header)


def prove_bitstream(
    bitstream: Path, netlist: Path, board: Board, folder: Path, timeout: float | None = None
) -> Correspondence:
    """Return whether a bitstream does what its netlist (``netlist.v``) does, whatever comes in.

    The arguments, and what it raises, are as for :func:`recover_bitstream`; Yosys reads the
    netlist.
    """
    recovered = recover(bitstream, board, folder, timeout)
    return correspond(read_netlist(netlist, folder, timeout), recovered)


def reading_versions(board: Board) -> dict[str, str]:
    """Return the versions of the tools, with their tables, that read a bitstream of ``board``."""
    if board.family == "ecp5":
        return {"ecpunpack": find_tool("ecpunpack").version}
    listing = Path(find_tool("icebox_vlog").command[0])
    return {
        "iceunpack": find_tool("iceunpack").version,
        # It tells no version: which file it is says as much.
        "icebox_vlog": digest(listing.read_bytes())[:12] if listing.is_file() else "unknown",
    }


def recover(bitstream: Path, board: Board, folder: Path, timeout: float | None = None) -> Netlist:
    """Return the logic that :func:`recover_bitstream` writes as Verilog."""
    pins = {name: pin.at for name, pin in board.pins.items()}
    if board.family == "ecp5":
        write_atomic(folder / "top.bit", bitstream.read_bytes())
        _ECP5_UNPACKING.run(folder, timeout)
        configuration = (folder / "unpacked.config").read_text()
        return recover_netlist(configuration, pins, board.package)
    write_atomic(folder / "top.bin", bitstream.read_bytes())
    _ICE40_UNPACKING.run(folder, timeout)
    ports = "".join(f"set_io {name} {at}\n" for name, at in pins.items())
    listing = ToolRun(
        tool="icebox_vlog",
        arguments=("-l", "-d", board.package, "-p", "ports.pcf", "unpacked.asc"),
        outputs=(_LISTING,),
        log=_LISTING,
        files={"ports.pcf": ports},
    )
    listing.run(folder, timeout)
    return read_icebox((folder / _LISTING).read_text().splitlines()[1:]).simplified()
