import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from htaflow.model.integer import golden
from htaflow.model.integer.network import Network
from htaflow.model.nn.encode import Encoder, choose_thresholds
from htaflow.model.support.errors import BadInputError


def pairs(frames, count, rule):
    source, threshold = choose_thresholds(np.array(frames), count, rule)
    return list(zip(source.tolist(), threshold.tolist(), strict=True))


def test_one_threshold_over_the_range_of_a_byte_is_its_top_bit():
    assert pairs([[0], [255]], 1, "range") == [(0, 128)]


def test_range_spreads_the_same_thresholds_over_all_features():
    frames = [[0, 0], [16, 7]]
    assert pairs(frames, 3, "range") == [(0, 5), (0, 9), (0, 13), (1, 5)]


def test_quantiles_are_each_feature_own():
    frames = np.stack([np.arange(100), 1000 - 7 * np.arange(100)], axis=1)
    source, threshold = choose_thresholds(frames, 3, "quantiles")
    assert source.tolist() == [0, 0, 0, 1, 1, 1]
    ones = (frames[:, source] >= threshold).mean(axis=0)
    assert ones == pytest.approx([0.75, 0.5, 0.25] * 2, abs=0.02)


def test_rare_values_of_a_feature_still_get_a_threshold():
    frames = np.zeros((50, 1), np.int64)
    frames[7], frames[9] = 4, 9
    assert pairs(frames, 2, "quantiles") == [(0, 4)]


def test_constant_features_get_no_bits_and_only_those_are_refused():
    assert pairs([[3, 1], [3, 2]], 1, "quantiles") == [(1, 2)]
    for rule in ("range", "quantiles"):
        with pytest.raises(BadInputError, match="the same value in all training frames"):
            choose_thresholds(np.full((4, 2), 5), 2, rule)
    with pytest.raises(ValueError, match="at least 1"):
        choose_thresholds(np.eye(2, dtype=np.int64), 0, "range")


@given(
    st.lists(st.lists(st.integers(-50, 50), min_size=3, max_size=3), min_size=2, max_size=12),
    st.integers(1, 6),
    st.sampled_from(["range", "quantiles"]),
)
def test_no_bit_is_constant_on_the_training_frames(frames, count, rule):
    array = np.array(frames)
    try:
        source, threshold = choose_thresholds(array, count, rule)
    except BadInputError:
        return
    bits = array[:, source] >= threshold
    assert bits.any(axis=0).all()
    assert not bits.all(axis=0).any()
    assert len(set(zip(source.tolist(), threshold.tolist(), strict=True))) == len(source)


@pytest.mark.parametrize("signed", [False, True])
def test_lowered_encoder_gives_the_same_bits(signed, rng):
    low = -8 if signed else 0
    frames = rng.integers(low, low + 16, (40, 3))
    encoder = Encoder(3, 4, signed, *choose_thresholds(frames, 3, "quantiles"))
    network = Network("one", (encoder.lower("encode"),))
    bits = encoder(torch.as_tensor(frames))
    assert encoder.bits == bits.shape[1]
    assert np.array_equal(golden.run(network, frames)["bits"], bits.numpy())
