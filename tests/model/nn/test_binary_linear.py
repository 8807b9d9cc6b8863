import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from htaflow.model.nn.activation import htaf
from htaflow.model.nn.binary_linear import (
    HTAF_ALPHA,
    HTAF_BETA,
    BinaryLinear,
    SparseBinaryLinear,
    binary_sign,
    ternary_sign,
)


def test_sign_of_zero_is_plus_one():
    latent = torch.tensor([[-0.5, -0.0, 0.0, 0.5]])
    assert binary_sign(latent).tolist() == [[-1, 1, 1, 1]]


def test_gradient_goes_straight_through_to_every_latent_weight():
    latent = torch.tensor([[3.0, -0.1, 0.2]], requires_grad=True)
    upstream = torch.tensor([[1.0, 2.0, 3.0]])
    ternary_sign(latent, 1).backward(upstream)
    assert torch.equal(latent.grad, upstream)


@pytest.mark.parametrize("fan_in", [1, 3, 8])
def test_through_htaf_the_gradient_is_that_of_the_smooth_weight(fan_in):
    latent = torch.linspace(-0.3, 0.3, 24, dtype=torch.float64).view(3, 8).requires_grad_()
    upstream = torch.randn(3, 8, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    ternary_sign(latent, fan_in, "htaf").backward(upstream)
    smooth = latent.detach().clone().requires_grad_()
    (2 * htaf(smooth, HTAF_ALPHA, HTAF_BETA) - 1).backward(upstream)
    torch.testing.assert_close(latent.grad, smooth.grad)
    assert (latent.grad != 0).all()  # of the weights that are not kept too


@given(st.integers(1, 9), st.integers(1, 12), st.integers(0, 99))
def test_through_htaf_the_weights_are_the_same(width, fan_in, seed):
    latent = torch.randn(4, width, generator=torch.Generator().manual_seed(seed))
    assert torch.equal(ternary_sign(latent, fan_in, "htaf"), ternary_sign(latent, fan_in))
    assert torch.equal(binary_sign(latent, "htaf"), binary_sign(latent))


@pytest.mark.parametrize("sizes", [(4, 3), (4, 3, 2)])
def test_layers_pass_the_gradient_on_as_asked(sizes):
    kind = BinaryLinear if len(sizes) == 2 else SparseBinaryLinear
    gradients = {}
    for gradient in ("straight-through", "htaf"):
        torch.manual_seed(0)
        layer = kind(*sizes, gradient=gradient)
        layer(torch.tensor([[1.0, 1.0, 1.0, 1.0]])).sum().backward()
        gradients[gradient] = layer.latent.grad
        assert ("gradient=htaf" in repr(layer)) == (gradient == "htaf")
    assert torch.equal(gradients["straight-through"], torch.ones(3, 4))
    slope = HTAF_ALPHA * HTAF_BETA / 2  # twice HTAF's at 0, where it is steepest
    assert ((gradients["htaf"] > 0) & (gradients["htaf"] <= slope)).all()


@given(st.integers(1, 5), st.integers(1, 9), st.integers(1, 12), st.integers(0, 99))
def test_keeps_the_signs_of_the_largest_latents(out, width, fan_in, seed):
    latent = torch.randn(out, width, generator=torch.Generator().manual_seed(seed))
    weight = ternary_sign(latent, fan_in)
    for row, magnitudes, signs in zip(weight, latent.abs(), binary_sign(latent), strict=True):
        kept = row != 0
        assert kept.sum() == min(fan_in, width)
        assert torch.equal(row[kept], signs[kept])
        if not kept.all():
            assert magnitudes[kept].min() >= magnitudes[~kept].max()


def test_equal_latents_do_not_raise_the_fan_in():
    assert (ternary_sign(torch.zeros(2, 8), 3) != 0).sum(dim=1).tolist() == [3, 3]


def test_sums_are_of_bipolar_inputs():
    layer = BinaryLinear(3, 1)
    with torch.no_grad():
        layer.latent.copy_(torch.tensor([[0.5, -0.5, 0.0]]))
    # +1 * (2 - 1), -1 * (0 - 1), +1 * (2 - 1)
    assert layer(torch.tensor([[1.0, 0.0, 1.0]])).tolist() == [[3]]
    assert layer(torch.tensor([[0.0, 1.0, 0.0]])).tolist() == [[-3]]
    assert layer(torch.tensor([[0.5, 0.5, 0.5]])).tolist() == [[0]]


def test_fan_in_is_annealed_from_wide_to_target():
    layer = SparseBinaryLinear(100, 2, 4, 64)
    seen = []
    for progress in (0, 0.5, 1, 7):
        layer.anneal(progress)
        seen.append(layer.fan_in)
        assert (layer.weight != 0).sum(dim=1).tolist() == [layer.fan_in] * 2
    assert seen == [64, 16, 4, 4]


@given(st.integers(1, 20), st.integers(1, 30), st.integers(0, 40), st.floats(-1, 2))
def test_annealing_stays_between_one_and_the_inputs(width, fan_in, start, progress):
    layer = SparseBinaryLinear(width, 1, fan_in, start)
    layer.anneal(progress)
    assert 1 <= layer.target_fan_in <= layer.fan_in <= layer.start_fan_in <= width


def test_reset_draws_from_torch_and_repeats_with_its_seed():
    torch.manual_seed(7)
    first = BinaryLinear(5, 4).latent
    torch.manual_seed(7)
    second = BinaryLinear(5, 4)
    assert torch.equal(first, second.latent)
    second.reset_parameters()
    assert not torch.equal(first, second.latent)


def test_prints_its_sizes():
    assert repr(BinaryLinear(3, 2)) == "BinaryLinear(in_features=3, out_features=2)"
    assert "fan_in=3->2" in repr(SparseBinaryLinear(3, 2, 2, 50))


def test_refuses_bad_sizes():
    with pytest.raises(ValueError, match="at least 1"):
        BinaryLinear(0, 3)
    with pytest.raises(ValueError, match="fan_in must be at least 1"):
        SparseBinaryLinear(3, 3, 0)
