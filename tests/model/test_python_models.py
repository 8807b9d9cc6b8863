"""Models that users build in Python: they are lowered, or refused in words."""

from pathlib import Path

import pytest
import torch
from small_models import FRAMES, encoder, lowered, model
from torch import nn

from htaflow.model.integer import golden
from htaflow.model.integer.file import load_network, save_network
from htaflow.model.nn.activation import HTAF
from htaflow.model.nn.binary_linear import BinaryLinear
from htaflow.model.nn.block import GroupSum, Hidden, Scores
from htaflow.model.nn.conv import Unflatten
from htaflow.model.nn.lowering.lower import lower, prove_lowering
from htaflow.model.nn.network import BinaryNetwork
from htaflow.model.support.errors import BadInputError


def with_norm(norm: nn.Module) -> BinaryNetwork:
    made = model()
    made.hidden.norm = norm
    return made


def with_four_classes() -> BinaryNetwork:
    made = model()
    made.scores = Scores(BinaryLinear(8, 4))
    return made


def test_a_normalisation_without_scale_and_shift_is_one_and_zero():
    plain, affine = with_norm(nn.BatchNorm1d(8, affine=False)), model()
    for made in (plain, affine):
        made.hidden.norm.running_mean.copy_(torch.arange(8) / 3 - 1)
        made.hidden.norm.running_var.copy_(torch.arange(8) / 2 + 0.1)
    nn.init.ones_(affine.hidden.norm.weight)
    nn.init.zeros_(affine.hidden.norm.bias)
    assert lower(plain, "made").digest == lower(affine, "made").digest
    lowered(plain)
    plain.train()(torch.as_tensor(FRAMES))


MODELS = {
    "keeps no running statistics": lambda: lowered(
        with_norm(nn.BatchNorm1d(8, track_running_stats=False))
    ),
    "'hidden.norm' is an Identity": lambda: lowered(with_norm(nn.Identity())),
    "normalises 7 sums, and there are 8": lambda: lowered(with_norm(nn.BatchNorm1d(7))),
    "the model is a Linear; use a BinaryNetwork": lambda: lower(nn.Linear(2, 2), "made"),
    "block '0' is a Linear, which has no": lambda: lower(nn.Sequential(nn.Linear(2, 2)), "made"),
    "block 'a' is a ReLU": lambda: BinaryNetwork(encoder(), {"a": nn.ReLU()}),
    "the encoder is a str": lambda: BinaryNetwork("encoder", {}),
    "the blocks are a list": lambda: BinaryNetwork(encoder(), [GroupSum(3)]),
    "the model is a Sequential": lambda: prove_lowering(
        nn.Sequential(), lower(model(), "made"), FRAMES
    ),
    "lowered from another": lambda: prove_lowering(
        BinaryNetwork(encoder(), {"vote": GroupSum(3)}), lower(model(), "made"), FRAMES
    ),
    "layer 'scores' yields": lambda: prove_lowering(
        with_four_classes(), lower(model(), "made"), FRAMES
    ),
    "is on meta": lambda: lower(model().to("meta"), "made"),
    "the network is a BinaryNetwork": lambda: golden.run(model(), FRAMES),
    "network is a PosixPath": lambda: save_network(Path("x"), lower(model(), "made")),
    "file is None; give a path": lambda: load_network(None),
    "block 'hidden': it takes 7 inputs": lambda: BinaryNetwork(
        encoder(), {"hidden": Scores(BinaryLinear(7, 3))}
    )(FRAMES),
    "block 'encode': it takes frames": lambda: model()(FRAMES[:, :5]),
    "block 'vote': 18 bits are no 4 equal": lambda: BinaryNetwork(encoder(), {"vote": GroupSum(4)})(
        FRAMES
    ),
    "block 'image': .* no images of": lambda: BinaryNetwork(
        encoder(), {"image": Unflatten((1, 3, 3))}
    )(FRAMES),
}


@pytest.mark.parametrize("words", MODELS)
def test_models_are_refused_in_words(words):
    with pytest.raises(BadInputError, match=words):
        MODELS[words]()


@pytest.mark.parametrize("name", ["a.b", "", "encode", "forward", "train", "A", "argmax", 3])
def test_names_that_a_block_cannot_have(name):
    with pytest.raises(BadInputError, match=r"block('s name is| is called) ['\d]"):
        BinaryNetwork(encoder(), {name: GroupSum(3)})


@pytest.mark.parametrize(
    ("variance", "epsilon", "words"),
    [
        (0.0, 0.0, "neuron 2 has variance 0 and eps is 0.*make eps larger"),
        (-1.0, 1e-5, "neuron 2 has variance -1.0; it must not be negative"),
        (1.0, -2.0, "norm.eps is -2.0; use a number from 0 on"),
        (1.0, float("nan"), "norm.eps is nan"),
    ],
)
def test_a_variance_without_a_root_is_told_as_what_it_is(variance, epsilon, words):
    made = model()
    made.hidden.norm.running_var[2] = variance
    made.hidden.norm.eps = epsilon
    with pytest.raises(BadInputError, match=words):
        lower(made, "made")


def test_a_block_used_twice_is_two_layers():
    hidden = Hidden(BinaryLinear(18, 18), HTAF())
    twice = BinaryNetwork(encoder(), {"one": hidden, "two": hidden, "vote": GroupSum(2)})
    network = lower(twice, "twice")
    assert [layer.name for layer in network.layers] == ["encode", "one", "two", "vote", "argmax"]
    assert len(twice.blocks) == 3
    prove_lowering(twice, network, FRAMES)


def test_a_linear_layer_that_was_replaced_is_named():
    other = model()
    other.get_submodule("hidden").linear = nn.Linear(18, 8)
    with pytest.raises(BadInputError, match=r"'hidden\.linear' is a Linear, whose weights are no"):
        lower(other, "other")
