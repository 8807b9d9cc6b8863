"""A netlist is proved equal to its Verilog, and a fault in it is found and named."""

import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

from htaflow.flows.boards.board import load_board
from htaflow.flows.build.synth import NETLIST_VERILOG, synthesis
from htaflow.flows.proof.bdd import deep_recursion
from htaflow.flows.proof.equivalence import Equivalence, compare, differences
from htaflow.flows.proof.gate_reader import read_gates
from htaflow.flows.proof.gates import GateError

BOARDS = {"ice40": "icebreaker", "ecp5": "ulx3s-25f"}

# A counter, a shift register that starts as ones, a register that is always 0, one that equals
# another, a comparison, and a carry chain.
DESIGN = """
module board(input clk, input rst, input [3:0] data, input take, output reg found, output line,
             output [1:0] twins);
  reg [7:0] count; initial count = 0;
  reg [4:0] bits; initial bits = 31;
  reg [3:0] kept; initial kept = 0;
  reg never; initial never = 0;
  reg one, other; initial one = 0; initial other = 0;
  initial found = 0;
  wire more = kept >= 5;
  always @(posedge clk) begin
    if (rst) count <= 0; else if (take) count <= count + data;
    if (rst) bits <= 31; else bits <= {data[0] | never, bits[4:1]};
    if (take) kept <= data;
    never <= 0;
    one <= data[2] ^ take;
    other <= data[2] ^ take;
    if (rst) found <= 0; else found <= (more & (count[7:4] == kept)) | (found & ~take);
  end
  assign line = bits[0];
  assign twins = {one, other};
endmodule
"""


@pytest.fixture(autouse=True)
def deep() -> Iterator[None]:
    with deep_recursion():
        yield


@pytest.fixture(scope="module")
def netlists(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """The design as each family's netlist."""
    found = {}
    for family, board in BOARDS.items():
        folder: Path = tmp_path_factory.mktemp(family)
        (folder / "board.v").write_text(DESIGN)
        synthesis(load_board(board)).run(folder, 300)
        found[family] = (folder / NETLIST_VERILOG).read_text()
    return found


@cache
def compared(verilog: str, netlist: str, family: str) -> Equivalence:
    return compare(read_gates(verilog, "board", family), read_gates(netlist, "board", family))


@pytest.mark.parametrize("family", BOARDS)
def test_a_netlist_is_proved_equal(netlists: dict[str, str], family: str) -> None:
    result = compared(DESIGN, netlists[family], family)
    assert result.closed, differences(result)
    assert result.outputs == 4
    assert result.left_out >= 2  # the register that is always 0, and one of the twins


def spoilt(netlist: str, old: str, new: str, *, at: int = 0) -> str:
    """``netlist`` with the match number ``at`` of ``old`` replaced."""
    matches = list(re.finditer(old, netlist))
    assert len(matches) > at, f"{old} is not in\n{netlist}"
    match = matches[at]
    return netlist[: match.start()] + match.expand(new) + netlist[match.end() :]


def flip(netlist: str, at: int) -> str:
    """``netlist`` with the lowest bit of look-up table ``at`` inverted."""
    matches = list(re.finditer(r"INIT\(16'h([0-9a-f]+)\)", netlist))
    match = matches[at % len(matches)]
    changed = f"INIT(16'h{int(match[1], 16) ^ 1:04x})"
    return netlist[: match.start()] + changed + netlist[match.end() :]


@pytest.mark.parametrize("family", BOARDS)
def test_a_changed_look_up_table_is_found(netlists: dict[str, str], family: str) -> None:
    tables = len(re.findall(r"INIT\(16'h", netlists[family]))
    wrong = 0
    for at in range(0, tables, max(1, tables // 4)):
        result = compared(DESIGN, flip(netlists[family], at), family)
        wrong += not result.closed
        for found in result.different:
            assert found["signal"].startswith(("flip-flop ", "output "))
    assert wrong >= 2  # an entry that cannot be asked for may be anything


@pytest.mark.parametrize("family", BOARDS)
def test_the_flip_flop_that_is_wrong_is_named(netlists: dict[str, str], family: str) -> None:
    verilog = DESIGN.replace("kept >= 5", "kept >= 6")
    result = compared(verilog, netlists[family], family)
    assert [found["signal"] for found in result.different] == ["flip-flop found"]
    (found,) = result.different
    assert found["verilog"] != found["netlist"]
    assert {f"kept[{place}]" for place in range(4)} <= found["with"].keys()
    assert "in the Verilog" in differences(result)[0]


def test_a_reset_value_that_is_wrong_is_found(netlists: dict[str, str]) -> None:
    netlist = spoilt(netlists["ice40"], r"SB_DFFESR( count[^;]*)\.R\(", r"SB_DFFESS\1.S(")
    result = compared(DESIGN, netlist, "ice40")
    assert any(found["signal"].startswith("flip-flop count") for found in result.different)


def test_an_initial_value_that_is_wrong_is_found(netlists: dict[str, str]) -> None:
    # What the flip-flop is set to starts it, too.
    netlist = netlists["ecp5"]
    begin = netlist.index("kept_TRELLIS_FF_Q")
    at = netlist[:begin].count('.REGSET("RESET")')
    netlist = spoilt(netlist, r'\.REGSET\("RESET"\)', '.REGSET("SET")', at=at - 1)
    result = compared(DESIGN, netlist, "ecp5")
    assert any(found["signal"].startswith("flip-flop kept") for found in result.different)


def test_a_design_that_starts_otherwise_is_not_equal(netlists: dict[str, str]) -> None:
    verilog = DESIGN.replace("initial bits = 31", "initial bits = 30")
    assert not compared(verilog, netlists["ecp5"], "ecp5").closed


def test_other_ports_are_found(netlists: dict[str, str]) -> None:
    verilog = DESIGN.replace("input [3:0] data", "input [4:0] data")
    result = compared(verilog, netlists["ice40"], "ice40")
    assert "the inputs are" in result.open[0]


def test_a_part_clocked_on_the_other_edge_is_refused() -> None:
    with pytest.raises(GateError, match="neither a gate nor a plain flip-flop"):
        read_gates(DESIGN.replace("posedge", "negedge"), "board")


def test_gates_in_a_loop_are_refused() -> None:
    text = "module board(input a, output y); wire b = a & y; assign y = ~b; endmodule"
    gates = read_gates(text, "board")
    with pytest.raises(GateError, match="loop"):
        compare(gates, gates)


# Whichever end of the sum is looked at first, a number is before the comparison.
NUMBERS = """
module board(input clk, input [27:0] data, output reg y);
  reg [27:0] both; initial both = 0; initial y = 0;
  wire [13:0] one = both[13:0], two = both[27:14];
  always @(posedge clk) begin both <= data; y <= (^one) ^ (one == two) ^ (|one); end
endmodule
"""


def test_numbers_that_are_compared_take_turns(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("htaflow.flows.proof.equivalence.difference.MOST_NODES", 10_000)
    gates = read_gates(NUMBERS, "board")
    both = gates.signals["both"]
    numbers = (both[:14], both[14:])
    assert compare(gates, gates, numbers=numbers).closed
    assert any("10000 nodes" in line for line in compare(gates, gates).open)
    wrong = read_gates(NUMBERS.replace("one == two", "one[13:1] == two[13:1]"), "board")
    (found,) = compare(gates, wrong, numbers=numbers).different
    assert found["signal"] == "flip-flop y"
