import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from htaflow.model.nn.activation import HTAF
from htaflow.model.nn.binary_linear import BinaryLinear, SparseBinaryLinear
from htaflow.model.nn.block import GroupSum, Hidden, Scores
from htaflow.model.support.errors import BadInputError


def all_frames(bits: int) -> torch.Tensor:
    """Every possible frame of ``bits`` bits, ``[2^bits, bits]``."""
    return ((torch.arange(1 << bits)[:, None] >> torch.arange(bits)) & 1).float()


def random_hidden(seed: int, width: int = 6, neurons: int = 5, fan_in: int = 3) -> Hidden:
    """A layer with coarse parameters of either sign, zeros among them."""
    torch.manual_seed(seed)
    hidden = Hidden(SparseBinaryLinear(width, neurons, fan_in), HTAF())
    norm = hidden.norm
    norm.running_mean = torch.randint(-6, 7, (neurons,)) / 2
    norm.running_var = torch.randint(0, 9, (neurons,)).float()
    with torch.no_grad():
        norm.weight.copy_(torch.randint(-2, 3, (neurons,)) / 2)
        norm.bias.copy_(torch.randint(-4, 5, (neurons,)) / 2)
    return hidden.eval()


def sums(weights: np.ndarray, frames: torch.Tensor) -> np.ndarray:
    return (2 * frames.numpy() - 1) @ weights.T


@given(st.integers(0, 10_000))
def test_lowered_neurons_give_the_hard_bits_for_all_inputs(seed):
    hidden = random_hidden(seed)
    frames = all_frames(6)
    lowered = hidden.lower("hidden1")
    bits = sums(lowered.weights, frames) >= lowered.thresholds
    assert np.array_equal(bits, hidden(frames).detach().numpy())
    low, high = lowered.bounds
    assert np.all((low <= lowered.thresholds) & (lowered.thresholds <= high + 1))


def test_negative_scale_flips_the_weights_and_zero_scale_gives_a_constant():
    hidden = random_hidden(0, neurons=3)
    with torch.no_grad():
        hidden.norm.weight.copy_(torch.tensor([-1.0, 0.0, 0.0]))
        hidden.norm.bias.copy_(torch.tensor([0.0, 0.0, -1.0]))
    lowered = hidden.lower("hidden1")
    assert np.array_equal(lowered.weights[0], -hidden.linear.weight[0].detach().numpy())
    low, high = lowered.bounds
    assert lowered.thresholds[1] == low[1]  # always 1: H(0) = 1
    assert lowered.thresholds[2] == high[2] + 1  # always 0


@pytest.mark.parametrize("name", ["running_mean", "running_var", "weight", "bias"])
@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_lowering_refuses_parameters_that_are_not_finite(name, value):
    hidden = random_hidden(0)
    with torch.no_grad():
        getattr(hidden.norm, name)[2] = value
    with pytest.raises(BadInputError, match=rf"tensor 'hidden1\.norm\.{name}' holds {value} at"):
        hidden.lower("hidden1")


def test_lowering_refuses_latents_that_are_no_number():
    scores = Scores(BinaryLinear(3, 2))
    with torch.no_grad():
        scores.linear.latent[1, 2] = float("nan")
    with pytest.raises(BadInputError, match=r"'scores.linear.latent' holds nan at \[1, 2\]"):
        scores.lower("scores")


def test_lowering_refuses_a_negative_variance():
    hidden = random_hidden(0)
    hidden.norm.running_var[1] = -1
    with pytest.raises(BadInputError, match="neuron 1 has variance -1"):
        hidden.lower("hidden1")


def test_calibration_takes_the_statistics_of_all_frames():
    hidden = random_hidden(3)
    frames = all_frames(6)[:50]
    hidden.calibrate(frames.split(7))
    acc = hidden.linear(frames).double()
    torch.testing.assert_close(hidden.norm.running_mean.double(), acc.mean(0))
    torch.testing.assert_close(hidden.norm.running_var.double(), acc.var(0, correction=0))


def test_votes_count_each_class_own_run_of_bits():
    votes = GroupSum(2)
    assert votes(torch.tensor([[1.0, 1, 0, 0, 0, 1]])).tolist() == [[2, 1]]
    assert votes.lower("vote").groups == 2
    assert repr(votes) == "GroupSum(classes=2)"


def test_scores_are_lowered_to_sums_without_thresholds():
    scores = Scores(BinaryLinear(6, 3))
    lowered = scores.lower("scores")
    assert lowered.thresholds is None
    frames = all_frames(6)
    assert np.array_equal(sums(lowered.weights, frames), scores(frames).detach().numpy())


def test_training_normalises_by_the_batch():
    hidden = Hidden(BinaryLinear(4, 3), HTAF(hard=False)).train()
    y = hidden(all_frames(4))
    assert y.shape == (16, 3)
    assert torch.all((y > 0) & (y < 1))
