"""A module as Yosys's ``write_json`` describes it: its ports, cells and nets."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

Wire = int | str
"""A wire's number, or a constant: ``"0"``, ``"1"``, ``"x"`` or ``"z"``."""


@dataclass(frozen=True)
class YosysCell:
    """A cell.

    Attributes:
        name, kind: the cell's.
        parameters: in binary, or text.
        pins: what each is connected to, low bit first.
        directions: of the pins, ``"input"`` or ``"output"``; empty for an unknown kind.
    """

    name: str
    kind: str
    parameters: Mapping[str, str]
    pins: Mapping[str, list[Wire]]
    directions: Mapping[str, str]


@dataclass(frozen=True)
class YosysModule:
    """A module.

    Attributes:
        inputs, outputs: its ports, the low bit of each first.
        cells: in Yosys's order.
        nets: the bits of each named net, low bit first.
        starts: what wires start as, those of which that is said.
    """

    inputs: Mapping[str, list[Wire]]
    outputs: Mapping[str, list[Wire]]
    cells: list[YosysCell]
    nets: Mapping[str, list[Wire]]
    starts: Mapping[Wire, int]

    @classmethod
    def of(cls, design: Mapping[str, Any], name: str) -> "YosysModule":
        """Return module ``name`` of ``design``, a whole JSON file."""
        module = design["modules"][name]
        nets = module.get("netnames", {})
        return cls(
            _ports(module, "input"),
            _ports(module, "output"),
            [_cell(name, cell) for name, cell in module["cells"].items()],
            {name: net["bits"] for name, net in nets.items()},
            _starts(nets),
        )


def _ports(module: Mapping[str, Any], direction: str) -> dict[str, list[Wire]]:
    return {
        name: port["bits"]
        for name, port in module["ports"].items()
        if port["direction"] == direction
    }


def _cell(name: str, cell: Mapping[str, Any]) -> YosysCell:
    parameters = {key: str(value) for key, value in cell["parameters"].items()}
    directions = cell.get("port_directions", {})
    return YosysCell(name, str(cell["type"]), parameters, cell["connections"], directions)


def _starts(nets: Mapping[str, Any]) -> dict[Wire, int]:
    """Return the initial values that attributes of nets give, those that are 0 or 1."""
    found: dict[Wire, int] = {}
    for net in nets.values():
        word = str(net["attributes"].get("init", ""))
        for wire, value in zip(net["bits"], reversed(word), strict=False):
            if value in "01":
                found[wire] = int(value)
    return found
