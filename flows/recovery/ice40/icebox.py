"""The Verilog that IceStorm's ``icebox_vlog`` writes of an iCE40's configuration, as a netlist.

It has a line for every look-up table, carry and flip-flop. Anything else is an error.
"""

import re
from collections.abc import Iterable, Iterator

from htaflow.flows.recovery.lookup_table import LookupTable, NetName
from htaflow.flows.recovery.netlist import Control, FlipFlop, Netlist
from htaflow.model.support.errors import BadInputError

_COMMENT = re.compile(r"/\*.*?\*/|//.*")
_PORT = re.compile(r"(input|output|inout) (\w+)")
_DECLARATION = re.compile(r"(?:wire|reg) [^;]*;")
_ASSIGNMENT = re.compile(r"assign (?P<net>\w+)\s*=(?P<expression>.*);")
_FLIP_FLOP = re.compile(
    r"always @\((?P<edge>pos|neg)edge (?P<clock>\w+)\) if \((?P<enable>\S+)\) "
    r"(?P<q>\w+) <= (?P<reset>\S+) \? 1'b(?P<value>[01]) : (?P<data>\S+);"
)
_AT_ONCE = re.compile(
    r"always @\((?P<edge>pos|neg)edge (?P<clock>\w+), posedge (?P<reset>\w+)\) if \((?P=reset)\) "
    r"(?P<q>\w+) <= 1'b(?P<value>[01]); else if \((?P<enable>\S+)\) (?P=q) <= (?P<data>\S+);"
)
_TOKEN = re.compile(r"\s*(1'b[01]|\w+|[()?:!&|])")
_BLOCK = re.compile(r"\bSB_\w+")


def read_icebox(lines: Iterable[str]) -> Netlist:
    """Return the netlist that ``icebox_vlog``'s ``lines`` state.

    Flip-flops start as 0, as an iCE40's do. Raises ``BadInputError`` for a block, such as a memory,
    and for a line that is not understood.
    """
    reader = _Reader()
    for line in (_COMMENT.sub("", line).strip() for line in lines):
        if found := _BLOCK.search(line):
            raise BadInputError(
                f"the bitstream uses an {found[0]}, which cannot be read from an iCE40's yet"
            )
        if not reader.read(line):
            raise BadInputError(f"icebox_vlog wrote what is not understood: {line}")
    return reader.netlist


class _Reader:
    def __init__(self) -> None:
        self.netlist = Netlist()

    def read(self, line: str) -> bool:
        """Take one line; return whether it was understood."""
        if line.startswith("module "):
            for way, name in _PORT.findall(line):
                if way == "input":
                    self.netlist.inputs.append(name)
                elif way == "output":
                    self.netlist.outputs[name] = self._net(name)
                else:
                    return False
        elif found := _ASSIGNMENT.fullmatch(line):
            net = self._driven(self._net(found["net"]))
            self.netlist.tables[net] = self._table(found["expression"])
        elif found := _FLIP_FLOP.fullmatch(line):
            net, reset, value = (
                self._net(found["q"]),
                self._net(found["reset"]),
                int(found["value"]),
            )
            data = self._net(found["data"])
            if reset != "0":  # an iCE40's acts only with the enable, so it is part of the data
                data_net, data = data, f"{net}_D"
                function = 0b1110 if value else 0b0010
                self.netlist.tables[data] = LookupTable((data_net, reset), function)
            self._add_flip_flop(net, data, found, Control("", False), 0)
        elif found := _AT_ONCE.fullmatch(line):
            control = Control("", False, reset=self._net(found["reset"]), at_once=True)
            value = int(found["value"])
            self._add_flip_flop(
                self._net(found["q"]), self._net(found["data"]), found, control, value
            )
        else:
            return not line or line == "endmodule" or bool(_DECLARATION.fullmatch(line))
        return True

    def _driven(self, net: NetName) -> NetName:
        """Return ``net``, which is about to get a driver."""
        known = self.netlist
        if net in known.tables or net in known.flip_flops or net in known.inputs or net in "01":
            raise BadInputError(f"net {net} of the bitstream has two drivers")
        return net

    def _add_flip_flop(
        self, net: NetName, data: NetName, found: re.Match[str], control: Control, value: int
    ) -> None:
        if value:
            raise BadInputError(
                f"flip-flop {net} is set at once, and starts as 0: that is not understood"
            )
        control = control._replace(
            clock=self._net(found["clock"]),
            falling=found["edge"] == "neg",
            enable=self._net(found["enable"]),
        )
        self.netlist.flip_flops[self._driven(net)] = FlipFlop(data, control, value)

    def _net(self, name: str) -> NetName:
        """Return a net's name here: those of ports alone begin in lower case."""
        if name in ("1'b0", "1'b1", "0", "1"):
            return name[-1]
        if name in self.netlist.inputs:
            return name
        return name.upper() if re.fullmatch(r"n\d+", name) else f"OUT_{name}"

    def _table(self, expression: str) -> LookupTable:
        tokens = _TOKEN.findall(expression)
        if "".join(tokens) != "".join(expression.split()):
            raise BadInputError(f"icebox_vlog wrote an expression not understood: {expression}")
        names = list(dict.fromkeys(token for token in tokens if re.match(r"[a-zA-Z_]", token)))
        size = 1 << len(names)
        columns = {"1'b0": 0, "0": 0, "1'b1": (1 << size) - 1, "1": (1 << size) - 1}
        for place, name in enumerate(names):
            columns[name] = sum(1 << at for at in range(size) if at >> place & 1)
        function = _Expression(iter([*tokens, ""]), columns, (1 << size) - 1).value()
        return LookupTable(tuple(self._net(name) for name in names), function)


class _Expression:
    """Evaluates an expression for all values of its nets at once: a number is a truth table."""

    def __init__(self, tokens: Iterator[str], columns: dict[str, int], ones: int) -> None:
        self._tokens, self._columns, self._ones = tokens, columns, ones
        self._next = next(tokens)

    def value(self) -> int:
        """Return the truth table of the whole expression."""
        result = self._choice()
        if self._next:
            raise BadInputError(f"icebox_vlog wrote an expression that goes on with {self._next}")
        return result

    def _take(self) -> str:
        token, self._next = self._next, next(self._tokens, "")
        return token

    def _choice(self) -> int:
        condition = self._or()
        if self._next != "?":
            return condition
        self._take()
        one = self._choice()
        self._expect(":")
        zero = self._choice()
        return condition & one | ~condition & zero & self._ones

    def _or(self) -> int:
        result = self._and()
        while self._next == "|":
            self._take()
            result |= self._and()
        return result

    def _and(self) -> int:
        result = self._factor()
        while self._next == "&":
            self._take()
            result &= self._factor()
        return result

    def _factor(self) -> int:
        word = self._take()
        if word == "!":
            return ~self._factor() & self._ones
        if word == "(":
            result = self._choice()
            self._expect(")")
            return result
        if word not in self._columns:
            raise BadInputError(f"icebox_vlog wrote '{word}' where a net should be")
        return self._columns[word]

    def _expect(self, wanted: str) -> None:
        if (found := self._take()) != wanted:
            raise BadInputError(f"icebox_vlog wrote '{found}' instead of '{wanted}'")
