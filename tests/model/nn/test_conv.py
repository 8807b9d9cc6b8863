"""Convolutions: golden is what PyTorch computes, bit for bit; what does not fit is refused."""

import itertools

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st
from networks import image_networks, random_frames, random_image_network

from htaflow.model.integer import golden
from htaflow.model.integer.file import check_file, load_network, save_network
from htaflow.model.integer.network import (
    Conv2d,
    Dense,
    Encode,
    Layer,
    LookupConv2d,
    Network,
    Windowed,
)
from htaflow.model.integer.network import Flatten as IntegerFlatten
from htaflow.model.integer.network import MaxPool2d as IntegerPool
from htaflow.model.integer.network import Unflatten as IntegerUnflatten
from htaflow.model.integer.problems import find_problems
from htaflow.model.nn.activation import HTAF
from htaflow.model.nn.block import GroupSum
from htaflow.model.nn.conv import BinaryConv2d, Flatten, MaxPool2d, Unflatten
from htaflow.model.nn.encode import Encoder
from htaflow.model.nn.lowering.lower import lower, prove_lowering
from htaflow.model.nn.network import BinaryNetwork
from htaflow.model.support.errors import BadInputError
from htaflow.model.training.fit import calibrate


def torch_says(layer: Layer, x: torch.Tensor) -> torch.Tensor:
    """What PyTorch's own functions make of bits ``x``, ``[N, ...]``, in double precision."""
    if isinstance(layer, IntegerUnflatten):
        return x.view(-1, *layer.shape)
    if isinstance(layer, IntegerFlatten):
        return x.flatten(1)
    assert isinstance(layer, Windowed)
    vertical, horizontal = layer.padding
    padded = F.pad(x, (horizontal, horizontal, vertical, vertical), value=layer.pad_bit)
    if isinstance(layer, Conv2d):
        weights = torch.from_numpy(layer.weights.astype(float)).view(-1, x.shape[1], *layer.kernel)
        values = 2 * padded - 1 if layer.inputs == "bipolar" else padded
        acc = F.conv2d(values, weights, stride=layer.stride)
        return (acc >= torch.from_numpy(layer.thresholds.astype(float)).view(-1, 1, 1)).double()
    if isinstance(layer, LookupConv2d):
        seen = F.unfold(padded, layer.kernel, stride=layer.stride)  # [N, bits, windows]
        index = sum(
            seen[:, source].long() << k for k, source in enumerate(layer.source.T.astype(np.int64))
        )
        tables = torch.from_numpy(layer.tables.astype(float))
        found = torch.stack(
            [table[column] for table, column in zip(tables, index.unbind(1), strict=True)], 1
        )
        rows = (padded.shape[2] - layer.kernel[0]) // layer.stride[0] + 1
        return found.view(len(x), len(tables), rows, -1)
    return F.max_pool2d(padded, layer.kernel, layer.stride)


@settings(max_examples=60, deadline=None)
@given(image_networks(), st.sampled_from((1, 63, 64, 65, 130)))
def test_golden_is_pytorch(network, count):
    frames = random_frames(network, np.random.default_rng(1), count)
    values = golden.trace(network, frames)
    seen = 0
    for before, layer in itertools.pairwise(network.layers):
        if isinstance(layer, Windowed | IntegerFlatten | IntegerUnflatten):
            expected = torch_says(layer, torch.from_numpy(values[before.name]).double())
            assert values[layer.name].shape == (count, *network.values[layer.name].shape)
            assert np.array_equal(values[layer.name], expected.numpy()), layer.name
            seen += 1
    assert seen >= 2


def test_a_wide_convolution_is_pytorch(rng):
    weights = rng.choice((-1, 1), (7, 8 * 9))  # more wires than golden counts bit by bit
    conv = Conv2d("conv", (3, 3), weights, rng.integers(-4, 5, 7), padding=(1, 1), pad_bit=1)
    encode = Encode("encode", 8 * 49, 1, False, np.arange(8 * 49), np.ones(8 * 49, int))
    shape = IntegerUnflatten("image", (8, 7, 7))
    network = Network("wide", (encode, shape, conv, IntegerFlatten("flat")))
    frames = rng.integers(0, 2, (70, 8 * 49))
    images = torch.from_numpy(frames).double().view(-1, 8, 7, 7)
    assert np.array_equal(golden.trace(network, frames)["conv"], torch_says(conv, images).numpy())


def test_a_network_file_keeps_every_field(tmp_path):
    network = random_image_network(np.random.default_rng(5), windows=6, shape=(2, 9, 9))
    save_network(network, tmp_path / "network.safetensors")
    assert check_file(tmp_path / "network.safetensors") == []
    again = load_network(tmp_path / "network.safetensors")
    assert again.digest == network.digest
    assert [layer.scalars for layer in again.layers] == [layer.scalars for layer in network.layers]


def encode(bits: int) -> Encode:
    return Encode("encode", bits, 1, False, np.arange(bits), np.ones(bits, int))


ONES = np.ones((2, 18), int)
IMAGE = IntegerUnflatten("image", (2, 4, 5))
FLAT = IntegerFlatten("flat")


def conv(weights=ONES, kernel=(3, 3), **geometry):
    return Conv2d("conv", kernel, weights, np.zeros(len(weights), int), **geometry)


@pytest.mark.parametrize(
    ("layers", "words"),
    [
        ([IntegerUnflatten("image", (2, 4, 4))], "layer 1 'image': an image of 2x4x4 values does"),
        ([IntegerUnflatten("image", (0, 4, 4))], r"layer 1 'image': its image has shape \[0, 4, 4"),
        ([conv()], "layer 1 'conv': it is fed 40 bits, but takes an image; put an Unflatten"),
        ([IMAGE, Dense("dense", np.ones((2, 40), int))], "'dense': it is fed an image, 2x4x5 bits"),
        ([IMAGE, conv()], "network: its result is an image, 2x2x3 bits; end with a Flatten"),
        (
            [IMAGE, conv(np.ones((2, 27), int))],
            "layer 2 'conv': weights take 27 inputs, but a window of 2 channels x 3 x 3 has 18",
        ),
        ([IMAGE, conv(kernel=(0, 3))], r"layer 2 'conv': its kernel is \[0, 3\]; use at least 1"),
        ([IMAGE, conv(stride=(1, 0))], r"layer 2 'conv': its stride is \[1, 0\]; use at least 1"),
        ([IMAGE, conv(padding=(-1, 0))], r"'conv': its padding is \[-1, 0\]; use at least 0"),
        ([IMAGE, conv(padding=(3, 0))], r"'conv': padding \[3, 0\] is not below the kernel"),
        (
            [IMAGE, conv(pad_bit=2)],
            "layer 2 'conv': its padding is 2, but 2x4x5 bits come in; use 0 to 1",
        ),
        (
            [IMAGE, conv(np.ones((2, 50), int), (5, 5))],
            "layer 2 'conv': a kernel of 5 x 5 does not fit an image of 4 x 5, padding included",
        ),
        ([IMAGE, IntegerPool("pool", (5, 1))], "'pool': a kernel of 5 x 1 does not fit an image"),
        (
            [IMAGE, conv(), LookupConv2d("next", (1, 1), np.array([[2]]), np.array([[0, 1]]))],
            r"layer 3 'next': neuron 0: it reads bits \[2\] of 2",
        ),
    ],
)
def test_what_does_not_chain_is_refused(layers, words):
    flat = () if "end with" in words else (FLAT,)
    with pytest.raises(BadInputError, match=words) as error:
        Network("net", (encode(40), *layers, *flat))
    assert "\n" not in str(error.value)  # one message
    assert len(find_problems("net", (encode(40), *layers, *flat))) == 1


def model(**options) -> BinaryNetwork:
    """An untrained model with all blocks of images, its normalisations at random."""
    torch.manual_seed(3)
    encoder = Encoder(98, 4, False, np.tile(np.arange(49), 2) * 2, np.repeat([5, 11], 49))
    blocks = {
        "image": Unflatten((2, 7, 7)),
        "conv1": BinaryConv2d(2, 5, 3, HTAF(), padding=1, **options),
        "pool": MaxPool2d(2),
        "conv2": BinaryConv2d(5, 6, 2, HTAF(), stride=1, fan_in=7, start_fan_in=12),
        "flat": Flatten(),
        "vote": GroupSum(3),
    }
    for block in blocks.values():
        if isinstance(block, BinaryConv2d):
            torch.nn.init.normal_(block.norm.weight)
            torch.nn.init.normal_(block.norm.bias)
    return BinaryNetwork(encoder, blocks)


@pytest.mark.parametrize("options", [{}, {"pad_bit": 1}, {"stride": 2}, {"fan_in": 4}])
def test_lowering_is_exact(options, rng):
    trained = model(**options)
    frames = rng.integers(0, 16, (200, 98))
    calibrate(trained, trained.encoder(torch.from_numpy(frames)).to(torch.uint8))
    network = lower(trained, "images")
    assert prove_lowering(trained, network, frames).shape == (200,)
    bits = golden.trace(network, frames)["conv2"]
    assert 0.05 < bits.mean() < 0.95  # the proof was about something


def test_gradients_reach_every_parameter(rng):
    trained = model()
    bits = trained.encoder(torch.from_numpy(rng.integers(0, 16, (64, 98))))
    trained.train()
    trained.decide(bits)[:, 0].sum().backward()
    for name, parameter in trained.named_parameters():
        assert parameter.grad is not None, name
        assert parameter.grad.abs().sum() > 0, name


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ({"kernel": 0}, "kernel is 0; use at least 1"),
        ({"stride": 0}, "stride is 0; use at least 1"),
        ({"padding": 3}, "padding is 3; use 0 to 2, less than the kernel"),
        ({"padding": -1}, "padding is -1; use 0 to 2"),
        ({"pad_bit": 2}, "pad_bit is 2; use 0 or 1"),
    ],
)
def test_bad_geometry_is_refused(wrong, words):
    with pytest.raises(ValueError, match=words):
        BinaryConv2d(
            **({"in_channels": 2, "out_channels": 2, "kernel": 3, "activation": HTAF()} | wrong)
        )
