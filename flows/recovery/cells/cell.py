"""A cell of a netlist."""

from collections.abc import Mapping
from dataclasses import dataclass

from htaflow.flows.recovery.lookup_table import NetName
from htaflow.model.support.errors import BadInputError


@dataclass(frozen=True)
class Cell:
    """A cell: its name and kind, its parameters, and the net at each pin.

    Pins of several bits have names with an index, such as ``DI0``.
    """

    name: str
    kind: str
    parameters: Mapping[str, str]
    pins: Mapping[str, NetName]


class UnknownCellError(BadInputError):
    """The netlist has a cell that is not understood here."""
