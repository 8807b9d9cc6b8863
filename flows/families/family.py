"""What is to be known of a chip family: a value of :class:`Family`, in the family's own module."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple


@dataclass(frozen=True)
class Pin:
    """One pin of a board: where ``at`` on the package, and what is special about it."""

    at: str
    active: Literal["high", "low"] | None = None
    pull: Literal["up", "down"] | None = None
    value: int | None = None


class LookupCell(NamedTuple):
    """A look-up table: the parameter that is the table, inputs (low bit first), output.

    :mod:`htaflow.hw.logic.target` says the same of the cells that it writes. A proof does not
    believe it, and so it is said here again.
    """

    parameter: str
    inputs: tuple[str, ...]
    output: str


@dataclass(frozen=True)
class PlaceAndRoute:
    """How a family's designs are placed, routed and packed by nextpnr and its packer.

    Attributes:
        tool: nextpnr's name for the family.
        logic_cells: look-up tables that nextpnr places on a device, by its name; there is a
            flip-flop for each.
        cells: nextpnr's name of each resource.
        constraints: of pins named in a mapping, the oscillator's MHz and the voltage standard.
        constraints_file, constraints_option: where they go.
        routed, routed_option: the routed design.
        packer, packing: the packer and its arguments.
        bitstream: the file that it writes.
        routed_ending, bitstream_ending: patterns of the last bytes of these files.
        global_clock: nextpnr's name of a clock that a global net carries; the group is the name
            that it had before.
        clock_pad: what nextpnr adds to a clock's name behind its pin.
        unhurried: the router of a design that has time: it runs at the oscillator's clock.
        short_wires: options with which router1 gets more of such a design routed.
        needed: fields that a board of the family must have.
        pulls: which way a pin can be pulled.
        has_pll: whether :mod:`htaflow.hw.board.pll` makes other clocks.
        more_resources: what only the log tells of what is used, given what the report says.
    """

    tool: str
    logic_cells: Mapping[str, int]
    cells: Mapping[str, str]
    constraints: Callable[[Mapping[str, Pin], float, str | None], list[str]]
    constraints_file: str
    constraints_option: str
    routed: str
    routed_option: str
    packer: str
    packing: tuple[str, ...]
    bitstream: str
    routed_ending: bytes
    bitstream_ending: bytes
    global_clock: str
    clock_pad: str
    unhurried: str = "router1"
    short_wires: tuple[str, ...] = ()
    needed: tuple[str, ...] = ()
    pulls: tuple[str, ...] = ("up", "down")
    has_pll: bool = False
    more_resources: Callable[[str, Mapping[str, Any]], dict[str, Any]] = lambda log, found: {}


@dataclass(frozen=True)
class Family:
    """A chip family.

    Attributes:
        name: what Yosys, nextpnr and ``--family`` call it.
        title: what people call one of its chips, with the article.
        synthesis: Yosys's command.
        speed_options: more options of it for nextpnr's name of a device.
        no_pads: options of it that leave out the pads of a core.
        carry: the cell of a carry chain.
        lookups: the look-up tables that logic is stated in, by their cells' names; None if it is
            not stated in the family's cells yet.
        closed_models: Yosys's file of cells that proofs do not look into, such as a PLL.
        place_and_route: None if htaflow makes no bitstreams for it yet.
    """

    name: str
    title: str
    synthesis: str
    carry: str
    speed_options: Callable[[str], str] = lambda device: ""
    no_pads: str = ""
    lookups: Mapping[str, LookupCell] | None = None
    closed_models: str = ""
    place_and_route: PlaceAndRoute | None = None

    @property
    def chip(self) -> str:
        """What people call one of its chips, without the article."""
        return self.title.partition(" ")[2]
