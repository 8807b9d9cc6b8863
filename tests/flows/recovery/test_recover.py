# amaranth: UnusedElaboratable=no
import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from board_network import PLL_MODEL, serial_network
from side_by_side import build_bitstream, differences

from htaflow.flows.boards.board import Board, Pin, load_board
from htaflow.flows.recovery.bitstream import prove_bitstream, recover_bitstream
from htaflow.flows.recovery.ecp5.recover import recover_ecp5, recover_netlist
from htaflow.flows.recovery.lookup_table import LookupTable, simplify
from htaflow.flows.recovery.netlist import Netlist
from htaflow.flows.recovery.netlist_cells import read_netlist
from htaflow.flows.recovery.register_matching import correspond
from htaflow.flows.tools.tools import ToolError
from htaflow.hw.board.packet import encode
from htaflow.hw.board.top import BoardTop, bus_bits
from htaflow.hw.network import NetworkCore
from htaflow.hw.verilog import to_verilog
from htaflow.model.support.errors import BadInputError

INPUTS = [*(f"a{i}" for i in range(8)), "s0", "s1", "s2", "enable", "reset", "now"]
OUTPUTS = [*(f"y{i}" for i in range(8)), *(f"{name}{i}" for name in "znm" for i in range(4))]
OUTPUTS += ["w", "low", "fixed"]

# Carry chains (+, -, <), wide multiplexers, memory, and flip-flops with every kind of control.
# Yosys itself makes no inverted enable and no inverted reset, so there is one flip-flop with both.
EVERYTHING = f"""
module board(clk, {", ".join(INPUTS + OUTPUTS)});
  input clk, {", ".join(INPUTS)};
  output {", ".join(OUTPUTS)};
  wire [7:0] a = {{a7, a6, a5, a4, a3, a2, a1, a0}};
  wire [2:0] s = {{s2, s1, s0}};
  reg [7:0] y = 0, sum = 8'h5a, kept = 3;
  reg [15:0] line = 16'hbeef;
  reg [3:0] z = 4'b0110, n = 4'b1001, m = 0;
  reg last = 1;
  (* ram_style = "distributed" *) reg [3:0] memory [0:15];
  wire chosen = line[{{s, a[1]}}];
  integer i;
  initial for (i = 0; i < 16; i = i + 1) memory[i] = i * 7 + 3;
  assign {{y7, y6, y5, y4, y3, y2, y1, y0}} = y;
  assign {{z3, z2, z1, z0}} = z;
  assign {{n3, n2, n1, n0}} = n;
  assign {{m3, m2, m1, m0}} = m;
  assign w = last ^ (&line[6:0]);
  assign fixed = 1;
  always @(posedge clk) begin
    last <= a[7];
    line <= {{line[14:0], a[0] ^ line[15]}};
    if (reset) sum <= 8'h5a; else if (enable) sum <= sum + a;
    if (!reset & enable) kept <= sum ^ a;
    if (!enable) y <= {{y[6:0], chosen}} + (a & {{8{{s[0]}}}});
    if (enable & s[1]) memory[y[3:0]] <= a[3:0];
    m <= memory[a[7:4]];
  end
  always @(posedge clk or posedge now)
    if (now) z <= 4'b0110; else z <= {{chosen, sum < a, sum - kept > a, ^a}};
  always @(negedge clk or negedge reset)
    if (!reset) n <= 4'b1001; else if (enable) n <= n + s;
  TRELLIS_FF #(
    .GSR("DISABLED"), .CEMUX("INV"), .CLKMUX("CLK"), .LSRMUX("INV"), .REGSET("SET"),
    .SRMODE("LSR_OVER_CE")
  ) inverted (.CLK(clk), .LSR(s2), .CE(s1), .DI(a6), .Q(low));
endmodule
"""

FLIP_FLOP_MODEL = """
module TRELLIS_FF #(
  parameter GSR = "", CEMUX = "", CLKMUX = "", LSRMUX = "", REGSET = "", SRMODE = ""
) (input CLK, LSR, CE, DI, output reg Q);
  initial Q = 1;
  always @(posedge CLK) if (!LSR) Q <= 1; else if (!CE) Q <= DI;
endmodule
"""

# The oscillator's, one at the bottom, then some at the top, at the left and at the right.
_PLACES = """
G2 R1 A7 D9 A17 B20 A6 D15 C8 D14 C16 B17 A19 E14 A3 H1 J5 M3 A2
K1 E1 D2 M1 B4 E5 P5 C20 U20 T19 P19 C18 L17 F20 N16 U19 P18 G16 N17
"""


BOARD = replace(
    load_board("ulx3s-25f"),
    pins=dict(zip(["clk", *INPUTS, *OUTPUTS], map(Pin, _PLACES.split()), strict=True)),
)


def random_inputs(cycles: int) -> list[list[int]]:
    """Return values for ``INPUTS``; the resets are rare."""
    chance = np.random.default_rng(1)
    given = chance.integers(0, 2, (cycles, len(INPUTS)))
    rare = chance.random((cycles, 2)) < 0.1
    given[:, -2:] = rare
    return [list(map(int, row)) for row in given]


@pytest.fixture(scope="module")
def built(tmp_path_factory) -> Path:
    """Return the folder in which ``EVERYTHING`` was built."""
    folder = tmp_path_factory.mktemp("built")
    build_bitstream(folder, EVERYTHING, BOARD)
    return folder


@pytest.fixture(scope="module")
def everything(built, tmp_path_factory) -> tuple[str, Board]:
    """Return the configuration of ``EVERYTHING``, unpacked from a bitstream, and its board."""
    folder = tmp_path_factory.mktemp("unpacked")
    recover_bitstream(built / "top.bit", BOARD, folder)
    return (folder / "unpacked.config").read_text(), BOARD


@pytest.fixture(scope="module")
def netlist(built, tmp_path_factory) -> Netlist:
    """Return what Yosys made of ``EVERYTHING``."""
    return read_netlist(built / "netlist.v", tmp_path_factory.mktemp("netlist"))


def recover(configuration: str, board: Board) -> str:
    return recover_ecp5(
        configuration, {name: pin.at for name, pin in board.pins.items()}, board.package
    )


def recovered_netlist(configuration: str, board: Board) -> Netlist:
    return recover_netlist(
        configuration, {name: pin.at for name, pin in board.pins.items()}, board.package
    )


def differ(folder: Path, recovered: str, cycles: int) -> int:
    return differences(
        folder,
        EVERYTHING + FLIP_FLOP_MODEL,
        recovered,
        inputs=INPUTS,
        outputs=OUTPUTS,
        given=random_inputs(cycles),
    )


def test_carries_multiplexers_memories_and_flip_flops_of_all_kinds_are_recovered(
    everything, tmp_path
):
    configuration, board = everything
    for used in (
        "MODE CCU2",
        "F5A_SLICE",
        "FX",
        "SRMODE ASYNC",
        "CLKMUX INV",
        "LSRMUX INV",
        "CEMUX INV",
        "RAMW",
    ):
        assert used in configuration
    assert differ(tmp_path, recover(configuration, board), 10_000) == 0


def test_a_fault_in_the_configuration_is_seen(everything, tmp_path):
    configuration, board = everything
    chance = np.random.default_rng(3)
    words = list(re.finditer(r"\.INIT ([01]+)", configuration))
    good, seen = recover(configuration, board), []
    for number in chance.choice(len(words), 12, replace=False):
        start, end = words[number].span(1)
        table = words[number][1].translate(str.maketrans("01", "10"))
        faulty = recover(configuration[:start] + table + configuration[end:], board)
        if faulty != good:  # some tables are not read, such as those of a slice that writes memory
            seen.append(differ(tmp_path, faulty, 2_000) > 0)
    assert len(seen) > 6
    assert all(seen)


def test_the_bitstream_is_proved_to_be_the_netlist(everything, netlist):
    configuration, board = everything
    found = correspond(netlist, recovered_netlist(configuration, board))
    assert found.unproved == ()
    assert found.classes > 150


def test_no_flipped_bit_passes_the_proof(everything, netlist):
    configuration, board = everything
    chance = np.random.default_rng(4)
    words = list(re.finditer(r"\.INIT ([01]+)", configuration))
    good, named = recover(configuration, board), []
    for number in chance.choice(len(words), 40, replace=False):
        at = words[number].start(1) + int(chance.integers(16))
        flipped = "10"[int(configuration[at])]
        faulty = configuration[:at] + flipped + configuration[at + 1 :]
        if recover(faulty, board) == good:
            continue
        found = correspond(netlist, recovered_netlist(faulty, board))
        assert found.unproved
        tile = configuration[:at].rpartition(".tile ")[2].partition(":")[0]
        named.append(any(net.startswith(f"{tile}_") for net in found.unmatched))
    assert len(named) > 20
    assert sum(named) > len(named) / 2


def test_a_wire_led_elsewhere_is_seen(everything, tmp_path):
    configuration, board = everything
    chance = np.random.default_rng(3)
    arcs = list(re.finditer(r"^arc: ([A-D][0-7] )(\S+)$", configuration, re.MULTILINE))
    seen = 0
    for number in chance.choice(len(arcs), 8, replace=False):
        sink, source = arcs[number].groups()
        others = {arc[2] for arc in arcs if arc[1] == sink} - {source}
        start, end = arcs[number].span(2)
        faulty = configuration[:start] + sorted(others)[0] + configuration[end:]
        try:
            seen += differ(tmp_path, recover(faulty, board), 2_000) > 0
        except BadInputError as error:
            assert "nothing drives" in str(error)
            seen += 1
    assert seen >= 7  # where two inputs have the same value, an exchange is none


@pytest.mark.parametrize(
    ("before", "after", "message"),
    [
        (r"GSR DISABLED", "REG0.LSRMODE PRLD", r"SLICE.\.REG0\.LSRMODE PRLD is not understood"),
        (r"MODE CCU2", "MODE CCU3", r"there is no setting SLICE[A-D]\.MODE CCU3"),
        (r"enum: (SLICE.\.)GSR", r"enum: \1GRS", r"there is no setting SLICE[A-D]\.GRS DISABLED"),
        (r"arc: A0 \S+", "arc: A0 F9", "nothing can lead from F9 to A0 there"),
        (r"arc: A0 (?!F5)\S+", r"\g<0>\narc: A0 F5", "drive R"),
        (r"\.tile R\d+C", ".tile R99C", "has no such tile"),
        (r"\.device \S+", ".device LFE5U-26F", "there is no ECP5 called 'LFE5U-26F'; known: LFE5"),
        (r"\.device \S+", "", "names no device"),
        (r"\n\.tile", "\n.bram_init 0\n000\n\n.tile", "'.bram_init 0', which is not understood"),
        (r"enum: CIB.J(\w+)MUX 0", r"unknown: F1B1", "the meaning of bit F1B1 is not known"),
    ],
)
def test_what_is_not_understood_is_an_error(everything, before, after, message):
    configuration, board = everything
    faulty, count = re.subn(before, after, configuration, count=1)
    assert count
    with pytest.raises(BadInputError, match=message):
        recover(faulty, board)


def test_the_pins_in_use_must_be_the_boards(everything):
    configuration, board = everything
    fewer = {name: pin for name, pin in board.pins.items() if name != "w"}
    with pytest.raises(BadInputError, match="a pin is in use that is none of the board's"):
        recover(configuration, replace(board, pins=fewer))
    with pytest.raises(BadInputError, match="the pin of 'more' is not in use"):
        recover(configuration, replace(board, pins={**board.pins, "more": Pin("T1")}))
    with pytest.raises(BadInputError, match="has no pin 'Z99'"):
        recover(configuration, replace(board, pins={**board.pins, "more": Pin("Z99")}))


@pytest.mark.parametrize(
    ("name", "clock"),
    [("ulx3s-25f", 80), pytest.param("ulx3s-85f", None, marks=pytest.mark.slow)],
)
def test_a_board_with_a_network_is_recovered_from_its_bitstream(tmp_path, name, clock):
    network = serial_network(4, signed=False)
    core = NetworkCore(network, bus_bits(network))
    board = load_board(name).with_clock(clock)
    top = BoardTop(
        core, clock_hz=9_000, baud=1_000, pins=board.top_pins, pll=board.pll, quiet_seconds=0.4
    )
    verilog = to_verilog(top, "board", core.modules)
    bitstream = build_bitstream(tmp_path / "build", verilog, board)
    recovered = recover_bitstream(bitstream, board, tmp_path / "recovered")
    loop = "CLKI_DIV(5), .CLKFB_DIV(16), .CLKOP_DIV(7), .CLKOP_CPHASE(6)"
    assert (loop in recovered) == (clock is not None)

    values = network.input
    frames = np.random.default_rng(3).integers(values.low, values.high + 1, (4, 5))
    line = [1] * 3500
    for beats in core.input_layout.pack(frames):
        for byte in encode(beats.tobytes()):
            bits = (0, *((byte >> i) & 1 for i in range(8)), 1)
            line += [bit for bit in bits for _ in range(9)]
        line += [1] * 9 * 120
    given = [(bit, int(2000 < cycle < 2010)) for cycle, bit in enumerate(line)]
    found = differences(
        tmp_path / "simulated",
        verilog + (PLL_MODEL if clock else ""),
        recovered,
        inputs=["rx", "reset"],
        outputs=["tx", "heartbeat", "activity", "wifi_gpio0"],
        given=given,
    )
    assert found == 0
    netlist = tmp_path / "build" / "netlist.v"
    assert prove_bitstream(bitstream, netlist, board, tmp_path / "proof").unproved == ()


def test_a_bitstream_for_another_family_is_refused(built, tmp_path):
    with pytest.raises(ToolError, match="iceunpack"):
        recover_bitstream(built / "top.bit", load_board("icebreaker"), tmp_path)


def test_a_table_loses_what_it_does_not_depend_on():
    majority = 0b11101000
    assert simplify(LookupTable(("a", "b", "1"), majority)) == LookupTable(("a", "b"), 0b1110)
    assert simplify(LookupTable(("a", "0", "b"), majority)) == LookupTable(("a", "b"), 0b1000)
    assert simplify(LookupTable(("a", "a", "b"), majority)) == LookupTable(("a",), 0b10)
    assert simplify(LookupTable(("a", "b", "c"), 0xF0)) == LookupTable(("c",), 0b10)
    assert simplify(LookupTable(("a", "a"), 0b0110)) == LookupTable((), 0)
    assert simplify(LookupTable(("x", "b"), 0b0110), {"x": "1"}) == LookupTable(("b",), 0b01)
