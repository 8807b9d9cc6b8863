"""Logic cut into parts computes what it computed whole, in the cycles that are predicted."""

import numpy as np
import pytest
from conftest import write_run
from networks import random_network

from htaflow.hw.layers.dense import dense_logic
from htaflow.hw.layers.vote import argmax_logic, group_sum_logic
from htaflow.hw.logic.evaluate import evaluate
from htaflow.hw.logic.netlist import Logic
from htaflow.hw.logic.retime import cut, depth
from htaflow.hw.logic.target import TARGETS
from htaflow.hw.logic.truth_table import MUX, XOR2
from htaflow.hw.verilog import generate
from htaflow.model.integer.network import ArgMax, Dense, GroupSum, Values
from htaflow.model.support.files import write_atomic, write_json
from htaflow.sim.verify import verify_rtl


def make_logics(target):
    """Return a vote, a decision, and a layer of wide neurons, which share a module."""
    weights = np.random.default_rng(4).choice([-1, 1], (5, 80))
    wide = Dense("wide", weights, thresholds=np.zeros(5, int))
    return [
        group_sum_logic(GroupSum("vote", 4), Values((60,), 0, 1), target),
        argmax_logic(ArgMax("best"), Values((7,), -16, 15), target),
        dense_logic(wide, Values((80,), 0, 1), target),
    ]


@pytest.mark.parametrize("target", ["portable", "ecp5", "xilinx"])
@pytest.mark.parametrize("most", [1, 2.5, 4])
def test_the_parts_compute_what_the_whole_does(target, most):
    several = 0
    for logic in make_logics(TARGETS[target]):
        bits = np.random.default_rng(5).random((200, len(logic.inputs))) < 0.5
        expected = evaluate(logic, bits)
        parts = cut(logic, most)
        several += len(parts) > 1
        for part in parts:
            bits = evaluate(part, bits)
        assert (bits == expected).all()
        names = [part.name for part in parts]
        assert names[-1] == logic.name
        assert len(set(names)) == len(names)
        if not logic.blocks:
            # A table on the border may stick out by what it is itself.
            assert max(map(depth, parts)) <= most + 1
            assert len(parts) >= depth(logic) / most
    assert several >= 2


def test_depth_counts_what_fits_one_look_up_table_once():
    logic = Logic("x", 4, TARGETS["ecp5"])
    a, b, c, d = logic.inputs
    logic.outputs = [logic.table(XOR2, [logic.table(MUX, [a, b, c]), d])]
    assert depth(logic) == 1
    logic.outputs = [logic.cell(XOR2, [logic.cell(MUX, [a, b, c]), d])]
    assert depth(logic) == 2
    logic.outputs = [a, logic.invert(b), 1]
    assert depth(logic) == 0
    assert cut(logic, 1) == [logic]


@pytest.mark.parametrize("most", [0, 0.5, -1, float("nan")])
def test_a_part_of_no_depth_is_refused(most):
    with pytest.raises(ValueError, match="at least one look-up table deep"):
        cut(make_logics(TARGETS["ecp5"])[0], most)


@pytest.mark.parametrize(("target", "bus_bits"), [("portable", 8), ("ecp5", None)])
@pytest.mark.parametrize("ending", ["class of votes", "scores"])
def test_a_network_cut_deeply_is_golden_and_its_cycles_are_predicted(
    tmp_path, target, bus_bits, ending
):
    options = {"hidden": (20,), "fan_in": 5, "ending": ending, "classes": 4}
    network = random_network(np.random.default_rng(3), **options)
    run = write_run(tmp_path / "run", network, 60, None)
    whole = generate(network, bus_bits, TARGETS[target]).interface
    design = generate(network, bus_bits, TARGETS[target], depth=1)
    write_atomic(run / "rtl" / "top.v", design.text)
    write_json(run / "rtl" / "top.json", design.interface)
    assert design.interface["latency_cycles"] > whole["latency_cycles"] + 2
    result = verify_rtl(run)
    assert (result["mismatches"], result["problems"]) == (0, [])
    assert result["latency_cycles"]["measured"] == result["latency_cycles"]["predicted"]


def test_layers_without_a_register_are_not_cut():
    network = random_network(np.random.default_rng(3))
    interface = generate(network, depth=1, pipeline=["argmax"]).interface
    cycles = {stage["name"]: stage["latency_cycles"] for stage in interface["stages"]}
    assert cycles["vote"] == cycles["hidden1"] == 0
    assert cycles["argmax"] > 1
    assert interface["latency_cycles"] == sum(cycles.values())
