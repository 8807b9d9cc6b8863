import dataclasses

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from htaflow.model.integer import golden
from htaflow.model.integer.golden import executor, popcount
from htaflow.model.integer.network import (
    ArgMax,
    Dense,
    Encode,
    GroupSum,
    IntArray,
    Network,
    Quantise,
)
from htaflow.model.support.errors import BadInputError


def random_dense(
    rng: np.random.Generator,
    name: str,
    shape: tuple[int, int],
    fan_in: int,
    inputs: str,
    scores: bool = False,
    bits: int = 2,
) -> Dense:
    weights = np.zeros(shape, int)
    half = 1 << (bits - 1)
    for row in weights:
        magnitudes = rng.integers(1, half, fan_in) if bits > 2 else 1
        signs = rng.choice([-1, 1], fan_in)
        row[rng.choice(shape[1], fan_in, replace=False)] = signs * magnitudes
    if bits > 2:
        weights[::5, np.flatnonzero(weights[0])[0]] = -half
    if scores:
        return Dense(name, weights, None, inputs)
    low, high = Dense(name, weights, None, inputs).bounds
    return Dense(name, weights, rng.integers(low, high + 2), inputs)


def plain_sums(layer: Dense, bits: IntArray) -> IntArray:
    """What the docstring of Dense says, as one matrix product."""
    values = 2 * bits - 1 if layer.inputs == "bipolar" else bits
    return values.astype(np.int64) @ layer.weights.T.astype(np.int64)


@given(
    seed=st.integers(0, 2**32 - 1),
    frames=st.sampled_from([0, 1, 63, 64, 65, 200]),
    fan_in=st.sampled_from([1, 2, 3, 6, 7, 48, 49, 70]),
    inputs=st.sampled_from(["bipolar", "unipolar"]),
    weight_bits=st.integers(2, 8),
)
def test_golden_is_the_plain_arithmetic(
    seed: int, frames: int, fan_in: int, inputs: str, weight_bits: int
) -> None:
    rng = np.random.default_rng(seed)
    first = random_dense(rng, "first", (12, 70), fan_in, inputs, bits=weight_bits)
    last = random_dense(
        rng, "last", (5, 12), min(fan_in, 12), inputs, scores=True, bits=weight_bits
    )
    source = rng.integers(0, 30, 70)
    threshold = rng.integers(-8, 9, 70)
    network = Network(
        "net", (Encode("encode", 30, 4, True, source, threshold), first, last, ArgMax("classify"))
    )
    x = rng.integers(-8, 8, (frames, 30))
    values = golden.trace(network, x)
    bits = (x[:, source] >= threshold).astype(int)
    assert np.array_equal(values["encode"], bits)
    bits = (plain_sums(first, bits) >= first.thresholds).astype(int)
    assert np.array_equal(values["first"], bits)
    scores = plain_sums(last, bits)
    assert np.array_equal(values["last"], scores)
    assert np.array_equal(values["classify"][:, 0], scores.argmax(axis=1))


@given(
    seed=st.integers(0, 2**32 - 1),
    feature_bits=st.integers(1, 16),
    signed=st.booleans(),
    weight_bits=st.integers(2, 8),
    data=st.data(),
)
def test_integers_are_weighed_exactly(
    seed: int, feature_bits: int, signed: bool, weight_bits: int, data: st.DataObject
) -> None:
    rng = np.random.default_rng(seed)
    kept = data.draw(st.integers(1, feature_bits))
    quantise = Quantise("quantise", 9, feature_bits, signed, kept)
    first = random_dense(rng, "first", (70, 9), 5, "unipolar", scores=True, bits=weight_bits)
    last = random_dense(rng, "last", (3, 70), 60, "bipolar", scores=True)
    low, high = first.bounds_up_to((1 << kept) - 1)
    first = dataclasses.replace(first, thresholds=rng.integers(low, high + 2))
    network = Network("net", (quantise, first, last, ArgMax("classify")))
    x = rng.integers(network.input.low, network.input.high + 1, (130, 9))
    values = golden.trace(network, x)
    numbers = (x - network.input.low) // (1 << (feature_bits - kept))
    assert numbers.max() < 1 << kept
    assert np.array_equal(values["quantise"], numbers)
    bits = (plain_sums(first, numbers) >= first.thresholds).astype(int)
    assert np.array_equal(values["first"], bits)
    assert np.array_equal(values["last"], plain_sums(last, bits))


def test_sums_too_large_for_single_precision_are_exact() -> None:
    rng = np.random.default_rng(4)
    weights = rng.integers(-128, 128, (3, 200))
    weights[:, :2] = [[127, 0], [0, 1], [3, 5]]
    network = Network(
        "net",
        (Quantise("quantise", 200, 16, False, 16), Dense("sums", weights, None, "unipolar")),
    )
    x = rng.integers(65000, 65536, (20, 200))
    assert np.array_equal(golden.run(network, x)["scores"], x @ weights.T)


def test_votes_and_scores_that_are_bits_can_be_summed() -> None:
    encode = Encode("encode", 3, 1, False, np.arange(3), np.ones(3, int))
    last = Dense("last", np.array([[1, 1, -1]]))
    x = np.array([[0, 1, 1], [1, 1, 0], [0, 0, 0]])
    expected = (2 * x - 1) @ [1, 1, -1]
    for between in (GroupSum("votes", 3), Dense("same", np.eye(3, dtype=int), None, "unipolar")):
        result = golden.run(Network("net", (encode, between, last)), x)
        assert np.array_equal(result["scores"][:, 0], expected)


@pytest.mark.parametrize("dtype", [np.uint8, np.int16, np.int64, np.uint64])
def test_features_of_any_integer_type_are_compared_exactly(dtype: type) -> None:
    source = np.array([0, 0, 1, 1, 0])
    threshold = np.array([0, 128, 255, 256, 1])
    encode = Encode("encode", 2, 8, False, source, threshold)
    x = np.array([[0, 0], [1, 254], [127, 255], [128, 128], [255, 255]], dtype)
    bits = golden.run(Network("net", (encode,)), x)["bits"]
    assert np.array_equal(bits, x[:, source].astype(int) >= threshold)


@pytest.mark.parametrize("inputs", ["bipolar", "unipolar"])
def test_more_neurons_than_are_computed_at_once(inputs: str) -> None:
    rng = np.random.default_rng(2)
    weights = rng.choice([-1, 0, 1], (2500, 90)) * (rng.random((2500, 90)) < 0.8)
    weights[:, 0] = 1  # no neuron is without a wire
    weights[::2, 7:] = 0
    thresholds = rng.integers(0, 2, 2500)
    layer = Dense("hidden", weights, thresholds, inputs)
    assert min(layer.fan_in) <= popcount.WIDE_FAN_IN < max(layer.fan_in)
    encode = Encode("encode", 90, 1, False, np.arange(90), np.ones(90, int))
    x = rng.integers(0, 2, (130, 90))
    bits = golden.run(Network("net", (encode, layer)), x)["bits"]
    assert np.array_equal(bits, plain_sums(layer, x) >= thresholds)


def test_many_frames_are_the_same_as_few(monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(1)
    network = Network(
        "net",
        (
            Encode("encode", 8, 4, False, np.arange(8), np.full(8, 5)),
            random_dense(rng, "hidden", (6, 8), 3, "bipolar"),
            GroupSum("vote", 3),
            ArgMax("classify"),
        ),
    )
    x = rng.integers(0, 16, (300, 8))
    whole = golden.run(network, x)
    monkeypatch.setattr(executor, "_BLOCK", 128)
    for name, values in golden.run(network, x).items():
        assert np.array_equal(values, whole[name])
    assert set(whole) == {"class", "scores"}


def test_a_tie_goes_to_the_lowest_index() -> None:
    network = Network(
        "net",
        (
            Encode("encode", 4, 1, False, np.arange(4), np.ones(4, int)),
            GroupSum("vote", 4),
            ArgMax("classify"),
        ),
    )
    result = golden.run(network, [[0, 1, 0, 1], [0, 0, 0, 0]])
    assert result["class"].tolist() == [[1], [0]]


@pytest.mark.parametrize(
    ("frames", "message"),
    [
        (
            np.zeros((2, 3), int),
            r"shape \[2, 3\]; network 'net' takes integers \[N, 4\]",
        ),
        (np.zeros(4, int), r"frames have shape \[4\]"),
        (np.zeros((2, 4)), "frames hold float64; give integers"),
        (np.array([[0, 0, 0, 0], [0, 0, 16, 0]]), r"frame 1, feature 2: 16 is outside 0\.\.15"),
        (np.array([[0, -1, 0, 0]]), "frame 0, feature 1: -1"),
    ],
)
def test_bad_frames_are_refused(frames: np.ndarray, message: str) -> None:
    encode = Encode("encode", 4, 4, False, np.arange(4), np.full(4, 8))
    with pytest.raises(BadInputError, match=message):
        golden.run(Network("net", (encode, GroupSum("vote", 2))), frames)
