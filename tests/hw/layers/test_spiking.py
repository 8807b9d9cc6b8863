# amaranth: UnusedElaboratable=no
"""Spiking networks in hardware: golden, the logic of a step, and the simulated Verilog agree."""

import json
from dataclasses import replace

import numpy as np
import pytest
from conftest import write_run
from hypothesis import given, settings
from hypothesis import strategies as st
from networks import ENDINGS, random_frames, random_spiking, random_spiking_network

from htaflow.flows.report.report import report
from htaflow.hw.layers.spiking import membrane_widths, spiking_logic
from htaflow.hw.logic.evaluate import evaluate
from htaflow.hw.logic.target import PORTABLE, TARGETS
from htaflow.hw.network import NetworkCore
from htaflow.hw.stream.layout import layouts
from htaflow.hw.verilog import generate
from htaflow.model.integer import golden
from htaflow.model.integer.network import Accumulate, Encode, Network, Spiking, Steps, Values
from htaflow.model.support.errors import MismatchError
from htaflow.model.support.files import write_atomic
from htaflow.sim.verify import verify_rtl


def to_bits(numbers, widths):
    """Columns ``[N, count]`` of numbers as bits, low bit first, each as wide as ``widths`` says."""
    columns = [
        column[:, None] >> np.arange(width) & 1
        for column, width in zip(numbers.T.astype(np.int64), widths, strict=True)
    ]
    return np.concatenate(columns, axis=1).astype(bool)


@settings(max_examples=60)
@given(
    seed=st.integers(0, 2**32 - 1),
    steps=st.integers(1, 6),
    fan_in=st.sampled_from([1, 3, 6, 70]),
    target=st.sampled_from([PORTABLE, TARGETS["ecp5"], TARGETS["xilinx"]]),
    summed=st.booleans(),
)
def test_the_logic_of_every_step_is_golden(seed, steps, fan_in, target, summed):
    rng = np.random.default_rng(seed)
    inputs = max(8, fan_in)
    layer = random_spiking(rng, "hidden", inputs, 5, fan_in=fan_in)
    values = Values((inputs,), 0, 1, steps)
    logic = spiking_logic(layer, values, target, summed=summed)
    sums = layer.sums.output(values)
    widths = [membrane.width for membrane in membrane_widths(layer, steps)]
    frames = 20
    membranes = np.zeros((frames, 5), np.int64)
    spiked = np.zeros((frames, 5), bool)
    for _ in range(steps):
        bits = rng.integers(0, 2, (frames, inputs))
        fed = 2 * bits - 1 if layer.inputs == "bipolar" else bits
        acc = fed @ layer.weights.T.astype(np.int64)
        came = to_bits(acc, [sums.width] * 5) if summed else bits.astype(bool)
        state = [to_bits(membranes, widths)]
        if layer.reset == "subtract":
            state.append(spiked)
        found = evaluate(logic, np.concatenate([came, *state], axis=1))
        rest = layer.rest(membranes.T, spiked.T, slice(None)).T
        current = (acc << layer.fraction) + (0 if layer.biases is None else layer.biases)
        after = rest + current
        spiked = after >= layer.thresholds
        membranes = np.where(spiked, 0, after) if layer.reset == "zero" else after
        assert np.array_equal(found[:, :5], spiked)
        assert np.array_equal(found[:, 5:], to_bits(membranes, widths))


def simulate(network, folder, bus_bits=None, frames=30, **options):
    """Verify the hardware of ``network``, made with ``options``; return the result."""
    result = verify_rtl(write_run(folder / "run", network, frames, bus_bits, **options))
    assert (result["mismatches"], result["problems"]) == (0, [])
    return result


@pytest.mark.parametrize("seed", range(10))
def test_random_spiking_networks_simulate_as_golden_computes(seed, tmp_path):
    rng = np.random.default_rng(seed)
    network = random_spiking_network(
        rng,
        steps=int(rng.integers(1, 7)),
        bits=int(rng.integers(1, 20)),
        hidden=tuple(rng.integers(1, 12, rng.integers(1, 4)).tolist()),
        fan_in=[1, 4, 6, None][rng.integers(4)],
        ending=ENDINGS[seed % len(ENDINGS)],
    )
    depths = {"depth": [None, 1, 4][seed % 3], "target": [PORTABLE, TARGETS["ecp5"]][seed % 2]}
    simulate(network, tmp_path, [None, 16][seed // len(ENDINGS) % 2], **depths)


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(10, 110))
def test_many_random_spiking_networks_simulate_as_golden_computes(seed, tmp_path):
    test_random_spiking_networks_simulate_as_golden_computes(seed, tmp_path)


@pytest.mark.parametrize(("steps", "bus_bits", "beats"), [(1, None, 1), (7, None, 1), (4, 8, 12)])
def test_cycles_are_those_of_the_formulas(steps, bus_bits, beats, tmp_path, rng):
    network = random_spiking_network(rng, steps=steps, features=24, stateless=0.0)
    result = simulate(network, tmp_path, bus_bits)
    assert layouts(network, bus_bits)[0].beats == beats
    # Two hidden layers and the vote pass a step a cycle; then its last is added, then the class.
    latency = beats + 1 + 2 + 1 + (steps - 1) + 1 + 1
    assert result["latency_cycles"] == {"predicted": latency, "measured": latency, "wrong": 0}
    interval = max(steps, beats)
    assert result["interval_cycles"] == {"predicted": interval, "measured": interval, "wrong": 0}


def test_a_deep_step_gets_its_sums_from_registers_before_it():
    rng = np.random.default_rng(1)
    network = random_spiking_network(rng, hidden=(6,), bits=64, fan_in=60, stateless=0.0)
    shallow, deep = (NetworkCore(network, depth=depth) for depth in (None, 4))
    assert deep.latency > shallow.latency
    assert deep.interval == shallow.interval == 4


def test_no_layer_is_called_as_what_is_put_before_a_deep_step(tmp_path):
    rng = np.random.default_rng(1)
    made = random_spiking_network(rng, hidden=(6, 5), bits=24, fan_in=20, stateless=0.0)
    names = {"hidden1": "h__sums", "hidden2": "h"}
    layers = [replace(layer, name=names.get(layer.name, layer.name)) for layer in made.layers]
    network = Network("named", tuple(layers))
    assert {"h__sums", "h"} <= {layer.name for layer in network.layers}
    simulate(network, tmp_path, depth=3)


def test_registers_are_as_wide_as_the_bounds_say():
    weights = np.array([[1, 1, 1, -1], [1, 0, 0, 0]])
    layer = Spiking("hidden", weights, np.array([2, 1]), leak=1)
    widths = [membrane.width for membrane in membrane_widths(layer, 100)]
    assert widths == [4, 1]  # -2..4, and 0..1


def test_a_frame_leaves_nothing_for_the_next(tmp_path):
    """A neuron that would spike if it remembered: it never does, whatever comes between frames."""
    encode = Encode("encode", 1, 1, False, np.array([0]), np.array([1]))
    layer = Spiking("hidden", np.array([[1]]), np.array([4]))
    network = Network("forgets", (encode, Steps("steps", 3), layer, Accumulate("count")))
    frames = random_frames(network, np.random.default_rng(2), 30)
    assert frames.any()
    assert not golden.run(network, frames)["scores"].any()
    simulate(network, tmp_path)


def test_a_wrong_spike_is_named_with_its_step(tmp_path, rng):
    network = random_spiking_network(rng, steps=3, hidden=(6,), stateless=0.0, ending="scores")
    run = write_run(tmp_path / "run", network, 20, None)
    layers = list(network.layers)
    layers[2] = replace(layers[2], thresholds=layers[2].thresholds + 1)
    other = generate(Network(network.name, tuple(layers)))
    text = other.text.replace(other.interface["digest"], network.digest)
    write_atomic(run / "rtl" / "top.v", text)
    with pytest.raises(MismatchError, match=r"layer 'hidden1', neuron [0-5], step [0-2], cycle"):
        verify_rtl(run)


def test_a_network_of_steps_has_a_report(tmp_path, rng):
    run = write_run(tmp_path / "run", random_spiking_network(rng), 20, None)
    verify_rtl(run)
    report(run)
    facts = json.loads((run / "report" / "report.json").read_text())
    layers = facts["network"]["layers"]
    assert [layer["type"] for layer in layers].count("Spiking") >= 1
    assert "in each of 4 steps" in str(layers)
    assert "Steps, 4 steps" in (run / "report" / "index.html").read_text()
