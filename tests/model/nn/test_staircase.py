"""Neurons of several levels: trained with HTAF, lowered exactly."""

import dataclasses

import numpy as np
import pytest
import torch

from htaflow.model.data import load
from htaflow.model.integer.network import Dense
from htaflow.model.nn import HTAF, IntegerLinear, Staircase, lower, prove_lowering
from htaflow.model.support.errors import BadInputError
from htaflow.model.training.assemble import build_model
from htaflow.model.training.recipe import HeavisideNeurons, Neurons, StaircaseNeurons
from htaflow.model.training.recipe_check import check_recipe
from htaflow.model.training.zoo import ZOO


def block(levels: int = 3, *, double: bool = False) -> Staircase:
    torch.manual_seed(levels)
    made = Staircase(IntegerLinear(12, 8, 3, high=5), HTAF(), levels)
    norm = made.norm
    with torch.no_grad():
        norm.running_mean.uniform_(-5, 5)
        norm.running_var.uniform_(0.5, 30)
        norm.weight.uniform_(-2, 2)
        norm.weight[0] = 0
        norm.bias.uniform_(-1, 1)
    return (made.double() if double else made).eval()


@pytest.mark.parametrize("double", [False, True])
@pytest.mark.parametrize("levels", [2, 3, 7, 15])
def test_the_integer_layer_yields_the_same_levels(levels: int, double: bool) -> None:
    made = block(levels, double=double)
    layer = made.lower("levels")
    assert isinstance(layer, Dense)
    assert layer.thresholds is not None
    assert layer.thresholds.shape == (8, levels)
    assert (np.diff(layer.thresholds, axis=1) >= 0).all()
    values = np.random.default_rng(0).integers(0, 6, (300, 12))
    sums = values @ layer.weights.T.astype(int)
    wanted = (sums[:, :, None] >= layer.thresholds).sum(axis=2)
    kind = torch.float64 if double else torch.float32
    got = made(torch.as_tensor(values, dtype=kind))
    assert got.tolist() == wanted.tolist()
    assert len(np.unique(wanted)) == levels + 1


def test_ties_are_decided_as_they_are_folded() -> None:
    made = block(3)
    with torch.no_grad():  # every integer sum is a tie of some level
        made.norm.running_mean.zero_()
        made.norm.running_var.fill_(1 - made.norm.eps)
        made.norm.weight.fill_(0.5)
        made.norm.bias.zero_()
    layer = made.lower("levels")
    values = np.random.default_rng(0).integers(0, 6, (200, 12))
    sums = values @ layer.weights.T.astype(int)  # type: ignore[attr-defined]
    wanted = (sums[:, :, None] >= layer.thresholds).sum(axis=2)  # type: ignore[attr-defined]
    assert made(torch.as_tensor(values).float()).tolist() == wanted.tolist()


def test_each_step_passes_a_gradient_on() -> None:
    made = block(7).train()
    values = torch.randint(0, 6, (50, 12)).float().requires_grad_()
    made(values).sum().backward()  # type: ignore[no-untyped-call]
    assert made.linear.latent.grad is not None
    assert values.grad is not None
    assert values.grad.abs().sum() > 0


def test_smooth_levels_lie_between_the_hard_ones() -> None:
    made = block(3)
    made.activation = HTAF(4.0, 1.0, hard=False)
    got = made(torch.randint(0, 6, (50, 12)).float())
    assert 0 < float(got.detach().min()) < float(got.detach().max()) < 3


@pytest.mark.parametrize("levels", [1, 0, 256])
def test_other_numbers_of_levels_are_refused(levels: int) -> None:
    with pytest.raises(ValueError, match=f"levels is {levels}; use 2 to 255"):
        Staircase(IntegerLinear(3, 2, 3), HTAF(), levels)


def test_the_recipe_of_the_zoo_is_lowered_exactly() -> None:
    dataset = load("digits")
    model = build_model(ZOO["digits-2bit"], dataset, 0).eval()
    network = lower(model, "levels")
    assert network.values["hidden1"].high == network.values["hidden2"].high == 3
    prove_lowering(model, network, dataset.x_test)


STAIRS = StaircaseNeurons(5, levels=3)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"hidden": (STAIRS, Neurons(5))}, "'hidden1': the layer behind it takes bits"),
        ({"hidden": (HeavisideNeurons(5), STAIRS), "head_bits": None}, "'hidden2': the head takes"),
        ({"hidden": (StaircaseNeurons(5, levels=1),)}, "it has 1 levels; use 2 to 255"),
        ({"hidden": (StaircaseNeurons(5, normalised=False),)}, "levels are of normalised sums"),
    ],
)
def test_recipes_whose_levels_nobody_takes_are_refused(
    changes: dict[str, object], message: str
) -> None:
    recipe = dataclasses.replace(ZOO["digits-2bit"], **changes)  # type: ignore[arg-type]
    with pytest.raises(BadInputError, match=message):
        check_recipe(recipe)
