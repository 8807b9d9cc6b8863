"""Arrays of images: which axis is which is recognised or asked for; pixels land in their places."""

import base64
import dataclasses
import io

import numpy as np
import pytest
import torch
from PIL import Image

from htaflow.flows.report.png import strip
from htaflow.model.data.load import load
from htaflow.model.data.options import DataOptions
from htaflow.model.integer import golden
from htaflow.model.nn.activation import HTAF
from htaflow.model.nn.binary_linear import BinaryLinear
from htaflow.model.nn.block import Scores
from htaflow.model.nn.conv import BinaryConv2d, Flatten, Unflatten
from htaflow.model.nn.encode import Encoder
from htaflow.model.nn.lowering.lower import lower
from htaflow.model.nn.network import BinaryNetwork
from htaflow.model.run_directory import Run
from htaflow.model.support.errors import BadInputError
from htaflow.model.training import zoo
from htaflow.model.training.assemble import build_model
from htaflow.model.training.recipe import Conv, Neurons
from htaflow.model.training.train import train

HEIGHT, WIDTH = 5, 7


def colour_images(count: int = 20) -> np.ndarray:
    """Dark images, every other with one bright pixel: channel 2, row 1, column 4."""
    images = np.zeros((count, 3, HEIGHT, WIDTH), np.uint8)
    images[1::2, 2, 1, 4] = 255
    return images


def save(path, images, y=None, **more):
    np.savez(path, x=images, y=np.arange(len(images)) % 2 if y is None else y, **more)
    return path


def as_others_store(images: np.ndarray) -> np.ndarray:
    return images.transpose(0, 2, 3, 1)


def test_channels_last_are_recognised_and_turned_once(tmp_path):
    images = colour_images()
    said: list[str] = []
    last = load(save(tmp_path / "d.npz", as_others_store(images)), said.append)
    assert "3 channels, 5 x 7 pixels, come channels last, and are turned" in said[0]
    first = load(save(tmp_path / "d.npz", images), said.append)
    assert "3 channels, 5 x 7 pixels, come channels first" in said[1]
    assert np.array_equal(last.x_train, first.x_train)
    assert last.digest == first.digest
    assert last.image_shape == first.image_shape == (3, HEIGHT, WIDTH)
    assert (last.known.source, first.known.source) == ("nhwc", None)


@pytest.mark.parametrize("order", ["nchw", "nhwc"])
def test_a_pixel_lands_where_a_convolution_looks_for_it(tmp_path, order):
    images = colour_images()
    stored = images if order == "nchw" else as_others_store(images)
    data = load(save(tmp_path / "d.npz", stored))
    bits = 3 * HEIGHT * WIDTH
    encoder = Encoder(bits, 8, False, np.arange(bits), np.full(bits, 128))
    convolution = BinaryConv2d(3, 1, 1, HTAF())
    model = BinaryNetwork(
        encoder,
        {
            "image": Unflatten((3, HEIGHT, WIDTH)),
            "conv": convolution,
            "flat": Flatten(),
            "scores": Scores(BinaryLinear(HEIGHT * WIDTH, 2)),
        },
    )
    traced = golden.trace(lower(model.eval(), "place"), data.x_train)
    seen = traced["image"]
    bright = np.argwhere(seen[data.y_train == 1][0])
    assert bright.tolist() == [[2, 1, 4]]
    assert not seen[data.y_train == 0].any()
    assert traced["conv"].shape[1:] == (1, HEIGHT, WIDTH)


def test_a_recipe_sees_colour_images_that_are_not_square(tmp_path):
    data = load(save(tmp_path / "d.npz", as_others_store(colour_images(60))))
    recipe = dataclasses.replace(
        zoo.ZOO["digits-conv"], thresholds=2, hidden=(Conv(4, 3, padding=1), Neurons(20, 3, 6))
    )
    model = build_model(recipe, data, 0)
    network = lower(model, "colour")
    image = golden.trace(network, data.x_train[data.y_train == 1][:1])["image"][0]
    assert image.shape[1:] == (HEIGHT, WIDTH)
    assert image.shape[0] % 3 == 0
    assert {(int(c) % 3, int(y), int(x)) for c, y, x in np.argwhere(image)} == {(2, 1, 4)}
    assert model(torch.as_tensor(data.x_train)).shape == (len(data.x_train), 2)


def test_the_run_keeps_shape_and_order(tmp_path):
    path = save(tmp_path / "d.npz", as_others_store(colour_images(60)))
    recipe = dataclasses.replace(
        zoo.ZOO["digits"], name="tiny-colour", hidden=(Neurons(20, 2, 6),), epochs=2
    )
    train(recipe, path, tmp_path / "run")
    run = Run(tmp_path / "run")
    network = run.load_network()
    known = run.load_features(network)
    assert (known.shape, known.source) == ((3, HEIGHT, WIDTH), "nhwc")
    assert known.name(np.ravel_multi_index((2, 1, 4), known.shape)) == "channel 2, row 1, column 4"


@pytest.mark.parametrize(
    ("shape", "why"),
    [
        ((20, 3, 8, 3), "either could be"),
        ((20, 8, 8, 2), "neither looks"),
        ((20, 4, 4, 1), "either"),
    ],
)
def test_an_order_that_may_be_either_is_asked_for(tmp_path, rng, shape, why):
    path = save(tmp_path / "d.npz", rng.integers(0, 256, shape))
    with pytest.raises(BadInputError, match=f"{why}.*--layout nchw .*--layout nhwc"):
        load(path)
    first = load(path, options=DataOptions(layout="nchw"))
    last = load(path, options=DataOptions(layout="nhwc"))
    assert first.image_shape == shape[1:]
    assert last.image_shape == (shape[3], *shape[1:3])


@pytest.mark.parametrize("shape", [(20, 8), (20, 8, 8), (20, 2, 3, 4, 5)])
def test_arrays_without_channels_have_no_layout(tmp_path, rng, shape):
    path = save(tmp_path / "d.npz", rng.integers(0, 256, shape))
    assert load(path).features == np.prod(shape[1:])
    with pytest.raises(BadInputError, match="--layout"):
        load(path, options=DataOptions(layout="nchw"))


def test_both_sets_must_have_images_of_one_shape(tmp_path):
    images, y = colour_images(), np.arange(20) % 2
    arrays = {"x_train": images, "y_train": y, "x_test": as_others_store(images), "y_test": y}
    np.savez(tmp_path / "d.npz", **arrays)
    with pytest.raises(BadInputError, match="give both images of the same shape"):
        load(tmp_path / "d.npz")


@pytest.mark.parametrize("dtype", [np.int64, np.float32, np.bool_])
def test_one_hot_labels_and_columns_of_labels_are_recognised(tmp_path, dtype):
    images, classes = colour_images(30), np.arange(30) % 3
    plain = load(save(tmp_path / "d.npz", images, classes))
    said: list[str] = []
    hot = load(save(tmp_path / "d.npz", images, np.eye(3, dtype=dtype)[classes]), said.append)
    assert "labels of shape [30, 3] are one-hot" in said[0]
    column = load(save(tmp_path / "d.npz", images, classes[:, None]), said.append)
    assert any("labels of shape [30, 1] are taken as [N]" in line for line in said)
    assert plain.digest == hot.digest == column.digest


@pytest.mark.parametrize("row", [[1, 1, 0], [0, 0, 0], [0.5, 0.5, 0], [2, 0, 0], [-1, 1, 1]])
def test_rows_that_are_not_one_hot_are_refused(tmp_path, row):
    y = np.eye(3)[np.arange(20) % 3]
    y[7] = row
    with pytest.raises(BadInputError, match=r"row 7 is not one-hot.*argmax"):
        load(save(tmp_path / "d.npz", colour_images(), y))


@pytest.mark.parametrize("channels", [1, 2, 3])
def test_the_report_shows_images_in_their_own_shape_and_colours(channels):
    frames = np.zeros((2, channels, HEIGHT, WIDTH), np.int64)
    frames[1, channels - 1, 1, 4] = 200
    text = strip(frames.reshape(2, -1), 0, 200, (channels, HEIGHT, WIDTH))
    picture = np.array(Image.open(io.BytesIO(base64.b64decode(text.partition(",")[2]))))
    second = picture[:, WIDTH + 1 :]  # beyond the first and the gap
    if channels == 3:
        assert np.argwhere(second == 255).tolist() == [[1, 4, 2]]
    else:
        assert np.argwhere(second == 255).tolist() == [[(channels - 1) * HEIGHT + 1, 4]]
