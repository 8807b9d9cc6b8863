import dataclasses
import subprocess
import sys

import numpy as np
import pytest
import torch

from htaflow.model.data.dataset import make_dataset
from htaflow.model.data.load import load
from htaflow.model.nn.binary_linear import BinaryLinear, SparseBinaryLinear
from htaflow.model.nn.block import GroupSum, Scores
from htaflow.model.nn.lowering.lower import lower
from htaflow.model.nn.spiking import Accumulate
from htaflow.model.support.errors import BadInputError
from htaflow.model.training.assemble import build_model
from htaflow.model.training.recipe import (
    ConceptNeurons,
    Conv,
    HeavisideNeurons,
    Neurons,
    Pool,
    Refinement,
    SpikingNeurons,
    described,
)
from htaflow.model.training.zoo import ZOO, find_recipe


@pytest.fixture
def table(rng):
    """A user's table: five unlike features, three classes."""
    x = rng.integers(-100, 100, (60, 5)) * np.array([1, 10, 100, 1, 0])
    y = np.arange(60) % 3
    return make_dataset("table", "table", (x[:48], y[:48]), (x[48:], y[48:]))


def test_unknown_model_is_refused_with_the_nearest_name():
    with pytest.raises(BadInputError, match=r"no model 'mnist-smal'.*did you mean 'mnist-small'"):
        find_recipe("mnist-smal")


def test_the_zoo_needs_no_torch():
    code = (
        "import sys\n"
        "from htaflow.model.training.zoo import ZOO\n"
        "assert ZOO and 'torch' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


@pytest.fixture
def images(rng):
    """Images of 28 x 28 pixels, three classes."""
    x, y = rng.integers(0, 256, (60, 784)), np.arange(60) % 3
    return make_dataset("images", "images", (x[:48], y[:48]), (x[48:], y[48:]))


def takes_images(recipe):
    return isinstance(recipe.hidden[0], Conv)


@pytest.mark.parametrize("name", ZOO)
def test_every_recipe_builds_a_model_for_any_data(name, table, images):
    recipe = find_recipe(name)
    assert recipe.name == name
    data = images if takes_images(recipe) else table
    model = build_model(recipe, data, seed=0)
    assert model(torch.as_tensor(data.x_train)).shape == (48, 3)
    for block in model.blocks:
        linear = getattr(block, "linear", None)
        if isinstance(linear, SparseBinaryLinear):
            linear.anneal(1.0)
            assert 1 <= linear.fan_in <= linear.in_features
    head = model.blocks[-1 if recipe.steps is None else -2]
    assert isinstance(model.blocks[-1], Accumulate) == (recipe.steps is not None)
    assert isinstance(head, GroupSum if recipe.head == "vote" else Scores)
    network = lower(model, name.replace("-", "_"))
    assert network.values["argmax"].high == 2


def test_images_that_are_none_or_too_small_are_refused(table, rng):
    with pytest.raises(BadInputError, match="'digits-conv' takes square images, and 5 features"):
        build_model(find_recipe("digits-conv"), table, 0)
    x, y = rng.integers(0, 16, (60, 64)), np.arange(60) % 3
    small = make_dataset("small", "small", (x[:48], y[:48]), (x[48:], y[48:]))
    message = "'mnist-conv', layer 'pool4': it has no window: an image of 1 x 1 pixels"
    with pytest.raises(BadInputError, match=message):
        build_model(find_recipe("mnist-conv"), small, 0)


def test_recipes_of_images_that_cannot_be_are_refused(images):
    recipe = find_recipe("digits-conv")
    late = dataclasses.replace(recipe, hidden=(*recipe.hidden, Conv(4)))
    with pytest.raises(BadInputError, match="'digits-conv': convolutions and pooling take images"):
        build_model(late, images, 0)
    refined = dataclasses.replace(recipe, refinement=Refinement(temperature=1.0))
    with pytest.raises(BadInputError, match="'digits-conv': convolutions cannot be refined"):
        build_model(refined, images, 0)


def test_a_last_convolution_is_rounded_up_to_whole_groups(images):
    recipe = find_recipe("digits-conv")
    hidden = (Conv(5), Pool(), Conv(7, kernel=2, stride=2))
    model = build_model(dataclasses.replace(recipe, hidden=hidden), images, 0)
    assert [name for name, _ in model.named_children()] == [
        *("encode", "image", "conv1", "pool2", "conv3", "flat", "vote")
    ]
    assert lower(model, "images").values["conv3"].shape == (9, 6, 6)


@pytest.mark.parametrize("name", ["digits", "digits-dense", "digits-snn", "mnist-conv"])
def test_weights_through_htaf_are_those_of_every_layer(name, images):
    recipe = find_recipe(name)
    for changed in (recipe, dataclasses.replace(recipe, weights="htaf")):
        model = build_model(changed, images, 0)
        linears = [module for module in model.modules() if isinstance(module, BinaryLinear)]
        assert len(linears) >= 2
        assert {linear.gradient for linear in linears} == {changed.weights}
        assert ("weights" in described(changed)) == (changed.weights == "htaf")


@pytest.mark.parametrize(
    ("name", "changes", "message"),
    [
        ("digits-dhn", {}, "recipe 'digits-dhn': no weights are signs, so none can be"),
        ("table", {"hidden": (HeavisideNeurons(9),)}, "recipe 'table': no weights are signs"),
        ("table", {"weights": "hatf"}, "recipe 'table': no weights 'hatf'; did you mean 'htaf'"),
    ],
)
def test_weights_that_cannot_go_through_htaf_are_refused(name, changes, message, table):
    recipe = dataclasses.replace(find_recipe(name), **{"weights": "htaf"} | changes)
    with pytest.raises(BadInputError, match=message):
        build_model(recipe, table, 0)


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


@pytest.mark.parametrize(
    ("name", "changes", "message"),
    [
        ("digits", {"hidden": ()}, "it has no hidden layers"),
        ("digits", {"hidden": (Neurons(0),)}, "layer 'hidden1': sizes must be at least 1"),
        ("digits", {"hidden": (Neurons(5, 0),)}, "layer 'hidden1': fan_in must be at least 1"),
        ("digits-snn", {"steps": 0}, "layer 'steps': 0 steps a frame; use at least 1"),
        ("digits-snn", {"steps": None}, "layer 'hidden1': neurons spike in steps"),
        (
            "digits-snn",
            {"hidden": (SpikingNeurons(5, beta=0.9),)},
            "'hidden1': beta is 0.9",
        ),
        ("digits-snn", {"hidden": (SpikingNeurons(5, fraction=-1),)}, "'hidden1': fraction is -1"),
        (
            "digits-snn",
            {"hidden": (SpikingNeurons(5, reset_mechanism="none"),)},
            "layer 'hidden1': reset_mechanism is 'none'; use 'subtract' or 'zero'",
        ),
        ("digits-snn", {"steps": 2000}, "layer 'steps': 2000 steps a frame; .* at most 1024"),
        ("digits-snn", {"refinement": Refinement(1.0)}, "layer 'steps': what goes step by step"),
        ("digits-snn", {"hidden": (SpikingNeurons(5, fraction=31),)}, "'hidden1': fraction is 31"),
        ("digits-snn", {"coding": "rates"}, "no coding 'rates'; did you mean 'rate'"),
        ("digits", {"coding": "rate"}, "coding 'rate' is of steps; say how many"),
        ("digits", {"head": "votes"}, "no head 'votes'; did you mean 'vote'"),
        ("digits", {"encoding": "quantile"}, "no encoding 'quantile'; did you mean 'quantiles'"),
        ("digits", {"thresholds": 0}, "thresholds is 0; use at least 1"),
        ("digits", {"epochs": 0}, "epochs is 0; use at least 1"),
        ("digits-conv", {"steps": 3}, "layer 'conv1': windows do not go step by step"),
        (
            "digits-conv",
            {"hidden": (Conv(4, stride=0),)},
            "layer 'conv1': stride is 0; use at least 1",
        ),
        (
            "digits-conv",
            {"hidden": (Conv(4, padding=3),)},
            "layer 'conv1': padding is 3; use 0 to 2",
        ),
        (
            "digits-conv",
            {"hidden": (Conv(4, kernel=9),)},
            "'conv1': it has no window: .* 8 x",
        ),
        (
            "digits-conv",
            {"hidden": (Conv(4), Pool(2, 0))},
            "layer 'pool2': stride is 0; use at least 1",
        ),
        (
            "digits-conv",
            {"hidden": (Conv(4), Pool(7))},
            "'pool2': it has no window: .* 6 x 6",
        ),
        (
            "digits-conv",
            {"hidden": (Conv(4), ConceptNeurons(8, names=tuple("abcdefgh")))},
            "layer 'hidden2': 8 names for 10 concepts",  # votes need as many for each class
        ),
    ],
)
def test_layers_that_cannot_be_are_refused_by_name(name, changes, message):
    recipe = dataclasses.replace(ZOO[name], **changes)
    with pytest.raises(BadInputError, match=f"recipe '{name}'.*{message}"):
        build_model(recipe, load("digits"), 0)
