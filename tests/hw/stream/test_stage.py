# amaranth: UnusedElaboratable=no
"""Chains of stages: many layers, wide ones, and what is too wide."""

import re

import numpy as np
import pytest
from conftest import write_run
from networks import random_network

from htaflow.hw.logic.netlist import Logic
from htaflow.hw.logic.target import find_target
from htaflow.hw.logic.verilog import module_verilog
from htaflow.hw.network import MAX_WIDTH, NetworkCore
from htaflow.hw.stream.stage import CHAIN
from htaflow.hw.verilog import generate
from htaflow.model.integer.network import Dense, Encode, Network
from htaflow.model.support.errors import BadInputError
from htaflow.sim.verify import verify_rtl

LAYERS = 400


def test_hundreds_of_layers_simulate_as_golden_computes(tmp_path):
    network = random_network(np.random.default_rng(1), hidden=(6,) * LAYERS)
    result = verify_rtl(write_run(tmp_path / "run", network, 20, None))
    assert (result["mismatches"], result["problems"]) == (0, [])
    # The encoder, the layers before the vote, the vote, the class.
    assert result["latency_cycles"]["measured"] == LAYERS + 4
    assert result["interval_cycles"]["measured"] == 1


def test_every_layer_is_named_in_the_chain():
    network = random_network(np.random.default_rng(1), hidden=(8, 5))
    design = generate(network)
    (chain,) = re.findall(rf"module {CHAIN}\(.*?endmodule", design.text, re.DOTALL)
    for stage in design.interface["stages"][1:]:
        scope, signal = stage["probe"].removeprefix("core.").split(".")
        assert scope == CHAIN
        assert re.search(rf"wire \[\d+:0\] {signal};", chain), stage["name"]


def test_a_layer_may_be_wider_than_amaranth_connects():
    neurons = 1 << 17
    encode = Encode("encode", 2, 1, False, np.arange(2), np.ones(2, np.int64))
    hidden = Dense("hidden", np.ones((neurons, 2), np.int8), np.full(neurons, 2))
    last = Dense("last", np.eye(3, neurons, dtype=np.int8), np.ones(3, np.int64))
    text = generate(Network("wide", (encode, hidden, last))).text
    assert f"wire [{neurons - 1}:0] hidden__output__payload;" in text


def wide(features=1, bits=1, neurons=1):
    """A network of so many 8-bit features, encoded bits and result bits."""
    source = np.arange(bits) % features
    weights = np.zeros((neurons, bits), np.int8)
    weights[:, 0] = 1
    encode = Encode("encode", features, 8, False, source, np.full(bits, 100))
    return Network("wide", (encode, Dense("hidden", weights, np.zeros(neurons, np.int64))))


@pytest.mark.parametrize(
    ("network", "words"),
    [
        (
            wide(features=MAX_WIDTH // 8 + 1),
            f"the input bus is {MAX_WIDTH + 8} bits wide, .* use a narrower bus",
        ),
        (
            wide(bits=MAX_WIDTH + 1),
            f"layer 'encode' is {MAX_WIDTH + 1} bits wide, .* use fewer thresholds",
        ),
        (
            wide(neurons=MAX_WIDTH + 8),
            f"the result is {MAX_WIDTH + 8} bits wide, .* use fewer neurons in the last layer",
        ),
    ],
)
def test_what_amaranth_cannot_connect_is_refused_by_name(network, words):
    with pytest.raises(BadInputError, match=words):
        NetworkCore(network)


@pytest.mark.slow
@pytest.mark.parametrize("network", [wide(features=MAX_WIDTH // 8), wide(neurons=MAX_WIDTH)])
def test_the_widest_that_is_accepted_can_be_connected(network):
    assert "module top(" in generate(network).text


@pytest.mark.parametrize(
    ("target", "verilog"),
    [("portable", "lut3_95[{x[2], x[1], x[0]}]"), ("ice40", "8'h95 >> {x[2], x[1], x[0]}")],
)
def test_a_table_is_written_as_its_target_likes_it(target, verilog):
    logic = Logic("f", 3, find_target(target))
    logic.outputs = [logic.table(0x95, logic.inputs)] * 2
    text = module_verilog(logic, registered=True)
    assert verilog in text
    assert text.count("8'h95") == 1
