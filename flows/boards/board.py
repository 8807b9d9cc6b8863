"""Boards as data: one TOML file each, and the pin constraints made from it.

A board needs the fields of :class:`Board` and a table of :class:`Pin`. ``clk``, ``rx`` and ``tx``
must be there; ``reset`` (a button), ``heartbeat`` and ``activity`` (lights) are used if they are;
any other pin is an output held at its ``value``.
"""

import math
import re
import tomllib
from collections.abc import Mapping
from dataclasses import MISSING, dataclass, fields, replace
from importlib import resources
from pathlib import Path
from typing import Any

from htaflow.flows.families import BUILT, FAMILIES, Family, Pin, place_and_route
from htaflow.hw.board.pll import PllSettings, find_settings
from htaflow.hw.board.top import BoardPins, divisor
from htaflow.model.run_directory import FAILED, SLOW
from htaflow.model.support.errors import BadInputError, abbreviate, did_you_mean

_REQUIRED = ("clk", "rx", "tx")
_LEVELS = ("reset", "heartbeat", "activity")
_MAX_MHZ = 10_000
_LAYER_NS = 3.0
_TABLE_NS = 1.0
_LONGEST = 1 << 16  # characters of a file
_LONGEST_TITLE = 100
_MOST_WRONG = 40  # problems named at once
_WORD = r"[A-Za-z0-9][A-Za-z0-9_.-]{0,59}"
"""What a field may hold: it becomes part of a command or a file for a tool."""


@dataclass(frozen=True)
class Board:
    """A board.

    ``device`` and ``package`` are nextpnr's names (its options ``--DEVICE`` and ``--package``),
    ``speed`` its speed grade, ``io_standard`` the electrical standard of all pins, both for ECP5
    only. ``oscillator_mhz`` is what feeds ``clk``. The design runs at :attr:`clock_mhz`: that, or
    what ``pll`` makes from it, which is no part of a file but comes from :meth:`with_clock`.
    """

    name: str
    title: str
    family: str
    device: str
    package: str
    oscillator_mhz: float
    baud: int
    pins: Mapping[str, Pin]
    speed: int | None = None
    io_standard: str | None = None
    pll: PllSettings | None = None

    @property
    def oscillator_hz(self) -> int:
        """The oscillator's frequency in Hz."""
        return round(self.oscillator_mhz * 1e6)

    @property
    def clock_hz(self) -> int:
        """The frequency in Hz at which the design runs."""
        return round(self.pll.output_hz) if self.pll else self.oscillator_hz

    @property
    def clock_mhz(self) -> float:
        """The frequency in MHz at which the design runs."""
        return self.clock_hz / 1e6

    @property
    def logic_cells(self) -> int | None:
        """How many look-up tables, and how many flip-flops, the device has; ``None`` if unknown."""
        return place_and_route(self.family).logic_cells.get(self.device)

    @property
    def depth(self) -> float | None:
        """About how many look-up tables, one after another, the clock leaves time for.

        ``None``, any number, for the oscillator: no board's is fast. What a table takes with the
        wire to it, and what a wire between layers takes, was measured with nextpnr.
        """
        if self.pll is None:
            return None
        return max(2.0, round((1000 / self.clock_mhz - _LAYER_NS) / _TABLE_NS, 1))

    def with_clock(self, mhz: float | None) -> "Board":
        """Return the board with its design running at ``mhz``; ``None`` for the oscillator's.

        Raises ``BadInputError`` if the board cannot make it, or no baud rate from it.
        """
        if mhz is None or mhz == self.oscillator_mhz:
            return replace(self, pll=None)
        if not (math.isfinite(mhz) and 0 < mhz < _MAX_MHZ):
            raise BadInputError(f"--clock: {mhz:g} MHz is no frequency that a board can run at")
        if not place_and_route(self.family).has_pll:
            raise BadInputError(
                f"{self.name}: htaflow has no PLL for {FAMILIES[self.family].title} yet; leave out "
                f"--clock, and the design runs at the oscillator's {self.oscillator_mhz:g} MHz"
            )
        try:
            board = replace(self, pll=find_settings(self.oscillator_hz, round(mhz * 1e6)))
            divisor(board.clock_hz, board.baud)
        except ValueError as error:
            raise BadInputError(f"{self.name}: --clock {mhz:g}: {error}") from None
        except BadInputError as error:
            raise BadInputError(f"{self.name}: --clock: {error}") from None
        return board

    @property
    def top_pins(self) -> BoardPins:
        """The pins as :class:`htaflow.hw.board.top.BoardTop` takes them."""
        levels = {name: self.pins[name].active for name in _LEVELS if name in self.pins}
        constants = {
            name: int(pin.value) for name, pin in self.pins.items() if pin.value is not None
        }
        return BoardPins(**levels, constants=constants)

    @property
    def reset_level(self) -> int | None:
        """The level at which the reset button is pressed, ``None`` if there is none."""
        return int(self.pins["reset"].active == "high") if "reset" in self.pins else None

    @property
    def constraints(self) -> str:
        """The pin constraints for nextpnr, in the family's own language."""
        names = place_and_route(self.family)
        lines = names.constraints(self.pins, self.oscillator_mhz, self.io_standard)
        return "".join(f"{line}\n" for line in lines)


def known_boards() -> list[str]:
    """Return the names of the boards that come with htaflow, sorted."""
    folder = resources.files("htaflow.flows.boards")
    return sorted(
        entry.name.removesuffix(".toml")
        for entry in folder.iterdir()
        if entry.name.endswith(".toml")
    )


def load_board(name: str) -> Board:
    """Return the board called ``name``, or the one in the file ``name`` if that ends in .toml.

    Raises ``BadInputError`` for an unknown name (with the nearest one) and for a file that is no
    good description of a board (with everything wrong in it).
    """
    if name.endswith(".toml"):
        try:
            with Path(name).open(encoding="utf-8") as file:
                text = file.read(_LONGEST + 1)
        except (OSError, UnicodeDecodeError) as error:
            raise BadInputError(f"{name}: it cannot be read: {error}") from None
        if len(text) > _LONGEST:
            raise BadInputError(f"{name}: it has more than {_LONGEST} characters; it is no board")
        return parse_board(text, name)
    if name not in known_boards():
        raise BadInputError(
            f"there is no board '{name}'{did_you_mean(name, known_boards())} "
            "(or describe one of your own in a .toml file)"
        )
    known = resources.files("htaflow.flows.boards") / f"{name}.toml"
    return parse_board(known.read_text(encoding="utf-8"), name)


def parse_board(text: str, where: str) -> Board:
    """Return the board that TOML ``text`` describes; ``where`` names it in a ``BadInputError``."""
    try:
        table = tomllib.loads(text)
    # Python raises a plain ValueError for a number of thousands of digits, and RecursionError for
    # thousands of lists in one another.
    except (ValueError, RecursionError) as error:
        raise BadInputError(
            f"{where}: it is no TOML: {abbreviate(str(error), 200)[1:-1]}"
        ) from None
    wrong = _problems(table)
    if not wrong:
        pins = {name: Pin(**pin) for name, pin in table["pins"].items()}
        board = Board(**{**table, "pins": pins})
        try:
            divisor(board.clock_hz, board.baud)
        except ValueError as error:
            wrong = [f"baud: {error}"]
        else:
            return board
    more = [f"and {len(wrong) - _MOST_WRONG} more"] if len(wrong) > _MOST_WRONG else []
    lines = [f"{where}: it describes no board", *wrong[:_MOST_WRONG], *more]
    raise BadInputError("\n  ".join(lines))


def _problems(table: dict[str, Any]) -> list[str]:
    """Return everything wrong with a board's table, each with what to do."""
    known = {field.name: field for field in fields(Board) if field.name != "pll"}
    wrong = [
        f"{abbreviate(name)[1:-1]}: no such field{did_you_mean(name, known)}"
        for name in table
        if name not in known
    ]
    wrong += [
        f"{name}: it is missing"
        for name, field in known.items()
        if name not in table and field.default is MISSING
    ]
    for name in ("name", "device", "package", "io_standard"):
        value = table.get(name)
        if name in table and not (isinstance(value, str) and re.fullmatch(_WORD, value)):
            wrong.append(f"{name}: {abbreviate(value)} is not letters, digits, '_', '.' and '-'")
    if str(table.get("name")).endswith((FAILED, SLOW)):
        wrong.append(f"name: {abbreviate(table['name'])} ends like a folder of htaflow's own")
    title = table.get("title", "")
    if not isinstance(title, str):
        wrong.append(f"title: {abbreviate(title)} is no text")
    elif not title.isprintable() or len(title) > _LONGEST_TITLE:
        # It stands in a comment of the Verilog, which a line's end would end.
        wrong.append(
            f"title: {abbreviate(title)} is no line of at most {_LONGEST_TITLE} characters"
        )
    family = table.get("family")
    chip = FAMILIES[family] if isinstance(family, str) and family in BUILT else None
    if "family" in table and chip is None:
        wrong.append(f"family: {abbreviate(family)} is not one of {', '.join(BUILT)}")
    numbers: dict[str, type | tuple[type, ...]] = {
        "oscillator_mhz": (int, float),
        "baud": int,
        "speed": int,
    }
    for name, kinds in numbers.items():
        value = table.get(name, 0)
        number = isinstance(value, kinds) and not isinstance(value, bool)
        if name in table and not (number and 0 < value < 1e9):
            wrong.append(f"{name}: {abbreviate(value)} is no number above 0")
    if chip is not None:
        needed = place_and_route(chip.name).needed
        wrong += [f"{name}: {chip.title} needs it" for name in needed if name not in table]
    if "pins" in table:
        wrong += _pin_problems(table["pins"], chip)
    return wrong


def _pin_problems(pins: object, family: Family | None) -> list[str]:
    """Return everything wrong with a board's pins."""
    if not isinstance(pins, dict):
        return ["pins: it is no table"]
    wrong = [f"pins.{name}: it is missing" for name in _REQUIRED if name not in pins]
    used: dict[str, str] = {}
    choices = {"active": ("high", "low"), "pull": ("up", "down"), "value": (0, 1)}
    for name, pin in pins.items():
        where = f"pins.{abbreviate(name)[1:-1]}"
        if not re.fullmatch(r"[a-z][a-z0-9_]{0,39}", name):
            wrong.append(f"{where}: use a lower-case letter, then at most 39 letters, digits or _")
        at = pin.get("at") if isinstance(pin, dict) else None
        if not isinstance(at, str) or not re.fullmatch(r"[A-Z0-9]{1,20}", at):
            wrong.append(f'{where}: say where it is, such as {{ at = "B2" }}')
            continue
        for key, value in pin.items():
            if key != "at" and key not in choices:
                near = did_you_mean(key, ["at", *choices])
                wrong.append(f"{where}: no such field {abbreviate(key)}{near}")
            elif key != "at" and value not in choices[key]:
                wrong.append(f"{where}: {key} is {abbreviate(value)}, not one of {choices[key]}")
        if name in _LEVELS and "active" not in pin:
            wrong.append(f'{where}: say active = "high" or "low"')
        if name not in (*_REQUIRED, *_LEVELS) and "value" not in pin:
            wrong.append(f"{where}: say which value it is held at, 0 or 1")
        if name in (*_REQUIRED, *_LEVELS) and "value" in pin:
            wrong.append(f"{where}: it has a use and cannot be held at a value")
        pull = pin.get("pull")
        if family and pull in choices["pull"] and pull not in place_and_route(family.name).pulls:
            wrong.append(f"{where}: {family.title} has no pull-{pull}")
        if at in used:
            wrong.append(f"{where}: {at} is also {used[at]}")
        used[at] = name
    return wrong
