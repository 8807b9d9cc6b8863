"""What is in a board's finished bitstream: as Verilog, and whether it is the netlist.

A folder here has what reads those of a family (:mod:`.reader`). Only which port is at which pin
comes from the board's description; nothing is taken from the netlist or from nextpnr.
"""

from pathlib import Path

from htaflow.flows.boards.board import Board
from htaflow.flows.families import find_family
from htaflow.flows.recovery.netlist import Netlist
from htaflow.flows.recovery.netlist_cells import read_netlist
from htaflow.flows.recovery.netlist_verilog import to_verilog
from htaflow.flows.recovery.reader import BitstreamReader
from htaflow.flows.recovery.readers import READERS
from htaflow.flows.recovery.register_matching import Correspondence, correspond
from htaflow.model.support.errors import BadInputError


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
    """Return whether a bitstream does what its netlist (``netlist.v``) does, for all inputs.

    The arguments, and what it raises, are as for :func:`recover_bitstream`; Yosys reads the
    netlist.
    """
    recovered = recover(bitstream, board, folder, timeout)
    return correspond(read_netlist(netlist, folder, timeout), recovered)


def reading_versions(board: Board) -> dict[str, str]:
    """Return the versions of the tools, with their tables, that read a bitstream of ``board``."""
    return _reader(board).versions()


def closed_cells() -> str:
    """Return Verilog of the cells that stay closed in what :func:`recover_bitstream` returns."""
    return "".join(reader.models for reader in READERS.values())


def recover(bitstream: Path, board: Board, folder: Path, timeout: float | None = None) -> Netlist:
    """Return the logic that :func:`recover_bitstream` writes as Verilog."""
    pins = {name: pin.at for name, pin in board.pins.items()}
    return _reader(board).read(bitstream, pins, board.package, folder, timeout)


def _reader(board: Board) -> BitstreamReader:
    if board.family not in READERS:
        title = find_family(board.family).title
        raise BadInputError(f"board {board.name}: the bitstream of {title} cannot be read yet")
    return READERS[board.family]
