"""The configuration of an ECP5 as text: what ``ecpunpack`` finds in a bitstream.

It lists, tile by tile, which source each multiplexer has (``arc``), the settings that are numbers
(``word``) and those that are names (``enum``), and the bits that the database does not know
(``unknown``). Settings at their default are left out.
"""

import re
from dataclasses import dataclass, field

from htaflow.flows.recovery.ecp5.trellis import Device, Kind, load_part, place
from htaflow.model.support.errors import BadInputError


@dataclass
class Tile:
    """The settings of one tile; ``kind`` has their defaults."""

    name: str
    row: int
    column: int
    kind_name: str
    kind: Kind
    arcs: list[tuple[str, str]] = field(default_factory=list)
    words: dict[str, str] = field(default_factory=dict)
    enums: dict[str, str] = field(default_factory=dict)
    unknown: list[str] = field(default_factory=list)

    def enum(self, name: str) -> str | None:
        """Return the value of a setting, its default if it is not set."""
        return self.enums.get(name, self.kind.enums.get(name))

    def word(self, name: str) -> int:
        """Return the value of a number, its default if it is not set."""
        return int(self.words.get(name) or self.kind.words[name], 2)


@dataclass
class Configuration:
    """A part and its tiles. ``others`` are the sections that are no tiles: memories' contents."""

    part: Device
    tiles: dict[str, Tile] = field(default_factory=dict)
    others: list[str] = field(default_factory=list)


def parse_configuration(text: str) -> Configuration:
    """Return the configuration that ``text`` describes.

    Raises ``BadInputError``, which names tile and setting, for one that the part has not.
    """
    lines = text.splitlines()
    device = next((line.split()[1] for line in lines if re.match(r"\.device \S", line)), None)
    if device is None:
        raise BadInputError("this is no configuration of an ECP5: it names no device")
    result = Configuration(load_part(device))
    tile: Tile | None = None
    for line in lines:
        first, *rest = line.split()[:3] or [""]
        if not first:
            continue
        if first.startswith("."):
            tile = None
            if first == ".tile":
                tile = _open_tile(result.part, line)
                if tile.name in result.tiles:
                    raise BadInputError(f"tile {tile.name}: it is there twice")
                result.tiles[tile.name] = tile
            elif first not in (".device", ".comment", ".sysconfig"):
                result.others.append(line)
        elif tile is not None:
            _set(tile, first, rest, line)
        elif not result.others:
            raise BadInputError(f"the configuration of an ECP5 has a line of no tile: '{line}'")
    return result


def _open_tile(part: Device, line: str) -> Tile:
    name = line.split(maxsplit=1)[1].strip()
    kind = part.tiles.get(name)
    if kind is None:
        raise BadInputError(f"tile {name}: the {part.name} has no such tile")
    return Tile(name, *place(name), kind, part.kinds[kind])


def _set(tile: Tile, first: str, rest: list[str], line: str) -> None:
    """Add one line to its tile."""
    kind = tile.kind
    if first == "unknown:" and len(rest) == 1:
        tile.unknown.append(rest[0])
        return
    if first not in ("arc:", "word:", "enum:") or len(rest) != 2:
        raise BadInputError(f"tile {tile.name}: this line says nothing known: '{line}'")
    name, value = rest
    if first == "arc:":
        if value not in kind.muxes.get(name, ()):
            raise BadInputError(f"tile {tile.name}: nothing can lead from {value} to {name} there")
        tile.arcs.append((name, value))
    elif first == "word:":
        default = kind.words.get(name)
        if default is None or len(value) != len(default) or set(value) - set("01"):
            raise BadInputError(f"tile {tile.name}: there is no setting {name} {value}")
        tile.words[name] = value
    else:
        if value not in kind.options.get(name, ()):
            raise BadInputError(f"tile {tile.name}: there is no setting {name} {value}")
        tile.enums[name] = value
