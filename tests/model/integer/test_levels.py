"""Levels, images of integers and groups: golden computes what the docstrings say."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from networks import random_frames, random_level_network

from htaflow.model.integer.file import load_network, network_bytes, save_network
from htaflow.model.integer.golden import trace
from htaflow.model.integer.layers.levels import MAX_LEVELS
from htaflow.model.integer.network import (
    Conv2d,
    Dense,
    Flatten,
    IntArray,
    Layer,
    MaxPool2d,
    Network,
    Quantise,
    Scale,
    SumPool2d,
    Threshold,
    Unflatten,
)
from htaflow.model.support.errors import BadInputError


def windows(layer: Any, image: IntArray) -> npt.NDArray[Any]:
    """Windows ``[rows, columns, channels, kernel height, kernel width]`` of one image."""
    (pad_y, pad_x), (high, wide), (down, right) = layer.padding, layer.kernel, layer.stride
    around = ((0, 0), (pad_y, pad_y), (pad_x, pad_x))
    padded = np.pad(image, around, constant_values=layer.pad_bit)
    seen = np.lib.stride_tricks.sliding_window_view(padded, (high, wide), axis=(1, 2))
    return seen[:, ::down, ::right].transpose(1, 2, 0, 3, 4)


def reached(sums: IntArray, thresholds: IntArray | None) -> IntArray:
    if thresholds is None:
        return sums
    rows = thresholds.reshape(len(thresholds), -1)
    return (sums[..., None] >= rows).sum(axis=-1)


def defined(layer: Layer, value: IntArray) -> IntArray:
    """What ``layer`` yields for one frame, by its docstring."""
    match layer:
        case Quantise():
            return (value - layer.input.low) >> (layer.feature_bits - layer.bits)
        case Unflatten():
            return value.reshape(layer.shape)
        case Flatten():
            return value.reshape(-1)
        case MaxPool2d():
            return windows(layer, value).max(axis=(3, 4)).transpose(2, 0, 1)
        case SumPool2d():
            return windows(layer, value).sum(axis=(3, 4)).transpose(2, 0, 1)
        case Conv2d():
            seen = windows(layer, value)
            out, taps = layer.weights.shape
            runs = seen.reshape(*seen.shape[:2], layer.groups, taps)
            sums = [runs[:, :, n * layer.groups // out] @ layer.weights[n] for n in range(out)]
            return reached(np.stack(sums, axis=-1), layer.thresholds).transpose(2, 0, 1)
        case Threshold():
            by_channel = np.moveaxis(value, 0, -1)
            rows = layer.thresholds.reshape(len(layer.thresholds), -1)
            counted = (by_channel[..., None] >= rows).sum(axis=-1)
            return np.moveaxis(counted, -1, 0)
        case Scale():
            by_channel = np.moveaxis(value, 0, -1)
            return np.moveaxis(by_channel * layer.multipliers + layer.offsets, -1, 0)
        case Dense():
            return reached(layer.weights @ value, layer.thresholds)
    return value.argmax(keepdims=True)


@pytest.mark.parametrize("seed", range(5))
def test_golden_computes_what_is_defined(seed: int) -> None:
    rng = np.random.default_rng(seed)
    network = random_level_network(rng)
    frames = random_frames(network, rng, 70)
    got = trace(network, frames)
    for index, frame in enumerate(frames):
        value: IntArray = frame.astype(np.int64)
        for layer in network.layers:
            value = defined(layer, value)
            assert got[layer.name][index].tolist() == value.tolist(), layer.name


def small(*layers: Layer) -> Network:
    return Network("net", (Quantise("encode", 4, 2, False, 2), *layers))


WEIGHTS = np.array([[1, -1, 1, 1], [1, 1, 1, 1]])


@pytest.mark.parametrize(
    ("layer", "message"),
    [
        (Dense("d", WEIGHTS, [[1, 0], [1, 2]], "unipolar"), r"neuron 0: threshold 1, 0, is below"),
        (Dense("d", WEIGHTS, np.ones((2, 1), int), "unipolar"), r"use \[2\] for one level"),
        (Dense("d", WEIGHTS, np.zeros((2, MAX_LEVELS + 1), int), "unipolar"), "2 to 255"),
        (Dense("d", WEIGHTS, [[0, 1], [0, 14]], "unipolar"), "neuron 1: threshold 14 is out of"),
        (Dense("d", WEIGHTS, np.zeros((2, 2, 2), int), "unipolar"), "one a neuron, or"),
        (Threshold("t", np.array([0, 1])), r"one a channel, or \[4, levels\]"),
        (Threshold("t", np.array([[0, 5]])), "channel 0: threshold 5 is out of range"),
        (Dense("d", WEIGHTS, np.array([0, 0]), "bipolar"), "sums bits"),
    ],
)
def test_what_cannot_be_is_refused_in_words(layer: Layer, message: str) -> None:
    if isinstance(layer, Dense) and isinstance(layer.thresholds, tuple):
        layer = replace(layer, thresholds=np.array(layer.thresholds))
    with pytest.raises(BadInputError, match=message):
        small(layer)


@pytest.mark.parametrize(
    ("layer", "message"),
    [
        (Conv2d("c", (1, 1), np.ones((2, 1), int), groups=3), "2 channels do not divide into 3"),
        (Conv2d("c", (1, 1), np.ones((3, 1), int), groups=2), "3 neurons do not divide into 2"),
        (Conv2d("c", (1, 1), np.ones((2, 2), int), groups=2), "weights take 2 inputs"),
        (
            Conv2d("c", (2, 2), np.ones((1, 8), int), None, "unipolar", padding=(1, 1), pad_bit=4),
            "its padding is 4",
        ),
    ],
)
def test_convolutions_that_cannot_be_are_refused_in_words(layer: Layer, message: str) -> None:
    with pytest.raises(BadInputError, match=message):
        small(Unflatten("image", (2, 1, 2)), layer)


def test_a_signed_image_has_no_largest_value_with_padding_of_zero() -> None:
    conv = Conv2d("c", (1, 1), np.array([[1, -1]]), None, "unipolar")
    with pytest.raises(BadInputError, match="compares unsigned integers"):
        small(Unflatten("image", (2, 1, 2)), conv, MaxPool2d("p", (1, 1)), Flatten("f"))


def test_what_format_1_can_hold_is_written_as_format_1(tmp_path: Path) -> None:
    old = small(Dense("d", WEIGHTS, np.array([1, 1]), "unipolar"))
    new = small(Dense("d", WEIGHTS, np.array([[1, 2], [1, 3]]), "unipolar"))
    assert b'\\"format\\": 1' in network_bytes(old)
    assert b'\\"format\\": 2' in network_bytes(new)
    save_network(new, tmp_path / "new.safetensors")
    assert load_network(tmp_path / "new.safetensors").digest == new.digest


def test_a_convolution_of_one_group_has_the_digest_that_it_always_had() -> None:
    assert "groups" not in Conv2d("c", (1, 1), WEIGHTS, WEIGHTS[0]).scalars
    assert Conv2d("c", (1, 1), WEIGHTS, WEIGHTS[0], groups=2).scalars["groups"] == 2
