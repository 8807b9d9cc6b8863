import dataclasses

import numpy as np
import pytest
import torch

from htaflow.model.block import GroupSum, Scores
from htaflow.model.dataset import make_dataset
from htaflow.model.errors import BadInputError
from htaflow.model.layers import SparseBinaryLinear
from htaflow.model.lower import lower
from htaflow.model.spiking import Accumulate
from htaflow.model.zoo import ZOO, build_model, find_recipe


@pytest.fixture
def table(rng):
    """A user's table: five unlike features, three classes."""
    x = rng.integers(-100, 100, (60, 5)) * np.array([1, 10, 100, 1, 0])
    y = np.arange(60) % 3
    return make_dataset("table", "table", (x[:48], y[:48]), (x[48:], y[48:]))


def test_unknown_model_is_refused_with_the_nearest_name():
    with pytest.raises(BadInputError, match=r"no model 'mnist-smal'.*did you mean 'mnist-small'"):
        find_recipe("mnist-smal")


@pytest.mark.parametrize("name", ZOO)
def test_every_recipe_builds_a_model_for_any_data(name, table):
    recipe = find_recipe(name)
    assert recipe.name == name
    model = build_model(recipe, table, seed=0)
    assert model(torch.as_tensor(table.x_train)).shape == (48, 3)
    for block in model.blocks:
        linear = getattr(block, "linear", None)
        if isinstance(linear, SparseBinaryLinear):
            linear.anneal(1.0)
            assert 1 <= linear.fan_in <= 8
    head = model.blocks[-1 if recipe.steps is None else -2]
    assert isinstance(model.blocks[-1], Accumulate) == (recipe.steps is not None)
    assert isinstance(head, GroupSum if recipe.head == "vote" else Scores)
    network = lower(model, name.replace("-", "_"))
    assert network.values["argmax"].high == 2


def test_same_seed_same_model_and_torch_is_left_alone(table):
    torch.manual_seed(5)
    expected = torch.rand(1)
    torch.manual_seed(5)
    recipe = find_recipe("table")
    states = [build_model(recipe, table, seed).state_dict() for seed in (1, 1, 2)]
    assert torch.equal(torch.rand(1), expected)
    assert all(torch.equal(states[0][key], states[1][key]) for key in states[0])
    assert not torch.equal(states[0]["hidden1.linear.latent"], states[2]["hidden1.linear.latent"])


def test_last_layer_is_rounded_up_to_whole_groups(table):
    recipe = find_recipe("digits")
    hidden = (dataclasses.replace(recipe.hidden[0], count=7),) * 2
    model = build_model(dataclasses.replace(recipe, hidden=hidden), table, 0)
    assert [block.linear.out_features for block in model.blocks[:2]] == [7, 9]
