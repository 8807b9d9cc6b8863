"""Random networks: golden, the logic of every layer, and the simulated Verilog agree."""

import numpy as np
import pytest
from conftest import write_run
from hypothesis import given, settings
from hypothesis import strategies as st
from layer_logic import random_choices, to_bits
from networks import networks, random_frames

from htaflow.hw.layers import layer_logic
from htaflow.hw.layers.encode import encode_logic
from htaflow.hw.logic.evaluate import evaluate
from htaflow.hw.stream.layout import InputLayout
from htaflow.model.integer import golden
from htaflow.model.integer.network import ArgMax
from htaflow.sim.verify import verify_rtl


@settings(max_examples=60, deadline=None)
@given(networks(), st.integers(0, 2**32 - 1))
def test_the_logic_of_every_layer_is_golden(network, seed):
    frames = random_frames(network, np.random.default_rng(seed), 100)
    expected = golden.trace(network, frames)
    layout = InputLayout(network.input)
    bits = to_bits(frames, network.encode.feature_bits)
    bits = np.pad(bits, ((0, 0), (0, layout.bus_bits - bits.shape[1])))
    bits = evaluate(encode_logic(network.encode, layout), bits)
    encoded = network.values[network.encode.name]
    assert np.array_equal(bits, to_bits(expected[network.encode.name], encoded.width))
    incoming = network.encode
    for layer in network.layers[1:]:
        bits = evaluate(layer_logic(layer, network.values[incoming.name]), bits)
        wanted = to_bits(expected[layer.name], network.values[layer.name].width)
        if isinstance(layer, ArgMax):  # its scores pass beside the class
            scores = to_bits(expected[incoming.name], network.values[incoming.name].width)
            wanted = np.concatenate([wanted, scores], axis=1)
        assert np.array_equal(bits, wanted), layer.name
        incoming = layer


@pytest.mark.parametrize("seed", range(38))
def test_random_networks_simulate_as_golden_computes(seed, tmp_path):
    network, bus_bits = random_choices(seed)
    result = verify_rtl(write_run(tmp_path / "run", network, 40, bus_bits))
    assert (result["mismatches"], result["problems"]) == (0, [])


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(38, 388))
def test_many_random_networks_simulate_as_golden_computes(seed, tmp_path):
    test_random_networks_simulate_as_golden_computes(seed, tmp_path)
