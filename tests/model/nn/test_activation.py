import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from htaflow.model.nn.activation import (
    HTAF,
    hard_htaf,
    htaf,
    htaf_derivative,
    sharpness,
    step,
)

# Ranges in which double precision tells neighbouring values apart.
alphas = st.floats(0.5, 12)
betas = st.floats(0.2, 4)
points = st.floats(-3, 3)


def at(x: float) -> torch.Tensor:
    return torch.tensor(x, dtype=torch.float64)


@given(alphas, betas, points)
def test_is_symmetric_about_zero_and_one_half(alpha, beta, x):
    total = htaf(at(x), alpha, beta) + htaf(at(-x), alpha, beta)
    assert total.item() == pytest.approx(1, abs=1e-12)
    assert htaf(at(0.0), alpha, beta) == 0.5


@given(alphas, st.floats(0.2, 2), points, st.floats(1e-3, 3))
def test_is_strictly_increasing(alpha, beta, x, distance):
    assert htaf(at(x), alpha, beta) < htaf(at(x + distance), alpha, beta)
    assert htaf_derivative(at(x), alpha, beta) > 0


@given(alphas, betas, points)
def test_derivative_is_that_of_the_function(alpha, beta, x):
    variable = at(x).requires_grad_()
    (slope,) = torch.autograd.grad(htaf(variable, alpha, beta), variable)
    assert slope.item() == pytest.approx(htaf_derivative(at(x), alpha, beta).item(), abs=1e-12)


@given(alphas, betas)
def test_slope_at_zero_is_a_quarter_of_alpha_beta(alpha, beta):
    assert htaf_derivative(at(0.0), alpha, beta).item() == pytest.approx(alpha * beta / 4)


@given(betas, st.floats(0.01, 3), st.sampled_from([-1, 1]))
def test_tends_to_the_step_as_alpha_grows(beta, distance, side):
    x = at(side * distance)
    errors = [abs(htaf(x, alpha, beta) - step(x)).item() for alpha in (4, 64, 1024, 65536)]
    assert errors == sorted(errors, reverse=True)
    assert errors[-1] < 1e-9


@given(alphas, betas, st.floats(0.01, 3))
def test_gradient_mass_near_zero(alpha, beta, d):
    mass = htaf(at(d), alpha, beta) - htaf(at(-d), alpha, beta)
    assert mass.item() == pytest.approx(torch.tanh(alpha * torch.tanh(beta * at(d)) / 2).item())


@given(st.floats(2.5, 12), st.floats(0.5, 2))
def test_tail_decays_as_stated_and_is_heavier_than_the_sigmoid_of_equal_slope(alpha, beta):
    near, far = at(6 / beta), at(7 / beta)
    decay = htaf_derivative(far, alpha, beta) / htaf_derivative(near, alpha, beta)
    assert decay.item() == pytest.approx(torch.exp(-2 * beta * (far - near)).item(), rel=1e-3)

    def sigmoid_derivative(x: torch.Tensor) -> torch.Tensor:
        value = torch.sigmoid(-alpha * beta * x)  # of -x: 1 - value keeps its digits
        return alpha * beta * value * (1 - value)

    assert sigmoid_derivative(at(0.0)).item() == pytest.approx(
        htaf_derivative(at(0.0), alpha, beta).item()
    )
    thin = sigmoid_derivative(far) / sigmoid_derivative(near)
    assert thin.item() == pytest.approx(torch.exp(-alpha * beta * (far - near)).item(), rel=1e-3)
    assert decay > thin


def test_step_of_zero_is_one():
    x = torch.tensor([-1.0, -0.0, 0.0, 1e-30, -1e-30])
    assert step(x).tolist() == [0, 1, 1, 1, 0]
    assert hard_htaf(x, 4, 1).tolist() == [0, 1, 1, 1, 0]


@given(alphas, betas, st.lists(points, min_size=1, max_size=5))
def test_hard_form_goes_forward_by_the_step_and_back_by_htaf(alpha, beta, xs):
    x = torch.tensor(xs, dtype=torch.float64, requires_grad=True)
    y = hard_htaf(x, alpha, beta)
    assert torch.equal(y, step(x))
    upstream = torch.arange(1, len(xs) + 1, dtype=torch.float64)
    y.backward(upstream)
    torch.testing.assert_close(x.grad, upstream * htaf_derivative(x.detach(), alpha, beta))


def test_module_switches_between_its_forms():
    x = torch.linspace(-2, 2, 9)
    module = HTAF(3.0, 0.5)
    assert torch.equal(module(x), step(x))
    module.hard = False
    assert torch.equal(module(x), htaf(x, 3.0, 0.5))
    assert repr(module) == "HTAF(alpha=3, beta=0.5, hard=False)"
    assert not list(module.parameters())


@pytest.mark.parametrize(("alpha", "beta"), [(0, 1), (1, 0), (-1, 1), (float("nan"), 1)])
def test_module_refuses_parameters_that_are_not_positive(alpha, beta):
    with pytest.raises(ValueError, match="must be positive"):
        HTAF(alpha, beta)


def test_sharpness_rises_geometrically_from_start_to_end():
    assert [sharpness(4, 64, p) for p in (-1, 0, 0.5, 1, 2)] == pytest.approx([4, 4, 16, 64, 64])
