"""What is in a board's finished bitstream: as Verilog, and whether it is the netlist.

For the ECP5; the bitstream of an iCE40 is read by Project IceStorm's own tools.
"""

from pathlib import Path

from htaflow.flows.board import Board
from htaflow.flows.correspond import Correspondence, correspond
from htaflow.flows.netlist_cells import read_netlist
from htaflow.flows.recover import recover_ecp5, recover_netlist
from htaflow.flows.step import Step
from htaflow.model.errors import BadInputError
from htaflow.model.files import write_atomic

TIMEOUT = 300.0
"""Seconds that each tool may take."""

_UNPACKING = Step(
    tool="ecpunpack",
    arguments=("--input", "top.bit", "--textcfg", "unpacked.config"),
    outputs=("unpacked.config",),
    log="ecpunpack.log",
)


def recover_bitstream(bitstream: Path, board: Board, folder: Path, timeout: float = TIMEOUT) -> str:
    """Return a bitstream's logic as Verilog, module ``board`` with the board's pins as ports.

    It is complete, but for a model of the PLL (``EHXPLLL``) if there is one, as in ``board.v``.

    Args:
        bitstream: what ``build`` made, ``top.bit``.
        board: the board it is for.
        folder: where ``ecpunpack`` runs; what it read and wrote stays there.
        timeout: seconds it may take.

    Raises:
        BadInputError: see :func:`htaflow.flows.recover.recover_ecp5`; or the board has no ECP5.
        MissingToolError: ``ecpunpack`` is absent.
        ToolError: it failed.
    """
    configuration = _unpack(bitstream, board, folder, timeout)
    return recover_ecp5(configuration, _pins(board), board.package)


def prove_bitstream(
    bitstream: Path, netlist: Path, board: Board, folder: Path, timeout: float = TIMEOUT
) -> Correspondence:
    """Return whether a bitstream does what its netlist (``netlist.v``) does, whatever comes in.

    The arguments, and what it raises, are as for :func:`recover_bitstream`; Yosys reads the
    netlist.
    """
    configuration = _unpack(bitstream, board, folder, timeout)
    recovered = recover_netlist(configuration, _pins(board), board.package)
    return correspond(read_netlist(netlist, folder, timeout), recovered)


def _unpack(bitstream: Path, board: Board, folder: Path, timeout: float) -> str:
    if board.family != "ecp5":
        raise BadInputError(
            f"{board.name}: this reads the bitstream of an ECP5, not {board.family}"
        )
    write_atomic(folder / "top.bit", bitstream.read_bytes())
    _UNPACKING.run(folder, timeout)
    return (folder / "unpacked.config").read_text()


def _pins(board: Board) -> dict[str, str]:
    return {name: pin.at for name, pin in board.pins.items()}
