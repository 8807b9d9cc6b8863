"""Neurons built of shared sums compute what they are defined to, for every input."""

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from layer_logic import check_logic
from networks import random_frames

from htaflow.hw.layers.dense import dense_logic
from htaflow.hw.logic.evaluate import evaluate
from htaflow.hw.logic.netlist import FALSE, TRUE, Logic
from htaflow.hw.logic.sums import shared_count
from htaflow.hw.logic.sums.shared_count import SharedCounts, shared_counts
from htaflow.hw.logic.sums.sharing import bit_cost, direct_cost, share
from htaflow.hw.logic.target import TARGETS
from htaflow.model.integer.network import ArgMax, Dense, Encode, Network, Values


def random_flips(neurons, bits, seed=0):
    return np.random.default_rng(seed).integers(0, 2, (neurons, bits)).astype(bool)


@st.composite
def dense_cases(draw):
    """Flips of neurons that read all bits, some of them constant or inverted, and a target."""
    bits = draw(st.integers(7, 9))
    neurons = draw(st.integers(2, 12))
    flips = random_flips(neurons, bits + 2, draw(st.integers(0, 2**32 - 1)))
    thresholds = draw(st.lists(st.integers(-2, bits + 4), min_size=neurons, max_size=neurons))
    inverted = draw(st.lists(st.booleans(), min_size=bits, max_size=bits))
    return flips, thresholds, inverted, draw(st.sampled_from(sorted(TARGETS)))


@settings(max_examples=60, deadline=None)
@given(dense_cases(), st.booleans())
def test_shared_counts_are_their_integer_definition_for_every_input(case, by_modules):
    flips, thresholds, inverted, target = case
    bits = len(inverted)
    logic = Logic("f", bits, TARGETS[target])
    nets = [
        logic.invert(net) if flip else net for net, flip in zip(logic.inputs, inverted, strict=True)
    ]
    nets = [TRUE, *nets, FALSE]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(shared_count, "INLINE_BITS", 0 if by_modules else 1 << 30)
        # The plan may be dearer than separate neurons here, and must be right all the same.
        patch.setattr(shared_count, "FEWEST_BITS", 1)
        patch.setattr(shared_count, "direct_cost", lambda *_: float("inf"))
        counts = shared_counts(logic, nets, flips)
        assert counts is not None
        numbers = [counts.number(n) for n in range(len(flips))]
        reached = [counts.at_least(n, threshold) for n, threshold in enumerate(thresholds)]
    logic.outputs = [*reached, *(net for number, _, _ in numbers for net in number)]
    frames = np.array(list(itertools.product([False, True], repeat=bits)))
    seen = frames ^ np.array(inverted)
    seen = np.pad(seen, ((0, 0), (1, 1)), constant_values=((0, 0), (True, False)))
    expected = (seen[:, None, :] ^ flips).sum(axis=2)
    result = evaluate(logic, frames)
    assert np.array_equal(result[:, : len(flips)], expected >= np.array(thresholds))
    at = len(flips)
    for n, (number, sign, constant) in enumerate(numbers):
        value = result[:, at : at + len(number)] @ (1 << np.arange(len(number)))
        assert np.array_equal(sign * value + constant, expected[:, n])
        at += len(number)


@pytest.mark.parametrize("target", TARGETS)
@pytest.mark.parametrize("inputs", ["bipolar", "unipolar"])
def test_dense_networks_are_golden(target, inputs):
    rng = np.random.default_rng(3)
    for bits, hidden, classes in ((20, 9, 4), (65, 17, 10), (9, 40, 2)):
        weights = rng.choice((-1, 1), (hidden, bits))
        weights[1] = weights[0]  # a neuron twice, and one that is another's complement
        weights[2] = -weights[3]
        weights[4, 5] = 0  # and one that does not read all
        thresholds = np.rint(rng.normal(0, 3, hidden)).astype(int)
        thresholds[1] = thresholds[0]
        low, high = Dense("hidden", weights, None, inputs).bounds
        thresholds = np.clip(thresholds, low, high)
        thresholds[5:7] = high[5] + 1, low[6]  # never and always
        head = rng.choice((-1, 1), (classes, hidden))
        network = Network(
            "dense",
            (
                Encode("encode", bits, 1, False, np.arange(bits), np.ones(bits, np.int64)),
                Dense("hidden", weights, thresholds, inputs),
                Dense("head", head, None, inputs),
                ArgMax("argmax"),
            ),
        )
        check_logic(network, target, random_frames(network, rng, 1000))


def test_wide_layers_count_by_few_modules_and_compute_the_same(monkeypatch):
    weights = np.where(random_flips(30, 200), -1, 1)
    layer = Dense("wide", weights, np.zeros(30, int))
    values = Values((200,), 0, 1)
    alone = dense_logic(layer, values)
    monkeypatch.setattr(shared_count, "INLINE_BITS", 0)
    logic = dense_logic(layer, values)
    assert logic.table_count < alone.table_count / 2
    modules = {block.module.name for block in logic.blocks}
    assert modules == {"popcount_15", "popcount_31", "popcount_63"}
    frames = random_flips(500, 200, seed=1)
    expected = (frames * 2 - 1) @ weights.T >= 0
    assert np.array_equal(evaluate(logic, frames), expected)
    assert np.array_equal(evaluate(alone, frames), expected)


@pytest.mark.parametrize("target", ["xilinx", "ice40"])
@pytest.mark.parametrize(("neurons", "bits"), [(2, 40), (10, 64), (64, 64), (30, 200)])
def test_the_cost_is_that_of_what_is_built(target, neurons, bits):
    flips = random_flips(neurons, bits)
    lut_inputs = TARGETS[target].lut_inputs
    plan = share(flips, lut_inputs)
    logic = Logic("f", bits, TARGETS[target])
    counts = SharedCounts(logic, list(logic.inputs), plan, [0] * neurons)
    logic.outputs = [counts.at_least(n, bits // 2) for n in range(neurons)]
    # Comparisons and what is left over at the end of a sum are not in the formula.
    built = sum(len(table.inputs) > 1 for _, table in logic.live_drivers())
    width = bits.bit_length()
    assert plan.cost - (neurons + 1) * 2 * width <= built <= plan.cost + neurons * 2 * width


@pytest.mark.parametrize("lut_inputs", [4, 6])
def test_sharing_pays_for_more_than_one_neuron_and_more_for_many(lut_inputs):
    ratios = [
        share(random_flips(neurons, 192), lut_inputs).cost / direct_cost(neurons, 192, lut_inputs)
        for neurons in (1, 2, 8, 64, 512)
    ]
    assert ratios == sorted(ratios, reverse=True)
    assert ratios[0] >= 1 > ratios[1]
    assert ratios[-1] < 0.43


def test_equal_and_opposite_neurons_cost_one_sum():
    flips = np.repeat(random_flips(1, 90), 8, axis=0)
    flips[4:] ^= True
    plan = share(flips, 6)
    assert not plan.differs.any()
    assert plan.bits_added == 90
    assert plan.inverted[:4].sum() in (0, 4)
    assert (plan.inverted[4:] != plan.inverted[:4]).all()


def test_a_plan_counts_every_bit_once():
    flips = random_flips(40, 50)
    plan = share(flips, 6)
    assert len(plan.triples)
    taken = np.zeros((41, 50), int)
    for uses, triple in zip(plan.uses.T, plan.triples, strict=True):
        taken[np.ix_(uses, triple)] += 1
    assert np.array_equal((taken + plan.singles)[1:], plan.differs)
    assert (taken + plan.singles)[0].all()
    assert np.array_equal(plan.differs ^ plan.reference ^ plan.inverted[:, None], flips)
    # A triple has at least as many users as make a full adder pay.
    assert (plan.uses.sum(axis=0) * bit_cost(6) > 2).all()


def test_few_bits_are_left_to_synthesis():
    logic = Logic("f", 15)
    assert shared_counts(logic, list(logic.inputs), random_flips(30, 15)) is None
    logic = Logic("f", 16)
    assert shared_counts(logic, list(logic.inputs), random_flips(30, 16)) is not None
    assert shared_counts(logic, list(logic.inputs), random_flips(1, 16)) is None
