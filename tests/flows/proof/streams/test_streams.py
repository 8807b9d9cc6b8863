"""The stream rules are proved of every component, and each kind of fault breaks its rule."""

import re
from collections.abc import Callable
from dataclasses import replace
from functools import cache

import pytest

from htaflow.flows.proof.gate_reader import read_gates
from htaflow.flows.proof.gates import Bit, Flop, Gates
from htaflow.flows.proof.streams.model_checker import DROPPED, RULES
from htaflow.flows.proof.streams.packet_link import link_verilog, prove_link
from htaflow.flows.proof.streams.serial_line import line_verilog, prove_line
from htaflow.flows.proof.streams.small_components import DESIGNS, SmallComponent
from htaflow.flows.proof.streams.streams import prove_design


@cache
def made(number: int) -> tuple[SmallComponent, Gates]:
    design = DESIGNS[number]()
    return design, read_gates(design.verilog, "top")


STAGE, FREE_STAGE, CUT = 0, 1, 2
QUICK = range(len(DESIGNS) - 1)
"""All but the last, which has some 50,000 states."""


@pytest.mark.parametrize("number", QUICK)
def test_the_rules_hold_of(number: int) -> None:
    design, gates = made(number)
    proof = prove_design(design, gates)
    assert proof.closed, proof
    assert tuple(proof.rules) == (RULES if design.drops is None else (*RULES, DROPPED))
    assert proof.bound is not None and 1 <= proof.bound <= 10


@pytest.mark.slow
def test_the_rules_hold_of_lines_in_memory() -> None:
    assert prove_design(DESIGNS[-1]()).closed


def with_data(gates: Gates, bit: Bit, data: Bit) -> Gates:
    """``gates`` in which a flip-flop takes ``data``."""
    flop = gates.flops[bit]
    return replace(gates, flops={**gates.flops, bit: Flop(data, flop.clock, flop.init)})


def with_output(gates: Gates, name: str, bit: Bit) -> Gates:
    return replace(gates, outputs={**gates.outputs, name: [bit]})


def always_valid(gates: Gates) -> Gates:
    return with_output(gates, "output__valid", 1)


def never_valid(gates: Gates) -> Gates:
    return with_output(gates, "output__valid", 0)


def always_ready(gates: Gates) -> Gates:
    return with_output(gates, "input__ready", 1)


def never_ready(gates: Gates) -> Gates:
    return with_output(gates, "input__ready", 0)


def waiting_for_ready(gates: Gates) -> Gates:
    both = max([*gates.gates, *gates.flops]) + 1000
    valid, ready = gates.outputs["output__valid"][0], gates.inputs["output__ready"][0]
    gates = replace(gates, gates={**gates.gates, both: ("$_AND_", (valid, ready))})
    return with_output(gates, "output__valid", both)


@pytest.mark.parametrize("number", QUICK)
@pytest.mark.parametrize(
    ("fault", "rules"),
    [
        (always_valid, {"order"}),
        (never_valid, {"progress", "order"}),
        (always_ready, {"order"}),
        (never_ready, {"progress", "order"}),
        (waiting_for_ready, {"waits"}),
    ],
)
def test_a_faulty_handshake_breaks_a_rule(
    number: int, fault: Callable[[Gates], Gates], rules: set[str]
) -> None:
    design, gates = made(number)
    few = replace(design, payloads=design.payloads[-1:]) if fault is never_valid else design
    if fault is never_valid and design.name.startswith("FrameEncoder"):
        few = replace(design, payloads=[1 << 8])  # a whole frame without error
    if fault is never_valid and design.name.startswith("BeatEncoder"):
        few = replace(design, payloads=[0, 1 << 8])
    proof = prove_design(few, fault(gates))
    assert not proof.closed and not proof.rules
    if design.drops is not None and fault in (always_ready, never_ready):
        rules = rules | {DROPPED}  # what is taken and what is told no longer agree, either
    assert rules & set(proof.broken), proof


def told_at_the_end(gates: Gates) -> Gates:
    """``gates`` in which only a beat with ``last`` is told as that of a dropped frame."""
    both = max([*gates.gates, *gates.flops]) + 1000
    flop, last = gates.outputs["dropped"][0], gates.inputs["input__payload"][8]
    told = (gates.flops[flop].data, last)
    gates = replace(gates, gates={**gates.gates, both: ("$_AND_", told)})
    return with_data(gates, flop, both)


DROPS = {
    "nothing is told": lambda gates: with_output(gates, "dropped", 0),
    "everything is told": lambda gates: with_output(gates, "dropped", 1),
    "a frame too long is told at its end": told_at_the_end,
}


@pytest.mark.parametrize("what", DROPS)
def test_a_frame_dropped_without_a_word_breaks_its_rule(what: str) -> None:
    droppers = [number for number in QUICK if made(number)[0].drops is not None]
    assert len(droppers) == 2
    for number in droppers:
        design, gates = made(number)
        proof = prove_design(design, DROPS[what](gates))
        assert set(proof.broken) == {DROPPED}, proof
        assert not proof.rules


# Faults of a stage: what in its Verilog is replaced by what, and the rule that is broken.
FAULTS = {
    "valid is dropped before it is taken": (
        "else if (input__ready) one__output__valid <=",
        "else one__output__valid <=",
        "held",
    ),
    "data change while they wait": ("if (enable)", "if (1)", "order"),
    "a transfer is lost": (
        "one__output__valid <= input__valid",
        "one__output__valid <= 0",
        "order",
    ),
    "a transfer is doubled": (
        "one__output__valid <= input__valid",
        "one__output__valid <= input__valid | one__output__valid",
        "order",
    ),
    "nothing is ever taken": (
        "assign input__ready = ~one__output__valid | one__output__ready",
        "assign input__ready = 0",
        "progress",
    ),
    "a stall is ignored": (
        "assign input__ready = ~one__output__valid | one__output__ready",
        "assign input__ready = 1",
        "order",
    ),
    "a reset is ignored": (
        "if (rst) one__output__valid <= 0;\n    else if",
        "if",
        "reset",
    ),
    "the result is wrong": ("x[0] & x[1]", "x[0] | x[1]", "order"),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_a_fault_of_a_stage_breaks_its_rule(fault: str) -> None:
    old, new, rule = FAULTS[fault]
    design, _ = made(STAGE)
    assert old in design.verilog, design.verilog
    proof = prove_design(replace(design, verilog=design.verilog.replace(old, new)))
    assert rule in proof.broken, proof


REORDERING = """
module top(input clk, input rst, input [1:0] input__payload, input input__valid,
           output input__ready, output [1:0] output__payload, output output__valid,
           input output__ready);
  // Two places, of which the one filled last leaves first.
  reg [1:0] count, low, high; initial begin count = 0; low = 0; high = 0; end
  assign input__ready = count == 0 | (count == 1 & ~output__ready);
  assign output__valid = count != 0;
  assign output__payload = count == 2 ? high : low;
  always @(posedge clk)
    if (rst) count <= 0;
    else if (input__valid & input__ready) begin
      count <= count + 1;
      if (count == 0) low <= input__payload; else high <= input__payload;
    end else if (output__valid & output__ready) count <= count - 1;
endmodule
"""


def test_a_component_that_reorders_is_found() -> None:
    design = SmallComponent("a stack", REORDERING, range(4), lambda _, word: ((), [word]))
    proof = prove_design(design)
    # What waits is overtaken: it changes before it is taken, which breaks a rule as well.
    assert {"order"} <= set(proof.broken)
    assert "leaves instead of" in proof.broken["order"]


def test_each_byte_gets_over_the_serial_line() -> None:
    proof = prove_line(read_gates(line_verilog(), "top"))
    assert proof.closed and proof.rules == ["order", "progress"]


@pytest.mark.parametrize("end", ["transmitter", "receiver"])
def test_a_serial_line_with_a_wrong_timer_is_found(end: str) -> None:
    gates = read_gates(line_verilog(), "top")
    timer = gates.signals[f"{end}.timer"]
    # Its highest bit is never set, so that it counts half as long.
    faulty = with_data(gates, timer[-1], 0)
    proof = prove_line(faulty)
    assert not proof.closed and "order" in proof.broken


def test_a_serial_line_that_swaps_bits_is_found() -> None:
    gates = read_gates(line_verilog(), "top")
    bits = list(gates.outputs["output__payload"])
    bits[2], bits[3] = bits[3], bits[2]
    proof = prove_line(replace(gates, outputs={**gates.outputs, "output__payload": bits}))
    assert "do not arrive" in proof.broken["order"] or "not arrive" in proof.broken["order"]


def test_what_a_packet_link_offers_waits() -> None:
    proof = prove_link(read_gates(link_verilog(), "top"))
    assert proof.closed
    held = ["held (frames)", "waits (frames)", "held (tx)", "waits (tx)"]
    assert proof.rules[:4] == held
    assert proof.rules[4:] == ["order", "progress", "returns"]
    assert proof.bound == 1
    assert proof.states is not None and proof.states > 40


def test_a_packet_link_whose_beat_does_not_wait_is_found() -> None:
    gates = read_gates(link_verilog(), "top")
    valid = gates.outputs["frames__valid"][0]
    tick = gates.inputs["tick"][0]
    assert "held (frames)" in prove_link(with_data(gates, valid, tick)).broken
    data = gates.outputs["frames__payload"][0]
    assert "held (frames)" in prove_link(with_data(gates, data, tick)).broken


def test_a_packet_link_whose_reply_does_not_wait_is_found() -> None:
    gates = read_gates(link_verilog(), "top")
    index = gates.signals["link.index"][0]
    assert "held (tx)" in prove_link(with_data(gates, index, gates.inputs["tick"][0])).broken


LINK_FAULTS = {
    "a bit of the frame is another": ("frames__payload", 3, "rx_byte", "order", "beat 0"),
    "the last beat is not marked": ("frames__payload", 16, None, "order", "beat 1"),
    "a bit of the CRC is stuck": ("crc_reg", 5, None, "order", "not what it should be"),
    "the count of bytes is stuck": ("link.index", 0, None, "order", "beat 0"),
    "a result is never taken": ("results__ready", 0, None, "order", "was not taken"),
    "it never notices that the line is quiet": ("link.quiet", 0, None, "returns", "never listen"),
}


@pytest.mark.parametrize("fault", LINK_FAULTS)
def test_what_is_wrong_with_a_packet_links_exchange_is_found(fault: str) -> None:
    signal, place, source, rule, words = LINK_FAULTS[fault]
    gates = read_gates(link_verilog(), "top")
    bit = next(bits for name, bits in gates.signals.items() if name.endswith(signal))[place]
    spoilt = with_data(gates, bit, gates.inputs[source][0] if source else 0)
    broken = prove_link(spoilt).broken
    assert words in broken[rule]
    if rule == "returns":
        assert list(broken) == ["returns"]


LINK_EDITS = {
    "quiet is forgotten between ticks": (r"quiet <= (\S+) ;", r"quiet <= \1 & tick;", "returns"),
    "a result is taken before it is there": (
        r"results__ready <= (\S+) ;(.*?)fsm_state <= (\S+) ;",
        r"results__ready <= \1 | (\3 == 0 & fsm_state != 0);\2fsm_state <= \3 ;",
        "order",
    ),
    "what is no byte and no result matters": (
        r"fsm_state <= (\S+) ;",
        r"fsm_state <= (~rx__valid & ~results__valid & (rx__payload[0] ^ results__payload[0]))"
        r" ? 5'h01 : \1 ;",
        "order",
    ),
}


@pytest.mark.parametrize("fault", LINK_EDITS)
def test_a_fault_in_a_packet_links_control_is_found(fault: str) -> None:
    pattern, replacement, rule = LINK_EDITS[fault]
    text, count = re.subn(pattern, replacement, link_verilog(), count=1, flags=re.DOTALL)
    assert count == 1
    assert rule in prove_link(read_gates(text, "top")).broken
