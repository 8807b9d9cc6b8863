"""Frames given in Python: of other types and shapes they work, or are refused in words."""

import numpy as np
import pytest
import torch
from small_models import FRAMES, KINDS, model

from htaflow.model.integer import golden
from htaflow.model.nn.lowering.lower import lower, prove_lowering
from htaflow.model.support.errors import BadInputError


def test_frames_may_be_lists_and_tensors_and_of_any_integers():
    made = model()
    network = lower(made, "made")
    expected = prove_lowering(made, network, FRAMES)
    for frames in (FRAMES.tolist(), torch.as_tensor(FRAMES), FRAMES.astype(np.uint64)):
        assert np.array_equal(prove_lowering(made, network, frames), expected)
        assert np.array_equal(golden.run(network, frames)["class"][:, 0], expected)
        assert np.array_equal(made(frames).argmax(1), expected)


@pytest.mark.parametrize(
    ("frames", "words"),
    [
        (FRAMES[0], r"shape \[18\].*put a single frame into a list"),
        (FRAMES / 1.0, "float64; give integers"),
        (FRAMES > 3, "bool; give integers"),
        (FRAMES[:, :5], r"shape \[60, 5\]"),
        ([[1, 2], [3]], "frames are a list, not an array"),
        (None, "frames are None"),
        ("digits", "frames are a str"),
    ],
)
def test_frames_are_refused_in_words(frames, words):
    made = model()
    network = lower(made, "made")
    for check_them in (
        lambda: prove_lowering(made, network, frames),
        lambda: golden.run(network, frames),
    ):
        with pytest.raises(BadInputError, match=words):
            check_them()


def test_nothing_is_proved_by_no_frames():
    made = model()
    network = lower(made, "made")
    with pytest.raises(BadInputError, match="no frames to prove anything by"):
        prove_lowering(made, network, FRAMES[:0])
    assert golden.run(network, FRAMES[:0])["class"].shape == (0, 1)


def test_frames_may_have_another_order_of_bytes():
    frames, taken = FRAMES.astype(">i4"), model().eval()
    assert torch.equal(taken(frames), taken(torch.from_numpy(FRAMES)))
    network = lower(taken, "taken")
    assert np.array_equal(
        prove_lowering(taken, network, frames), prove_lowering(taken, network, FRAMES)
    )


@pytest.mark.parametrize("value", [0.5, float("nan")])
def test_features_that_are_not_whole_are_refused(value):
    with pytest.raises(BadInputError, match=f"block 'encode': frames hold {value:g}; features are"):
        model()(torch.full((2, 18), value))


@pytest.mark.parametrize("kind", KINDS)
def test_no_frames_have_no_scores(kind):
    assert model(kind).eval()(torch.zeros(0, 18, dtype=torch.int)).shape[0] == 0
