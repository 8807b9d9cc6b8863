"""What is connected with what in a configured ECP5."""

import re
from collections.abc import Callable

from htaflow.flows.recovery.ecp5.trellis import Wire
from htaflow.flows.recovery.ecp5.trellis_config import Configuration, Tile
from htaflow.flows.recovery.lookup_table import NetName
from htaflow.model.support.errors import BadInputError

LOGIC = "PLC2"
"""The kind of tile that holds four slices."""

SLICES = "ABCD"

Read = Callable[[Wire], NetName | None]
"""Returns the net on a wire, ``None`` if nothing drives it."""

_CELL = re.compile(r"(F|Q|F5|FX|FCO|FCM|W[AD]*O[0-3])([0-7]|[A-D]?)_SLICE")
_PAD = re.compile(r"JPADDI([A-D])_PIO")
# What 0 means for the others (CE, CLK, LSR), the database does not say clearly.
_CONSTANT = re.compile(r"CIB\.(J[A-D][0-7])MUX")
_PLL = re.compile(r"J(CLKOP|LOCK)_PLL")
_CLOCK_BUFFER = re.compile(r"G_CLKO_([LRTB]DCC\d+)")


class Routing:
    """The multiplexers that are set, and the connections that are always there."""

    def __init__(self, configuration: Configuration) -> None:
        self._part = configuration.part
        self._logic = {
            (tile.row, tile.column): tile
            for tile in configuration.tiles.values()
            if tile.kind_name == LOGIC
        }
        self._constants: dict[Wire, NetName] = {}
        self._arcs: dict[Wire, Wire] = {}
        for tile in configuration.tiles.values():
            self._add_constants(tile)
            self._add_arcs(tile)

    def _add_constants(self, tile: Tile) -> None:
        for name, value in tile.enums.items():
            constant = _CONSTANT.fullmatch(name)
            if constant and value in ("0", "1"):
                self._constants[Wire(tile.row, tile.column, constant[1])] = value

    def _add_arcs(self, tile: Tile) -> None:
        for sink, source in tile.arcs:
            # In a carry chain the bit that would feed the slice's multiplexer to F has another use.
            if tile.kind_name == LOGIC and re.fullmatch(r"F[0-7]", sink):
                letter = SLICES[int(sink[1]) // 2]
                if tile.enum(f"SLICE{letter}.MODE") == "CCU2":
                    continue
            to = self._part.wire(tile.row, tile.column, sink)
            start = self._part.wire(tile.row, tile.column, source)
            if to is None or start is None:
                continue  # of a part of another size
            if self._arcs.setdefault(to, start) != start:
                raise BadInputError(
                    f"tile {tile.name}: both {self._arcs[to]} and {start} drive {to}"
                )

    def logic_tile(self, wire: Wire) -> Tile:
        """Return the tile of slices that ``wire`` is in, whether or not anything is set there."""
        where = (wire.row, wire.column)
        if where not in self._logic:
            name = f"R{wire.row}C{wire.column}:{LOGIC}"
            self._logic[where] = Tile(name, *where, LOGIC, self._part.kinds[LOGIC])
        return self._logic[where]

    def source(self, wire: Wire) -> Wire | NetName | None:
        """Return what drives ``wire``: a cell's output or a constant, ``None`` for nothing.

        Where IO logic, memories or multipliers could drive it, nothing does: they are not in use.
        Raises ``BadInputError`` if two sources drive it.
        """
        found: set[Wire | NetName] = set()
        seen, stack = {wire}, [wire]
        while stack:
            here = stack.pop()
            cell = _CELL.fullmatch(here.name)
            if here in self._constants:
                found.add(self._constants[here])
            elif cell or _PAD.fullmatch(here.name) or _PLL.fullmatch(here.name):
                # The carry of a slice that is in no chain is what its neighbour's begins with.
                if not cell or cell[1] not in ("FCO", "FCM") or self._in_chain(here):
                    found.add(here)
            else:
                before = set(self._before(here)) - seen
                seen |= before
                stack += before
        if len(found) > 1:
            raise BadInputError(f"{wire} is driven by all of {', '.join(sorted(map(str, found)))}")
        return found.pop() if found else None

    def _before(self, wire: Wire) -> list[Wire]:
        if wire in self._arcs:
            return [self._arcs[wire]]
        if buffer := _CLOCK_BUFFER.fullmatch(wire.name):
            return [Wire(0, 0, f"G_CLKI_{buffer[1]}")]
        return list(self._part.free_sources(wire))

    def _in_chain(self, carry: Wire) -> bool:
        letter = carry.name.removesuffix("_SLICE")[3:] or "D"
        return self.logic_tile(carry).enum(f"SLICE{letter}.MODE") == "CCU2"


def cell_of(source: Wire) -> tuple[str, str]:
    """Return which output of a slice ``source`` is, and of which slice or half slice."""
    found = _CELL.fullmatch(source.name)
    assert found is not None
    return found[1], found[2] or "D"


def is_pll(source: Wire) -> bool:
    """Whether ``source`` is an output of a phase-locked loop."""
    return _PLL.fullmatch(source.name) is not None


def pad_of(source: Wire) -> str | None:
    """Return the letter of the pin whose buffer drives ``source``, ``None`` if a slice does."""
    found = _PAD.fullmatch(source.name)
    return found[1] if found else None
