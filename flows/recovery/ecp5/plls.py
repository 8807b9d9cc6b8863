"""The phase-locked loops of an ECP5, by their settings."""

from collections.abc import Iterable

from htaflow.flows.recovery.ecp5.routing import Read
from htaflow.flows.recovery.ecp5.trellis import Device, Wire
from htaflow.flows.recovery.ecp5.trellis_config import Tile
from htaflow.flows.recovery.netlist import PLL_IDLE, RecoveredPll
from htaflow.model.support.errors import BadInputError


def read_pll(
    tiles: Iterable[Tile], part: Device, output: Wire, lock: Wire, read: Read
) -> RecoveredPll:
    """Return the PLL with these outputs; ``read`` returns the net on a wire.

    Raises ``BadInputError`` if it is not in use, or not fed back from ``output``.
    """
    first, second = _tiles_of(tiles, part, output)
    if first.enum("MODE") != "EHXPLLL" or second.enum("CLKOP_ENABLE") != "ENABLED":
        raise BadInputError(f"tile {first.name}: its PLL is read and is not in use")
    place = output.row, output.column
    nets = {name: read(Wire(*place, f"J{name}_PLL")) for name in PLL_IDLE}
    nets |= {name: read(Wire(*place, f"{name}_PLL")) for name in ("CLKI", "CLKFB")}
    for name, net in nets.items():
        if net is None:
            raise BadInputError(f"tile {first.name}: nothing drives {name} of its PLL")
    return RecoveredPll(
        clock=str(nets["CLKI"]),
        output=str(read(output)),
        lock=str(read(lock)),
        reference=first.word("CLKI_DIV") + 1,
        feedback=first.word("CLKFB_DIV") + 1,
        divisor=second.word("CLKOP_DIV") + 1,
        phase=first.word("CLKOP_CPHASE"),
        fed_back=str(nets["CLKFB"]),
        idle=tuple(str(nets[name]) for name in PLL_IDLE),
    )


def _tiles_of(tiles: Iterable[Tile], part: Device, output: Wire) -> tuple[Tile, Tile]:
    """Return the two tiles that hold a PLL's settings."""
    tiles = list(tiles)
    for first in tiles:
        fixed = (source for sources in first.kind.fixed.values() for source in sources)
        wires = (part.wire(first.row, first.column, name) for name in fixed if "CLKOP_PLL" in name)
        if not first.kind_name.startswith("PLL0") or output not in wires:
            continue
        for second in tiles:
            beside = second.row == first.row and abs(second.column - first.column) == 1
            if beside and "CLKOP_DIV" in second.kind.words:
                return first, second
    raise BadInputError(f"{output} is read, and no tile has settings of its PLL")
