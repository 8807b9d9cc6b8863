"""From a recipe and data to an untrained model."""

import math

import torch

from htaflow.model.data.dataset import Dataset
from htaflow.model.nn.activation import HTAF
from htaflow.model.nn.binary_linear import BinaryLinear, binary_linear
from htaflow.model.nn.block import Block, GroupSum, Hidden, Scores
from htaflow.model.nn.concept import Concepts
from htaflow.model.nn.conv import BinaryConv2d, Flatten, MaxPool2d, Unflatten
from htaflow.model.nn.encode import (
    Encoder,
    Quantiser,
    choose_thresholds,
    image_thresholds,
    rate_thresholds,
)
from htaflow.model.nn.heaviside import Heaviside
from htaflow.model.nn.integer_linear import IntegerLinear
from htaflow.model.nn.lookup import tabulate
from htaflow.model.nn.network import BinaryNetwork
from htaflow.model.nn.spiking import Accumulate, Spiking, Steps
from htaflow.model.nn.staircase import Staircase
from htaflow.model.support.errors import BadInputError
from htaflow.model.training.recipe import (
    ConceptNeurons,
    Conv,
    HeavisideNeurons,
    HiddenLayer,
    Neurons,
    Pool,
    Recipe,
    SpikingNeurons,
    StaircaseNeurons,
)
from htaflow.model.training.recipe_check import check_recipe, layer_name


def build_model(recipe: Recipe, dataset: Dataset, seed: int) -> BinaryNetwork:
    """Return an untrained model of ``recipe`` for the features and classes of ``dataset``.

    The same ``seed`` gives the same model; torch's own random numbers are left as they were. Raises
    ``BadInputError`` if the encoder finds nothing to tell frames apart by, if a layer cannot be
    built, which it names, or if the recipe is for images and the frames are none that it can take.
    """
    check_recipe(recipe)
    encoder = _encoder(recipe, dataset)
    is_image = isinstance(recipe.hidden[0], Conv | Pool)
    rate = recipe.steps is not None and recipe.coding == "rate"
    blocks: dict[str, Block] = {}
    classes = len(dataset.classes)
    width, high = encoder.width, encoder.high
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        if recipe.steps is not None:
            blocks["steps"] = Steps(recipe.steps, "split" if rate else "direct")
            width = width // recipe.steps if rate else width
        shape: tuple[int, ...] = (width,)
        if is_image:
            assert dataset.image_shape is not None
            channels, rows, columns = dataset.image_shape
            image = (width // dataset.features * channels, rows, columns)
            shape, blocks["image"] = image, Unflatten(image)
        for index, layer in enumerate(recipe.hidden, 1):
            if not isinstance(layer, Conv | Pool) and len(shape) == 3:
                blocks["flat"] = Flatten()
                shape = (math.prod(shape),)
            even = classes if recipe.head == "vote" and index == len(recipe.hidden) else 1
            name = layer_name(index, layer)
            try:
                blocks[name], shape = _block(recipe, layer, shape, high, even)
                if isinstance(layer, ConceptNeurons):
                    blocks["concepts"] = Concepts(shape[0], layer.names)
            except (BadInputError, ValueError) as error:  # it does not know whose it is
                raise BadInputError(f"recipe '{recipe.name}', layer '{name}': {error}") from error
            high = layer.levels if isinstance(layer, StaircaseNeurons) else 1
        if len(shape) == 3:
            blocks["flat"] = Flatten()
        width = math.prod(shape)
        if recipe.head == "vote":
            blocks["vote"] = GroupSum(classes)
        elif recipe.head_bits is None:
            blocks["scores"] = Scores(BinaryLinear(width, classes))
        else:
            linear = IntegerLinear(width, classes, recipe.head_bits, high=high, shared=True)
            blocks["scores"] = Scores(linear)
    if recipe.steps is not None:
        blocks["count"] = Accumulate()
    model = BinaryNetwork(encoder, blocks)
    for module in model.modules():
        if isinstance(module, BinaryLinear):
            module.gradient = recipe.weights
    return model


def _encoder(recipe: Recipe, dataset: Dataset) -> Encoder | Quantiser:
    """Return the first block: comparisons, or features as they are but for their low bits."""
    frame = dataset.features, dataset.feature_bits, dataset.signed
    if isinstance(recipe.hidden[0], Conv | Pool):
        _check_image(recipe, dataset)
        return Encoder(*frame, *image_thresholds(dataset.x_train, recipe.thresholds))
    if recipe.feature_bits is not None:
        return Quantiser(*frame, recipe.feature_bits)
    if recipe.steps is not None and recipe.coding == "rate":
        return Encoder(*frame, *rate_thresholds(dataset.x_train, recipe.steps))
    return Encoder(*frame, *choose_thresholds(dataset.x_train, recipe.thresholds, recipe.encoding))


def _check_image(recipe: Recipe, dataset: Dataset) -> None:
    """Raise ``BadInputError`` if a dataset's frames are no images, and cannot be square ones."""
    if dataset.image_shape is None:
        raise BadInputError(
            f"model '{recipe.name}' takes square images, and {dataset.features} features are "
            "none; give others as [N, channels, height, width] or as files, or use a model without "
            "convolutions, such as 'table'"
        )


def _block(
    recipe: Recipe, layer: HiddenLayer, shape: tuple[int, ...], high: int, even: int
) -> tuple[Block, tuple[int, ...]]:
    """Return the block that ``layer`` becomes when fed ``shape``, and the shape that it yields.

    ``high`` is the largest value that it is fed. Its neurons or channels are rounded up to a
    multiple of ``even``.
    """
    sharpening = isinstance(layer, ConceptNeurons)
    activation = HTAF(recipe.hard_alpha[0], recipe.beta, sharpening=sharpening)
    if not isinstance(layer, Conv | Pool):
        count = -(-layer.count // even) * even
        return _hidden(shape[0], high, count, layer, activation), (count,)
    channels, padding = shape[0], 0
    block: BinaryConv2d | MaxPool2d
    if isinstance(layer, Pool):
        block = MaxPool2d(layer.kernel, layer.stride)
    else:
        channels, padding = -(-layer.channels // even) * even, layer.padding
        block = _convolution(shape[0], channels, layer, activation)
    sides = [(side + 2 * padding - layer.kernel) // layer.stride + 1 for side in shape[1:]]
    if min(sides) < 1:
        raise BadInputError(
            f"it has no window: an image of {shape[1]} x {shape[2]} pixels is too small for a "
            f"kernel of {layer.kernel} with padding {padding}; use larger images, or fewer layers"
        )
    return block, (channels, *sides)


def _convolution(inputs: int, channels: int, layer: Conv, activation: HTAF) -> BinaryConv2d:
    """Return the convolution of ``channels`` that ``layer`` becomes on ``inputs`` channels."""
    return BinaryConv2d(
        inputs,
        channels,
        layer.kernel,
        activation,
        stride=layer.stride,
        padding=layer.padding,
        pad_bit=layer.pad_bit,
        fan_in=layer.fan_in,
        start_fan_in=layer.start_fan_in,
    )


def refine_model(model: BinaryNetwork, recipe: Recipe) -> BinaryNetwork:
    """Return ``model`` with its hidden layers as truth tables that decide as they do."""
    activation = HTAF(recipe.hard_alpha[0], recipe.beta)
    blocks = {
        name: tabulate(block, name, activation) if isinstance(block, Hidden) else block
        for name, block in model.named_children()
        if isinstance(block, Block) and not isinstance(block, Encoder)
    }
    return BinaryNetwork(model.encoder, blocks)


def _hidden(
    width: int, high: int, count: int, neurons: Neurons, activation: HTAF
) -> Hidden | Heaviside | Spiking:
    """Return a hidden layer of ``count`` neurons on ``width`` inputs from 0 to ``high``."""
    if isinstance(neurons, HeavisideNeurons):
        fan_ins = neurons.fan_in, neurons.start_fan_in
        linear = IntegerLinear(width, count, neurons.bits, *fan_ins, high=high)
        if isinstance(neurons, StaircaseNeurons):
            return Staircase(linear, activation, neurons.levels)
        return (Hidden if neurons.normalised else Heaviside)(linear, activation)
    binary = binary_linear(width, count, neurons.fan_in, neurons.start_fan_in)
    if isinstance(neurons, SpikingNeurons):
        return Spiking(
            binary,
            activation,
            beta=neurons.beta,
            reset_mechanism=neurons.reset_mechanism,
            fraction=neurons.fraction,
        )
    return Hidden(binary, activation)
