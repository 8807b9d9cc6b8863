import dataclasses

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from htaflow.model.integer import golden
from htaflow.model.integer.network import Dense, Network
from htaflow.model.nn.activation import HTAF
from htaflow.model.nn.binary_linear import BinaryLinear, SparseBinaryLinear
from htaflow.model.nn.block import Block, GroupSum, Hidden, Scores
from htaflow.model.nn.encode import Encoder
from htaflow.model.nn.lowering.lower import lower, prove_lowering
from htaflow.model.nn.network import BinaryNetwork
from htaflow.model.support.errors import MismatchError


def random_model(seed: int, fan_in: int | None, votes: bool) -> BinaryNetwork:
    """Six features of 3 bits, two hidden layers, four classes."""
    torch.manual_seed(seed)
    numbers = np.random.default_rng(seed)
    encoder = Encoder(6, 3, False, np.repeat(np.arange(6), 2), numbers.integers(0, 9, 12))
    blocks: dict[str, Block] = {}
    width = 12
    for name, count in (("hidden1", 10), ("hidden2", 8)):
        linear = (
            BinaryLinear(width, count)
            if fan_in is None
            else SparseBinaryLinear(width, count, fan_in)
        )
        hidden = blocks[name] = Hidden(linear, HTAF())
        hidden.norm.running_mean = torch.randint(-4, 5, (count,)) / 2
        hidden.norm.running_var = torch.rand(count) * 3
        with torch.no_grad():
            hidden.norm.weight.copy_(torch.randn(count))
            hidden.norm.bias.copy_(torch.randint(-1, 2, (count,)))
        width = count
    blocks["head"] = GroupSum(4) if votes else Scores(BinaryLinear(width, 4))
    return BinaryNetwork(encoder, blocks)


@given(st.integers(0, 1000), st.sampled_from([None, 1, 3]), st.booleans())
def test_hard_model_equals_golden_in_every_layer(seed, fan_in, votes):
    model = random_model(seed, fan_in, votes)
    network = lower(model, "random")
    frames = np.random.default_rng(seed).integers(0, 8, (70, 6))
    classes = prove_lowering(model, network, frames)
    assert np.array_equal(classes, golden.run(network, frames)["class"][:, 0])


def test_layers_carry_the_names_of_the_blocks():
    network = lower(random_model(0, 2, True), "named")
    assert [layer.name for layer in network.layers] == [
        "encode",
        "hidden1",
        "hidden2",
        "head",
        "argmax",
    ]
    assert [layer.type for layer in network.layers] == [
        "Encode",
        "Dense",
        "Dense",
        "GroupSum",
        "ArgMax",
    ]


def test_a_difference_names_layer_neuron_and_frame(rng):
    model = random_model(1, 3, True)
    network = lower(model, "broken")
    frames = rng.integers(0, 8, (50, 6))
    good = network.layers[1]
    assert isinstance(good, Dense)
    bits = golden.trace(network, frames)["hidden1"]
    neuron = next(n for n in range(10) if 0 < bits[:, n].sum() < 50)
    thresholds = good.thresholds.copy()
    thresholds[neuron] = good.bounds[1][neuron] + 1
    layers = list(network.layers)
    layers[1] = dataclasses.replace(good, thresholds=thresholds)
    frame = int(np.argmax(bits[:, neuron]))
    with pytest.raises(
        MismatchError,
        match=f"layer 'hidden1', neuron {neuron}, frame {frame}: PyTorch says 1, .* 0 ",
    ) as caught:
        prove_lowering(model, Network("broken", tuple(layers)), frames)
    assert caught.value.exit_code == 1


def test_blocks_are_reached_by_name_and_in_order():
    model = random_model(0, 2, True)
    frames = torch.randint(0, 8, (5, 6))
    model.eval()
    assert torch.equal(model(frames), model.decide(model.encoder(frames)))
    assert len(model.blocks) == 3
    model.set_hard(False)
    assert [activation.hard for activation in model.activations()] == [False, False]
