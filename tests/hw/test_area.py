"""Logic made for area computes what golden computes: every target, known bits, every pipeline."""

import itertools
import re

import numpy as np
import pytest
from conftest import write_run
from layer_logic import check_logic, random_choices
from networks import ENDINGS, random_frames, random_network

from htaflow.hw.layers import layer_logic
from htaflow.hw.layers.dense import dense_logic
from htaflow.hw.logic.evaluate import evaluate
from htaflow.hw.logic.netlist import Logic
from htaflow.hw.logic.sums.compressor import compress
from htaflow.hw.logic.sums.neuron import neuron
from htaflow.hw.logic.target import TARGETS, find_target
from htaflow.hw.network import check_pipeline
from htaflow.hw.verilog import generate
from htaflow.model.integer.network import ArgMax, Dense, Encode, GroupSum, Network, Values
from htaflow.model.support.errors import BadInputError
from htaflow.model.support.files import write_atomic, write_json
from htaflow.sim.verify import verify_rtl

MAPPED = [name for name, target in TARGETS.items() if target.cell]


@pytest.mark.parametrize("target", TARGETS)
def test_small_networks_are_golden_for_every_input(target):
    for seed in range(20):
        rng = np.random.default_rng(seed)
        network = random_network(
            rng,
            features=3,
            feature_bits=3,
            bits=8,
            hidden=(9, 7),
            fan_in=[2, 3, 7][seed % 3],
            lookups=0.5,
            ending=ENDINGS[seed % len(ENDINGS)],
            classes=2 + seed % 9,
        )
        check_logic(network, target, np.array(list(itertools.product(range(8), repeat=3))))


@pytest.mark.parametrize("target", TARGETS)
def test_random_networks_are_golden(target):
    for seed in range(40):
        network, _ = random_choices(seed)
        check_logic(network, target, random_frames(network, np.random.default_rng(seed), 200))


@pytest.mark.parametrize("target", TARGETS)
def test_many_votes_are_golden(target):
    rng = np.random.default_rng(5)
    for classes, group in ((10, 25), (3, 40), (11, 13)):
        weights = np.zeros((classes * group, 60), np.int64)
        for row in weights:
            row[rng.choice(60, 3, replace=False)] = rng.choice((-1, 1), 3)
        weights[7] = weights[3]  # a vote that counts twice
        weights[8] = -weights[4]  # and one that is the other's complement
        thresholds = rng.choice((-1, 1), len(weights))
        thresholds[[4, 8]] = 1
        thresholds[:2] = 4, -3  # never and always
        thresholds[7] = thresholds[3]
        network = Network(
            "votes",
            (
                Encode("encode", 60, 1, False, np.arange(60), np.ones(60, np.int64)),
                Dense("hidden", weights, thresholds),
                GroupSum("vote", classes),
                ArgMax("argmax"),
            ),
        )
        check_logic(network, target, random_frames(network, rng, 2000))


@pytest.mark.parametrize("lut_inputs", [4, 6])
@pytest.mark.parametrize("heights", [(1,), (5,), (7, 2), (11,), (13,), (3, 4, 2), (20,)])
def test_sums_of_columns(heights, lut_inputs, rng):
    count = sum(heights)
    weights = [1 << column for column, height in enumerate(heights) for _ in range(height)]
    width = sum(weights).bit_length()
    logic = Logic("f", count)
    nets = iter(logic.inputs)
    columns = [[next(nets) for _ in range(height)] for height in heights]
    logic.outputs = compress(logic, columns, width, lut_inputs)
    bits = rng.integers(0, 2, (4000, count)).astype(bool)
    bits[:2] = [[False] * count, [True] * count]
    sums = evaluate(logic, bits) @ (1 << np.arange(width))
    assert np.array_equal(sums, bits @ np.array(weights))


@pytest.mark.parametrize(("lut_inputs", "most"), [(6, 45), (4, 81)])
def test_fifty_votes_take_no_more_tables_than_they_did(lut_inputs, most):
    logic = Logic("f", 50)
    logic.outputs = compress(logic, [logic.inputs], 6, lut_inputs)
    assert logic.table_count <= most


@pytest.mark.parametrize(("target", "most"), [("xilinx", 5450), ("ice40", 8900)])
def test_a_dense_layer_takes_no_more_tables_than_it_did(target, most):
    # Alone, 64 neurons of 192 bits would take more than 11,000 and 20,000.
    weights = np.random.default_rng(0).choice((-1, 1), (64, 192))
    layer = Dense("wide", weights, np.rint(np.random.default_rng(1).normal(0, 7, 64)).astype(int))
    assert count_tables(dense_logic(layer, Values((192,), 0, 1), TARGETS[target])) <= most


@pytest.mark.parametrize(("target", "most"), [("xilinx", 405), ("ice40", 600)])
def test_ten_scores_of_the_same_bits_take_no_more_tables_than_they_did(target, most):
    layer = Dense("head", np.random.default_rng(0).choice((-1, 1), (10, 64)), None)
    assert count_tables(dense_logic(layer, Values((64,), 0, 1), TARGETS[target])) <= most


def count_tables(logic):
    """Return the tables of two inputs and more that some output depends on."""
    assert not logic.blocks
    return sum(len(table.inputs) > 1 for _, table in logic.live_drivers())


@pytest.mark.parametrize("threshold", range(1, 7))
@pytest.mark.parametrize("fan_in", [5, 6])
def test_a_neuron_of_six_inputs_is_three_lut4(fan_in, threshold):
    if threshold > fan_in:
        return
    flip = [True, False, True, False, False, False][:fan_in]
    logic = Logic("f", fan_in, TARGETS["ice40"])
    logic.outputs = [neuron(logic, list(logic.inputs), flip, threshold)]
    assert logic.table_count <= 3
    bits = np.array(list(itertools.product([False, True], repeat=fan_in)))
    expected = (bits ^ np.array(flip)).sum(axis=1) >= threshold
    assert np.array_equal(evaluate(logic, bits)[:, 0], expected)


@pytest.mark.parametrize("target", MAPPED)
@pytest.mark.parametrize("seed", range(2))
def test_cells_simulate_as_golden_computes(target, seed, tmp_path):
    rng = np.random.default_rng(seed)
    network = random_network(rng, hidden=(20,), fan_in=4, classes=3 + seed, lookups=0.3)
    run = write_run(tmp_path / "run", network, 60, None)
    write(run, generate(network, None, TARGETS[target]))
    result = verify_rtl(run)
    assert (result["mismatches"], result["problems"]) == (0, [])


@pytest.mark.parametrize("pipeline", [[], ["hidden1"], ["vote", "argmax"]])
@pytest.mark.parametrize("bus_bits", [None, 8])
def test_latency_is_predicted_for_every_pipeline(pipeline, bus_bits, make_run):
    network = random_network(np.random.default_rng(1), hidden=(8,))
    run = make_run(hidden=(8,), bus_bits=bus_bits)
    design = generate(network, bus_bits, pipeline=pipeline)
    assert design.interface["latency_cycles"] == design.interface["beats"] + len(pipeline)
    write(run, design)
    result = verify_rtl(run)
    assert (result["mismatches"], result["problems"]) == (0, [])
    assert result["latency_cycles"]["measured"] == result["latency_cycles"]["predicted"]


def write(run, design):
    write_atomic(run / "rtl" / "top.v", design.text)
    write_json(run / "rtl" / "top.json", design.interface)


def test_a_constant_or_repeated_neuron_is_not_read_by_the_next_stage():
    weights = np.array([[1, -1], [-1, 1], [1, -1], [1, 1], [1, 1]])
    network = Network(
        "repeated",
        (
            Encode("encode", 2, 1, False, np.arange(2), np.ones(2, np.int64)),
            Dense("hidden", weights, np.array([2, 2, 2, 3, -2])),
            GroupSum("vote", 1),
        ),
    )
    values = network.values["encode"]
    known = layer_logic(network.layers[1], values).known_outputs()
    assert list(known.same) == [0, 1, 0, -1, -1]
    assert list(known.flip) == [False, False, False, False, True]
    (vote,) = re.findall(r"module vote_logic\(.*?endmodule", generate(network).text, re.DOTALL)
    assert set(re.findall(r"x\[\d\]", vote)) == {"x[0]", "x[1]"}


def test_bad_choices_are_refused():
    with pytest.raises(BadInputError, match="no target 'xilinks'; did you mean 'xilinx'"):
        find_target("xilinks")
    network = random_network(np.random.default_rng(1))
    with pytest.raises(BadInputError, match="'hiden1', which is no layer; did you mean 'hidden1'"):
        check_pipeline(network, ["hiden1"])
