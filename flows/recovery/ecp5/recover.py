"""The logic in a finished ECP5 bitstream, as Verilog.

``ecpunpack`` turns a bitstream into text (:mod:`.trellis_config`). From there on this
module goes backwards from the pins that are outputs: over the multiplexers that are set and the
connections that are always there to what drives a wire, and on from the inputs of that. Nothing is
taken from the netlist or from nextpnr's reports, only which pin each port is at, from the board.

What a slice does is in Lattice's data sheet of the family (FPGA-DS-02012) and in Yosys's simulation
models of its cells; what the settings are called, in Project Trellis. A setting that is not
understood is an error, also where no output depends on it.
"""

import re
from collections.abc import Iterable, Mapping

from htaflow.flows.recovery.ecp5.plls import read_pll
from htaflow.flows.recovery.ecp5.routing import LOGIC, SLICES, Routing, cell_of, is_pll, pad_of
from htaflow.flows.recovery.ecp5.slices import Slice
from htaflow.flows.recovery.ecp5.trellis import Site, Wire
from htaflow.flows.recovery.ecp5.trellis_config import Configuration, Tile, parse_configuration
from htaflow.flows.recovery.lookup_table import NetName
from htaflow.flows.recovery.netlist import Netlist
from htaflow.flows.recovery.netlist_verilog import to_verilog
from htaflow.model.support.errors import BadInputError

_SECOND_OF_PLL = (
    r"CLKO(P|S\d?)_DIV|CLKOP_ENABLE ENABLED|CLKOS\d?_(ENABLE|CPHASE)|CLKO(P|S)_TRIM_POL"
    r"|OUTDIVIDER_MUX\w DIV\w"
)
_KNOWN = {
    "slice": re.compile(
        r"SLICE[A-D]\.([A-DM][01]MUX|CEMUX|GSR|WREMUX|REG[01]\.(REGSET|SD)|CCU2\.INJECT1_[01]"
        r"|MODE (LOGIC|CCU2|DPRAM|RAMW)|REG[01]\.LSRMODE LSR|K[01]\.INIT)"
        r"|CLK[01]\.CLKMUX|LSR[01]\.(LSRMUX|SRMODE)"
    ),
    "constant": re.compile(r"CIB\.J\w+MUX"),
    # What a pin's buffer is like electrically; which way it goes is looked at elsewhere.
    "pin": re.compile(
        r"PIO[A-D]\.(BASE_TYPE|PULLMODE|DRIVE|SLEWRATE|CLAMP|HYSTERESIS|DIFFRESISTOR"
        r"|TERMINATION\w+|OPENDRAIN OFF)"
    ),
    # Beside a bank's voltage, its tile has what one of the PLLs lacks room for in its own.
    "bank": re.compile(r"BANK\.VCCIO|" + _SECOND_OF_PLL),
    "second of PLL": re.compile(_SECOND_OF_PLL),
    # Its filter is analogue.
    "PLL": re.compile(
        r"MODE EHXPLLL|CLK(I|FB)_DIV|CLKOP_CPHASE|CLKOS\d?_[CF]PHASE|INT_LOCK_STICKY|ICP_CURRENT"
        r"|LPF_\w+|KVCO|FREQ_LOCK_ACCURACY|MFG_\w+"
    ),
}
"""The settings that are understood, by what they are about; some only with one value.

The global set and reset (``GSR``) happens once, at the end of configuration: no setting that would
let the design cause it is understood.
"""

_SUBJECTS = {
    LOGIC: "slice",
    "CIB": "constant",
    "VCIB": "constant",
    "BANKREF": "bank",
    "PLL0": "PLL",
    "PLL1": "second of PLL",
}
"""What a tile's settings are about, by how its kind's name begins; of others, pins."""

_EMPTY = {
    "DSP_SPINE_UL1": "F2B0 F3B0 F5B0 F11B0 F13B0",
    "PVT_COUNT2": "F2B0 F3B0 F5B0 F11B0 F13B0",
    "LFE5U-85F PICB0": "F0B1",
    "LFE5U-85F PICB1": "F0B1",
}
"""By kind of tile, in one part or in all, the unknown bits that are set in every bitstream.

nextpnr sets them in a design without any logic, too.
"""

_PADS = {
    "PICL1": ("ABCD", -1, 0),
    "PICR1": ("ABCD", -1, 0),
    "PICB0": ("A", 0, 0),
    "PICB1": ("B", 0, -1),
    "PIOT0": ("A", 0, 0),
    "PIOT1": ("B", 0, -1),
}
"""The kinds of tiles that set up pins: which of them, and where those are from there."""


def recover_ecp5(configuration: str, pins: Mapping[str, str], package: str) -> str:
    """Return Verilog, module ``board``, of the logic that ``configuration`` makes.

    Args:
        configuration: what ``ecpunpack`` wrote.
        pins: for each port, its name in lower case, the pin it is at, such as ``{"clk": "G2"}``.
            Which ports are inputs and which outputs is read from the configuration.
        package: the one that has these pins, such as ``CABGA381``.

    Raises:
        BadInputError: the configuration uses something that is not understood (the message names
            tile and setting), two sources drive one wire, a wire that is read has no source, or the
            pins in use are not ``pins``.
        MissingToolError: the database of Project Trellis is not here.
    """
    netlist = recover_netlist(configuration, pins, package)
    header = [
        f"Recovered from the configuration of an ECP5: {len(netlist.tables)} tables,",
        f"{len(netlist.flip_flops)} flip-flops. R26C15_Q2: row 26, column 15, flip-flop 2.",
    ]
    return to_verilog(netlist, "board", header)


def recover_netlist(configuration: str, pins: Mapping[str, str], package: str) -> Netlist:
    """Return what :func:`recover_ecp5` writes as Verilog."""
    parsed = parse_configuration(configuration)
    check_settings(parsed)
    sites = {port: parsed.part.site(package, pin) for port, pin in pins.items()}
    netlist = _Recovery(parsed, sites).run().simplified()
    for pll in netlist.plls.values():
        if set(pll.idle) != {"0"}:
            raise BadInputError(f"the PLL that makes {pll.output} is stopped or shifted")
    return netlist


def check_settings(configuration: Configuration) -> None:
    """Raise ``BadInputError`` if there is a setting that this module does not understand."""
    for line in configuration.others:
        raise BadInputError(f"the configuration has a '{line}', which is not understood")
    for tile in configuration.tiles.values():
        known = _KNOWN[_subject(tile)]
        for name, value in [*tile.enums.items(), *tile.words.items()]:
            if not (known.fullmatch(name) or known.fullmatch(f"{name} {value}")):
                raise BadInputError(
                    f"tile {tile.name}: the setting {name} {value} is not understood"
                )
        kinds = (tile.kind_name, f"{configuration.part.name} {tile.kind_name}")
        empty = " ".join(_EMPTY.get(kind, "") for kind in kinds).split()
        for bit in tile.unknown:
            if bit not in empty:
                raise BadInputError(f"tile {tile.name}: the meaning of bit {bit} is not known")


def _subject(tile: Tile) -> str:
    """Return what a tile's settings are about."""
    for start, subject in _SUBJECTS.items():
        if tile.kind_name.startswith(start):
            return subject
    return "pin"


class _Recovery:
    """Goes from the outputs back to the inputs."""

    def __init__(self, configuration: Configuration, sites: Mapping[str, Site]) -> None:
        self._part = configuration.part
        self._tiles = configuration.tiles.values()
        self._routing = Routing(configuration)
        self._sites = sites
        self._ports = {site: port for port, site in sites.items()}
        self._directions = _directions(configuration.tiles.values())
        self._netlist = Netlist()
        self._waiting: list[Wire] = []
        self._met: set[Wire] = set()

    def run(self) -> Netlist:
        """Return the netlist, as it is in the part."""
        for site in self._directions:
            if site not in self._ports:
                raise BadInputError(f"a pin is in use that is none of the board's: {site}")
        for port, site in self._sites.items():
            direction = self._directions.get(site)
            if direction == "INPUT":
                self._netlist.inputs.append(port)
            elif direction == "OUTPUT":
                self._add_output(port, site)
            else:
                how = f"is {direction}" if direction else "is not in use"
                raise BadInputError(f"the pin of '{port}' {how}")
        while self._waiting:
            self._build(self._waiting.pop())
        return self._netlist

    def _add_output(self, port: str, site: Site) -> None:
        row, column, letter = site
        if self._read(Wire(row, column, f"PADDT{letter}_PIO")) != "0":
            raise BadInputError(f"the pin of '{port}' is not always driven: that is not understood")
        net = self._read(Wire(row, column, f"PADDO{letter}_PIO"))
        if net is None:
            raise BadInputError(f"nothing that is understood drives the pin of '{port}'")
        self._netlist.outputs[port] = net

    def _read(self, wire: Wire) -> NetName | None:
        """Return the net on ``wire``, whose cell is still to be built if it is new."""
        source = self._routing.source(wire)
        if not isinstance(source, Wire):
            return source
        letter = pad_of(source)
        if letter is not None:
            site = Site(source.row, source.column, letter)
            return self._ports[site] if self._directions.get(site) == "INPUT" else None
        if source not in self._met:
            self._met.add(source)
            self._waiting.append(source)
        return _name(source)

    def _add_pll(self, source: Wire) -> None:
        output, lock = (source._replace(name=f"J{name}_PLL") for name in ("CLKOP", "LOCK"))
        pll = read_pll(self._tiles, self._part, output, lock, self._read)
        if pll.fed_back != pll.output:
            raise BadInputError(f"the PLL that makes {output} is not fed back from it")
        self._netlist.plls |= {pll.output: pll, pll.lock: pll}

    def _build(self, source: Wire) -> None:
        """Add the cell that drives ``source``."""
        if is_pll(source):
            self._add_pll(source)
            return
        output, which = cell_of(source)
        half = int(which) if which.isdecimal() else 0
        letter = SLICES[half // 2] if which.isdecimal() else which
        slice_ = Slice(self._routing.logic_tile(source), letter, self._read)
        net = _name(source)
        if output == "Q":
            self._netlist.flip_flops[net] = slice_.flip_flop(half % 2)
        elif output == "F" and slice_.mode == "DPRAM":
            self._netlist.memories[net] = slice_.memory(half % 2)
        elif output.startswith("W"):
            self._netlist.tables[net] = slice_.handed_on(output)
        elif output == "F":
            self._netlist.tables[net] = slice_.table(half % 2)
        elif output in ("FCM", "FCO"):
            self._netlist.tables[net] = slice_.carry(int(output == "FCO"))
        else:
            self._netlist.tables[net] = slice_.multiplexer(output)


def _name(source: Wire) -> NetName:
    return f"R{source.row}C{source.column}_{source.name.removesuffix('_SLICE')}"


def _directions(tiles: Iterable[Tile]) -> dict[Site, str]:
    """Return which way each pin in use goes: ``INPUT``, ``OUTPUT`` or ``BIDIR``."""
    result = {}
    for tile in tiles:
        for kind, (letters, down, right) in _PADS.items():
            if kind not in tile.kind_name:
                continue
            for letter in letters:
                base = tile.enums.get(f"PIO{letter}.BASE_TYPE", "NONE")
                if base != "NONE":
                    site = Site(tile.row + down, tile.column + right, letter)
                    result[site] = base.partition("_")[0]
    return result
