"""Deep Heaviside networks: what is trained is what is lowered, and what is wrong is said."""

import dataclasses

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from htaflow.model.data.dataset import make_dataset
from htaflow.model.data.load import load
from htaflow.model.integer import golden
from htaflow.model.nn.activation import HTAF
from htaflow.model.nn.block import Block, Hidden, Scores
from htaflow.model.nn.encode import Quantiser
from htaflow.model.nn.heaviside import Heaviside
from htaflow.model.nn.integer_linear import IntegerLinear, quantise
from htaflow.model.nn.lowering.lower import lower, prove_lowering
from htaflow.model.nn.network import BinaryNetwork
from htaflow.model.support.errors import BadInputError
from htaflow.model.training.assemble import build_model
from htaflow.model.training.fit import _flip, accuracy, calibrate, encode, fit
from htaflow.model.training.recipe import HeavisideNeurons, Neurons, Refinement
from htaflow.model.training.zoo import ZOO


@given(
    st.integers(2, 8), st.integers(1, 9), st.none() | st.integers(1, 12), st.booleans(), st.data()
)
def test_weights_are_the_nearest_steps_within_k_bits(bits, width, fan_in, shared, data):
    seed = data.draw(st.integers(0, 999))
    latent = torch.randn(4, width, generator=torch.Generator().manual_seed(seed))
    integers, step = quantise(latent, bits, fan_in, shared=shared)
    largest = 2 ** (bits - 1) - 1
    kept = min(fan_in or width, width)
    assert integers.abs().max() <= largest
    assert (integers != 0).any(dim=1).all()
    assert ((integers != 0).sum(dim=1) <= kept).all()
    assert len(step.unique()) == 1 or not shared
    nearest = (latent / step[:, None]).round().clamp(-largest, largest)
    for row, whole, magnitudes in zip(integers, nearest, latent.abs(), strict=True):
        places = magnitudes.topk(kept).indices
        if not whole.any():
            whole[places[0]] = row[places[0]].sign()
        assert torch.equal(row[places], whole[places])
        assert row.abs().sum() == row[places].abs().sum()


def test_two_bits_are_ternary_even_if_all_magnitudes_are_equal():
    integers, _ = quantise(torch.tensor([[0.3, -0.3, 0.3]]), 2)
    assert integers.tolist() == [[1, -1, 1]]
    integers, _ = quantise(torch.tensor([[0.0, 0.0], [-0.01, 0.0], [9.0, 9.0]]), 2, shared=True)
    assert integers.tolist() == [[1, 0], [-1, 0], [1, 1]]


def test_gradient_goes_straight_through_to_every_latent_weight():
    latent = torch.tensor([[3.0, -0.1, 0.2]], requires_grad=True)
    integers, step = quantise(latent, 4, 1)
    integers.backward(torch.tensor([[1.0, 2.0, 3.0]]))
    assert torch.allclose(latent.grad * step, torch.tensor([[1.0, 2.0, 3.0]]))


def random_model(seed: int, bits: list[int], normalised: bool, feature_bits: int) -> BinaryNetwork:
    """Six features, hidden layers and four classes, whose weights have ``bits``, layer by layer.

    Biases and statistics are random.
    """
    torch.manual_seed(seed)
    quantiser = Quantiser(6, 5, bool(seed % 2), feature_bits)
    blocks: dict[str, Block] = {}
    width, high = 6, quantiser.high
    for number, wide in enumerate(bits[:-1], 1):
        name, count = f"hidden{number}", [12, 10, 8][number % 3]
        fan_in = [None, 3, 5][(seed + number) % 3]
        linear = IntegerLinear(width, count, wide, fan_in, high=high)
        if normalised:
            hidden = Hidden(linear, HTAF())
            hidden.norm.running_mean = torch.randint(-8, 9, (count,)) / 2
            hidden.norm.running_var = torch.rand(count) * 9
            with torch.no_grad():
                hidden.norm.weight.copy_(torch.randn(count))
                hidden.norm.bias.copy_(torch.randint(-1, 2, (count,)))
            blocks[name] = hidden
        else:
            block = blocks[name] = Heaviside(linear, HTAF())
            with torch.no_grad():
                block.bias += torch.randn(count) * 0.3
                block.bias[0] = 0
        width, high = count, 1
    blocks["scores"] = Scores(IntegerLinear(width, 4, bits[-1], shared=True))
    return BinaryNetwork(quantiser, blocks)


@given(
    seed=st.integers(0, 1000),
    bits=st.lists(st.integers(2, 8), min_size=2, max_size=13),
    normalised=st.booleans(),
    feature_bits=st.integers(1, 5),
)
def test_hard_model_equals_golden_in_every_layer(seed, bits, normalised, feature_bits):
    model = random_model(seed, bits, normalised, feature_bits)
    network = lower(model, "random")
    low = network.input.low
    frames = np.random.default_rng(seed).integers(low, low + 32, (70, 6))
    classes = prove_lowering(model, network, frames)
    assert np.array_equal(classes, golden.run(network, frames)["class"][:, 0])
    for layer, wide in zip(network.layers[1:-1], bits, strict=True):
        assert np.abs(layer.weights).max() <= 2 ** (wide - 1) - 1


def test_first_sums_spread_by_about_one_whatever_comes_in():
    torch.manual_seed(0)
    for fan_in, high in ((16, 1), (200, 1), (40, 15)):
        block = Heaviside(IntegerLinear(200, 500, 4, fan_in, high=high), HTAF()).train()
        seen: list[torch.Tensor] = []
        block.activation.register_forward_pre_hook(lambda _, args, seen=seen: seen.append(args[0]))
        block(torch.randint(0, high + 1, (400, 200)).float())
        # Sparse neurons keep their largest weights, which spread by up to sqrt(3) of the mean.
        assert 0.5 < seen[0].std() < 2


@pytest.mark.parametrize("normalised", [True, False])
def test_golden_accuracy_is_what_was_trained(normalised, tmp_path):
    dataset = load("digits")
    recipe = dataclasses.replace(
        ZOO["digits-dhn"],
        hidden=tuple(
            HeavisideNeurons(24, 12, 24, bits=bits, normalised=normalised) for bits in (3, 6, 2, 5)
        ),
        head_bits=7,
        noise=0.01,
        learning_rate=0.02 if normalised else 0.003,
    )
    model = build_model(recipe, dataset, 0)
    fit(
        model,
        recipe,
        dataset,
        mode="hard",
        seed=0,
        epochs=6,
        checkpoint=tmp_path / "checkpoint.safetensors",
        configuration={},
    )
    calibrate(model, encode(model.encoder, dataset.x_train))
    network = lower(model, "trained")
    classes = prove_lowering(model, network, dataset.x_test)
    hard = accuracy(model, encode(model.encoder, dataset.x_test), torch.from_numpy(dataset.y_test))
    assert (classes == dataset.y_test).mean() == pytest.approx(hard)
    assert hard > 0.3  # chance is 0.1; how much more it is depends on the processor
    assert network.layers[1].fan_in.max() <= 12
    largest = [int(np.abs(layer.weights).max()) for layer in network.layers[1:-1]]
    assert all(most < 1 << (bits - 1) for most, bits in zip(largest, (3, 6, 2, 5, 7), strict=True))
    assert largest[1] > 3 and largest[3] > 1 and largest[4] > 7


def test_noise_stays_in_the_range_of_the_features():
    values = torch.tensor([[0.0, 3.0, 2.0]])
    assert _flip(values, 3, 1.0, torch.Generator()).tolist() == [[3.0, 0.0, 1.0]]


TABLE = make_dataset(
    "t",
    "t",
    (np.arange(40).reshape(20, 2), np.arange(20) % 2),
    (np.eye(2, dtype=int), np.arange(2)),
)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (
            {"hidden": (HeavisideNeurons(5), HeavisideNeurons(5, bits=9))},
            "recipe 'digits-dhn', layer 'hidden2': weights of 9 bits; use 2 to 8",
        ),
        ({"hidden": (HeavisideNeurons(5, bits=1),)}, "layer 'hidden1': weights of 1 bits"),
        ({"head_bits": 0}, "layer 'scores': weights of 0 bits; use 2 to 8"),
        ({"feature_bits": 9}, "features of 9 bits; use 1 to 8"),
        ({"steps": 4}, "steps are of bits, and features enter as integers"),
        ({"hidden": (Neurons(5),)}, "layer 'hidden1': neurons with weights -1 and 1 take bits"),
        ({"refinement": Refinement(1.0)}, "layer 'hidden1': only neurons with weights -1 and 1"),
    ],
)
def test_recipes_that_cannot_be_built_name_the_layer(changes, message):
    with pytest.raises(BadInputError, match=message):
        build_model(dataclasses.replace(ZOO["digits-dhn"], **changes), TABLE, 0)


def test_bad_sizes_are_refused():
    for bits in (1, 9):
        with pytest.raises(ValueError, match=f"2 to 8 bits, not {bits}"):
            IntegerLinear(3, 3, bits)
    with pytest.raises(ValueError, match="at least 1"):
        IntegerLinear(0, 3, 4)
    with pytest.raises(ValueError, match="1 to 8 bits, not 9"):
        Quantiser(3, 16, False, 9)
    assert "bits=4, fan_in=3->2" in repr(IntegerLinear(3, 2, 4, 2, 7))
