import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from htaflow.model.nn.activation import htaf_derivative, step
from htaflow.model.nn.surrogates import SURROGATES, Surrogate

names = st.sampled_from(sorted(SURROGATES))
slopes = st.floats(0.1, 4)


def at(x: float) -> torch.Tensor:
    return torch.tensor(x, dtype=torch.float64)


@given(names, slopes)
def test_slope_at_zero_is_as_asked(name, slope):
    assert SURROGATES[name](at(0.0), slope).item() == pytest.approx(slope)


@given(names, slopes, st.floats(-5, 5))
def test_derivative_is_symmetric_and_falls_from_zero(name, slope, x):
    derivative = SURROGATES[name]
    here = derivative(at(x), slope).item()
    assert here == pytest.approx(derivative(at(-x), slope).item(), abs=1e-12)
    assert 0 <= here <= derivative(at(x / 2), slope).item() <= derivative(at(0.0), slope).item()


@pytest.mark.parametrize("slope", [0.25, 0.5, 1.0, 3.0])
@pytest.mark.parametrize(("name", "far"), [("straight", 1), ("sigmoid", 10), ("arctan", 1000)])
def test_area_under_the_derivative_is_one(name, slope, far):
    points = torch.linspace(-far / slope, far / slope, 1_000_001, dtype=torch.float64)
    area = torch.trapezoid(SURROGATES[name](points, slope), points)
    beyond = 2 / (math.pi**2 * far) if name == "arctan" else 0
    assert area.item() + beyond == pytest.approx(1, abs=1e-5)


@given(slopes)
def test_straight_is_flat_up_to_its_edge(slope):
    edge = 0.5 / slope
    x = torch.tensor([0.99 * edge, 1.01 * edge], dtype=torch.float64)
    assert SURROGATES["straight"](x, slope).tolist() == [slope, 0]


@given(slopes, st.floats(-3, 3))
def test_sigmoid_and_arctan_are_derivatives_of_their_functions(slope, x):
    functions = {
        "sigmoid": lambda x: torch.sigmoid(4 * slope * x),
        "arctan": lambda x: torch.arctan(math.pi * slope * x) / math.pi,
    }
    for name, function in functions.items():
        variable = at(x).requires_grad_()
        (gradient,) = torch.autograd.grad(function(variable), variable)
        assert SURROGATES[name](at(x), slope).item() == pytest.approx(gradient.item(), abs=1e-12)


@given(slopes)
def test_tails_are_ordered_straight_sigmoid_htaf_arctan_at_equal_slope(slope):
    x = at(4 / slope)
    tails = [SURROGATES[name](x, slope) for name in ("straight", "sigmoid", "arctan")]
    tails.insert(2, htaf_derivative(x, 4.0, slope))
    assert tails == sorted(tails)
    assert len(set(tails)) == 4


@given(names, slopes, st.lists(st.floats(-3, 3), min_size=1, max_size=5))
def test_goes_forward_by_the_step_and_back_by_the_derivative(name, slope, xs):
    x = torch.tensor(xs, dtype=torch.float64, requires_grad=True)
    y = Surrogate(name, slope)(x)
    assert torch.equal(y, step(x))
    upstream = torch.arange(1, len(xs) + 1, dtype=torch.float64)
    y.backward(upstream)
    torch.testing.assert_close(x.grad, upstream * SURROGATES[name](x.detach(), slope))


def test_module_describes_itself_and_has_nothing_to_learn():
    module = Surrogate("arctan", 0.5)
    assert repr(module) == "Surrogate(arctan, slope=0.5)"
    assert not list(module.parameters())


def test_module_refuses_unknown_names_and_slopes_that_are_not_positive():
    with pytest.raises(ValueError, match="one of straight, sigmoid, arctan, not 'tan'"):
        Surrogate("tan", 1.0)
    for slope in (0.0, -1.0, float("nan")):
        with pytest.raises(ValueError, match="slope must be positive"):
            Surrogate("arctan", slope)
