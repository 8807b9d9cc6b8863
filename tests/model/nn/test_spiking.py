"""Spiking layers: what they compute, how wide a membrane gets, and what is refused."""

import itertools
import re

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from networks import random_frames, random_spiking, random_spiking_network

from htaflow.model.integer import golden
from htaflow.model.integer.file import load_network, save_network
from htaflow.model.integer.golden import executor
from htaflow.model.integer.network import (
    Accumulate,
    ArgMax,
    Dense,
    Encode,
    GroupSum,
    Lookup,
    Network,
    Spiking,
    Steps,
)
from htaflow.model.support.errors import BadInputError


def step_by_step(layer, bits):
    """The docstring of Spiking in plain words: bits ``[steps, in]`` to spikes and membranes."""
    spikes, membranes = [], []
    for n, weights in enumerate(layer.weights.tolist()):
        v, spiked = 0, False
        for step, row in enumerate(bits.tolist()):
            if layer.leak is not None:
                v = v - v // 2**layer.leak
            if spiked and layer.reset == "zero":
                v = 0
            elif spiked:
                v -= int((layer.thresholds if layer.drops is None else layer.drops)[n])
            fed = [2 * bit - 1 if layer.inputs == "bipolar" else bit for bit in row]
            acc = sum(w * x for w, x in zip(weights, fed, strict=True))
            v += acc * 2**layer.fraction
            v += 0 if layer.biases is None else int(layer.biases[n])
            spiked = v >= layer.thresholds[n]
            spikes.append((step, n, spiked))
            membranes.append((step, n, v))
    shape = len(bits), len(layer.weights)
    return tuple(
        np.array([value for _, _, value in sorted(found)]).reshape(shape)
        for found in (spikes, membranes)
    )


@settings(max_examples=40)
@given(st.integers(0, 2**32 - 1), st.integers(1, 9), st.sampled_from([0, 1, 63, 64, 70]))
def test_golden_is_the_plain_arithmetic(seed, steps, frames):
    rng = np.random.default_rng(seed)
    network = random_spiking_network(rng, steps=steps, ending="class of votes")
    x = random_frames(network, rng, frames)
    found = golden.trace(network, x)
    for frame in {0, frames // 2, frames - 1} if frames else ():
        bits = found["encode"][frame]
        layer = network.layers[1]
        split = layer.coding == "split"
        bits = bits.reshape(steps, -1) if split else np.tile(bits, (steps, 1))
        for layer in network.layers[1:]:
            if isinstance(layer, Spiking):
                bits, _ = step_by_step(layer, bits)
            elif isinstance(layer, Dense):
                fed = 2 * bits - 1 if layer.inputs == "bipolar" else bits * 1
                bits = fed @ layer.weights.T >= layer.thresholds
            elif isinstance(layer, Lookup):
                places = 1 << np.arange(layer.source.shape[1])
                index = bits[:, layer.source] @ places
                bits = layer.tables[np.arange(len(layer.tables)), index]
            elif isinstance(layer, GroupSum):
                bits = bits.reshape(steps, layer.groups, -1).sum(axis=2)
            elif isinstance(layer, Accumulate):
                bits = bits.sum(axis=0)
            elif isinstance(layer, ArgMax):
                bits = bits.argmax()[None]
            assert np.array_equal(found[layer.name][frame], bits), layer.name
    if frames:
        assert found["steps"].shape[:2] == (frames, steps)


def test_many_frames_are_the_same_as_few(monkeypatch):
    rng = np.random.default_rng(1)
    network = random_spiking_network(rng, steps=3)
    x = random_frames(network, rng, 500)
    whole = golden.trace(network, x)
    monkeypatch.setattr(executor, "_BLOCK", 256)
    for name, values in golden.trace(network, x).items():
        assert np.array_equal(values, whole[name])


def attacks(layer, rng, steps):
    """Inputs ``[steps, in]`` that drive some neuron's membrane as far as they can."""
    inputs = layer.weights.shape[1]
    row = layer.weights[rng.integers(len(layer.weights))]
    most = (row > 0).astype(int)
    up = np.tile(most, (steps, 1))
    yield up
    yield 1 - up
    yield rng.integers(0, 2, (steps, inputs))
    change = rng.integers(0, steps + 1)
    yield np.concatenate([up[:change], 1 - up[change:]])
    yield np.concatenate([1 - up[:change], up[change:]])
    # Just below the threshold for long, then all at once.
    slow = np.where(rng.random((steps, inputs)) < rng.random(), up, 1 - up)
    slow[change:] = most
    yield slow


@given(st.integers(0, 2**32 - 1), st.sampled_from([1, 2, 3, 8, 40, 300]))
def test_no_input_drives_a_membrane_out_of_its_bounds(seed, steps):
    rng = np.random.default_rng(seed)
    layer = random_spiking(rng, "hidden", 5, 3)
    low, high = layer.membranes(steps)
    for bits in attacks(layer, rng, steps):
        _, membranes = step_by_step(layer, bits)
        assert (low <= membranes.min(axis=0)).all()
        assert (membranes.max(axis=0) <= high).all()


@given(st.integers(0, 2**32 - 1), st.integers(1, 12))
def test_the_bounds_hold_every_membrane_that_can_be_reached(seed, steps):
    rng = np.random.default_rng(seed)
    layer = random_spiking(rng, "hidden", 3, 1)
    low, high = layer.membranes(steps)
    fed = np.array(list(itertools.product((0, 1), repeat=3)))
    sums = (2 * fed - 1 if layer.inputs == "bipolar" else fed) @ layer.weights[0].astype(int)
    bias = 0 if layer.biases is None else int(layer.biases[0])
    currents = {int(acc) * 2**layer.fraction + bias for acc in sums}
    drop = int((layer.thresholds if layer.drops is None else layer.drops)[0])
    states, seen = {0}, {0}
    first = True
    for _ in range(steps):
        after = set()
        for v in states:
            left = v if layer.leak is None else v - (v >> layer.leak)
            if not first and v >= layer.thresholds[0]:
                left = 0 if layer.reset == "zero" else left - drop
            after |= {left + current for current in currents}
        states, first = after, False
        seen |= states
    assert low[0] <= min(seen)
    assert max(seen) <= high[0]


def test_the_bounds_of_neurons_that_one_can_follow():
    def bounds(steps, **options):
        layer = Spiking("a", np.array([[1, 1, 1, -1]]), np.array([2]), **options)
        low, high = layer.membranes(steps)
        return int(low[0]), int(high[0])

    assert bounds(1) == (-1, 3)
    assert bounds(4) == (-4, 6)  # the sum is at most 3, and a spike takes 2
    assert bounds(4, reset="zero") == (-4, 4)
    assert bounds(100, leak=1) == (-2, 4)
    assert bounds(100, leak=1, reset="zero") == (-1, 4)  # -1 leaks to 0
    assert bounds(100)[0] == -100


WEIGHTS = np.array([[1, -1, 0, 0], [0, 1, 1, 1]])


def chain(*layers):
    """The problems of a network of four bits and ``layers``."""
    encode = Encode("encode", 4, 4, False, np.arange(4), np.full(4, 8))
    try:
        Network("net", (encode, *layers))
    except BadInputError as error:
        return str(error)
    return ""


def spiking(**options):
    """A good layer, or one that ``options`` make bad."""
    return Spiking("hidden", **{"weights": WEIGHTS, "thresholds": np.array([1, 2])} | options)


def in_steps(**options):
    return Steps("steps", 4), spiking(**options), Accumulate("count")


def test_a_good_network_has_no_problems():
    assert chain(*in_steps()) == ""
    assert chain(*in_steps(biases=np.array([-1, 3]), drops=np.array([1, 1]), leak=3)) == ""
    assert chain(Steps("steps", 2, "split"), Accumulate("count"), ArgMax("argmax")) == ""


@pytest.mark.parametrize(
    ("layers", "words"),
    [
        ([Steps("steps", 0), Accumulate("count")], "'steps': it has 0 steps; use 1 to 1024"),
        ([Steps("steps", 2, "rate"), Accumulate("count")], "'steps': coding is 'rate'"),
        ([Steps("steps", 3, "split"), Accumulate("count")], "4 bits do not divide into 3 equal"),
        ([Steps("steps", 2), Steps("again", 2)], "'again': it is within the steps of another"),
        ([GroupSum("vote", 2), Steps("steps", 2)], "'steps': it is fed 2 integers 0..2, but pres"),
        ([Steps("steps", 2)], "network: it ends within the steps of a frame; put an Accumulate"),
        ([Accumulate("count")], "'count': there are no steps to sum over"),
        ([spiking()], "'hidden': it has no steps to add up in; put a Steps before it"),
        (
            [Steps("steps", 2), GroupSum("vote", 2), ArgMax("argmax")],
            "'argmax': it does not work step by step; put an Accumulate",
        ),
        (in_steps(leak=0), "'hidden': leak is 0, no shift in 1..15"),
        (in_steps(leak=16), "'hidden': leak is 16, no shift"),
        (in_steps(fraction=-1), "'hidden': fraction is -1; use 0 to 30"),
        (in_steps(reset="none"), "'hidden': reset is 'none'; use 'subtract' or 'zero'"),
        (in_steps(inputs="ternary"), "'hidden': inputs is 'ternary'"),
        (in_steps(weights=WEIGHTS[:, :3]), "'hidden': weights take 3 inputs, but 4 bits"),
        (in_steps(weights=WEIGHTS * 0), "'hidden': neuron 0: fan-in 0"),
        (in_steps(thresholds=np.array([1])), r"'hidden': thresholds have shape \[1\]; use \[2\]"),
        (in_steps(biases=np.array([1])), r"'hidden': biases have shape \[1\]; use \[2\]"),
        (in_steps(drops=np.array([1])), r"'hidden': drops have shape \[1\]; use \[2\]"),
        (in_steps(thresholds=np.array([1, 0])), "'hidden': neuron 1: threshold 0 makes it spike"),
        (in_steps(drops=np.array([0, 1])), "'hidden': neuron 0: a spike takes 0 from"),
        (in_steps(drops=np.array([1, 1]), reset="zero"), "'hidden': it has drops, but a spike"),
        (in_steps(thresholds=np.array([1, 1 << 40])), "'hidden': its thresholds, drops or biases"),
        (
            in_steps(fraction=30),
            "'hidden': neuron 1: in 4 steps its membrane can take more",
        ),
    ],
)
def test_what_makes_no_sense_is_refused(layers, words):
    problems = chain(*layers)
    assert re.search(words, problems), problems


def test_a_file_gives_the_same_network_back(tmp_path, rng):
    network = random_spiking_network(rng)
    save_network(network, tmp_path / "network.safetensors")
    assert load_network(tmp_path / "network.safetensors").digest == network.digest


def test_the_encoder_need_keep_only_what_a_step_reads():
    weights = np.array([[0, 1, 0, 1]])
    layer = Spiking("hidden", weights, np.array([1]))
    for coding, copies in (("direct", 1), ("split", 3)):
        bits = 4 * copies
        encode = Encode("encode", 4, 4, False, np.arange(bits) % 4, np.full(bits, 8))
        network = Network("net", (encode, Steps("steps", 3, coding), layer, Accumulate("count")))
        read = [1, 3, 5, 7, 9, 11][: 2 * copies]
        assert network.used_bits.tolist() == read
