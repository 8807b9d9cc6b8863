"""What the slices of an ECP5 do, by their settings.

A slice has two look-up tables (F0, F1), a multiplexer of the two (F5, chosen by M0), one of two
others (FX, chosen by M1) and two flip-flops (Q0, Q1). Of a tile's eight tables, number ``n`` is in
slice ``n // 2``, and so for the flip-flops and for the wires A, B, C, D and M. In a carry chain the
tables make the sum, and the carry goes through both.
"""

from collections.abc import Sequence

from htaflow.flows.recovery.ecp5.routing import SLICES, Read
from htaflow.flows.recovery.ecp5.trellis import Wire
from htaflow.flows.recovery.ecp5.trellis_config import Tile
from htaflow.flows.recovery.lookup_table import LookupTable, NetName, simplify
from htaflow.flows.recovery.netlist import Control, FlipFlop, Memory
from htaflow.model.support.errors import BadInputError

_CHOOSE = 0b11001010
"""The table of inputs 0, 1 and choice: input 1 where the choice is 1."""

_HANDED_ON = {
    "WADO0": "D0",
    "WADO1": "B0",
    "WADO2": "C0",
    "WADO3": "A0",
    "WDO0": "C1",
    "WDO1": "A1",
    "WDO2": "D1",
    "WDO3": "B1",
}
"""Which input of a slice in mode ``RAMW`` comes out where."""


class Slice:
    """One slice of ``tile``; ``read`` returns what its inputs are connected with.

    ``mode`` is LOGIC, CCU2 (a carry chain), DPRAM (two memories) or RAMW (what writes those).
    """

    def __init__(self, tile: Tile, letter: str, read: Read) -> None:
        self._tile = tile
        self._letter = letter
        self._read = read
        self._index = SLICES.index(letter)
        self.mode = self._enum("MODE")

    def table(self, half: int) -> LookupTable:
        """Return what output F of look-up table ``half`` (0 or 1) is."""
        if self.mode not in ("LOGIC", "CCU2"):
            raise BadInputError(f"{self._name(f'F{half}')}: it is read as logic in {self.mode}")
        function = self._function(half)
        inputs = [self._input(f"{pin}{half}") for pin in "ABCD"]
        if self.mode == "CCU2":
            inputs.append(self._carry_in(half))
            if self._injects(half):
                function |= function << 16
            else:
                function |= (function ^ 0xFFFF) << 16
        return self._complete(inputs, function, f"F{half}")

    def memory(self, half: int) -> Memory:
        """Return look-up table ``half`` as the memory that it is in mode ``DPRAM``.

        It is read like any table, and written at the address on WAD: WAD0 takes the place of D,
        WAD1 of B, WAD2 of C and WAD3 of A.
        """
        read = [self._input(f"{pin}{half}") for pin in "ABCD"]
        write = [self._wire(f"WAD{bit}{self._letter}_SLICE") for bit in (3, 1, 2, 0)]
        clock = self._wire(f"WCK{self._index}_SLICE")
        # The two slices of a tile that are memories are written together.
        setting = self._tile.enum("SLICEA.WREMUX")
        enable = setting if setting in ("0", "1") else self._wire(f"WRE{self._index}_SLICE")
        data = self._wire(f"WD{half}{self._letter}_SLICE")
        nets = [net for net in (*read, *write, clock, enable, data) if net is not None]
        if len(nets) < 11:
            raise BadInputError(f"{self._name('DPRAM')}: nothing drives one of its inputs")
        falling = self._tile.enum("CLK1.CLKMUX") == "INV"
        return Memory(
            read=tuple(nets[:4]),
            write=tuple(nets[4:8]),
            data=nets[10],
            control=Control(nets[8], falling, nets[9], enable_low=setting == "INV"),
            value=self._function(half),
        )

    def handed_on(self, output: str) -> LookupTable:
        """Return what a slice in mode ``RAMW`` gives the memories beside it."""
        pin = _HANDED_ON[output]
        if self.mode != "RAMW":
            raise BadInputError(f"{self._name('MODE')}: it is read as RAMW and is {self.mode}")
        return self._complete([self._input(pin)], 0b10, output)

    def carry(self, half: int) -> LookupTable:
        """Return the carry out of look-up table ``half``.

        It is what comes in where the table is 1, else what the table would be with C = D = 0, or 0
        if the setting ``INJECT1`` says so.
        """
        function = self._function(half)
        made = 0 if self._injects(half) else (function & 0xF) * 0x1111 & ~function
        inputs = [self._input(f"{pin}{half}") for pin in "ABCD"]
        inputs.append(self._carry_in(half))
        return self._complete(inputs, made | (made | function) << 16, f"carry {half}")

    def multiplexer(self, output: str) -> LookupTable:
        """Return what F5 or FX is."""
        if output == "F5":
            low, high = (f"F{2 * self._index + half}_SLICE" for half in (0, 1))
            choice = "M0"
        else:
            low, high = (f"FX{side}{self._letter}_SLICE" for side in "AB")
            choice = "M1"
        inputs = [self._wire(low), self._wire(high), self._input(choice)]
        return self._complete(inputs, _CHOOSE, output)

    def flip_flop(self, half: int) -> FlipFlop:
        """Return flip-flop ``half``."""
        register = f"Q{half}"
        if self._enum(f"REG{half}.SD") == "1":
            data = self._wire(f"DI{2 * self._index + half}_SLICE")
        else:
            data = self._input(f"M{half}")
        clock, falling, _ = self._shared("CLK", "CLK")
        reset, reset_low, number = self._shared("LSR", "LSR")
        enable_setting = self._enum("CEMUX")
        enable: NetName | None = enable_setting
        if enable_setting not in ("0", "1"):
            enable = self._wire(f"CE{self._index}_SLICE")
        if clock is None or data is None or enable is None:
            missing = "clock" if clock is None else "data" if data is None else "clock enable"
            raise BadInputError(f"{self._name(register)}: nothing drives its {missing}")
        return FlipFlop(
            data=data,
            control=Control(
                clock=clock,
                falling=falling,
                enable=enable,
                enable_low=enable_setting == "INV",
                reset="0" if reset is None else reset,
                reset_low=reset_low and reset is not None,
                at_once=self._tile.enum(f"LSR{number}.SRMODE") == "ASYNC",
            ),
            value=int(self._enum(f"REG{half}.REGSET") == "SET"),
        )

    def _shared(self, signal: str, mux: str) -> tuple[NetName | None, bool, int]:
        """Return the slice's clock or reset, whether it is inverted, and which of the tile's two.

        A slice that takes neither has none.
        """
        chosen = [
            number
            for number in (0, 1)
            if (f"MUX{signal}{self._index}", f"{signal}{number}") in self._tile.arcs
        ]
        if not chosen:
            return None, False, 0
        inverted = self._tile.enum(f"{signal}{chosen[0]}.{mux}MUX") == "INV"
        net = self._wire(f"{signal}{self._index}_SLICE")
        if net is None:
            raise BadInputError(f"{self._name(signal)}: nothing drives {signal}{chosen[0]}")
        return net, inverted, chosen[0]

    def _carry_in(self, half: int) -> NetName | None:
        if half == 1:
            return self._wire(f"FCM{self._letter}_SLICE")
        return self._wire("FCI_SLICE" if self._index == 0 else f"FCI{self._letter}_SLICE")

    def _injects(self, half: int) -> bool:
        return self._enum(f"CCU2.INJECT1_{half}") == "YES"

    def _function(self, half: int) -> int:
        return self._tile.word(f"SLICE{self._letter}.K{half}.INIT")

    def _input(self, pin: str) -> NetName | None:
        """Return the net on an input such as ``A1``, which may also be tied to 1."""
        if self._enum(f"{pin}MUX") == "1":
            return "1"
        return self._wire(f"{pin[0]}{2 * self._index + int(pin[1])}_SLICE")

    def _wire(self, name: str) -> NetName | None:
        return self._read(Wire(self._tile.row, self._tile.column, name))

    def _enum(self, name: str) -> str:
        value = self._tile.enum(f"SLICE{self._letter}.{name}")
        return "" if value is None else value

    def _complete(
        self, inputs: Sequence[NetName | None], function: int, output: str
    ) -> LookupTable:
        """Return a table of the inputs on which it depends; something must drive each of them."""
        named = tuple(f"?{k}" if net is None else net for k, net in enumerate(inputs))
        table = simplify(LookupTable(named, function))
        for net in table.inputs:
            if net.startswith("?"):
                raise BadInputError(
                    f"{self._name(output)}: it depends on its input {net[1:]}, which nothing drives"
                )
        return table

    def _name(self, what: str) -> str:
        return f"tile {self._tile.name}: SLICE{self._letter}, {what}"
