"""Recipes: what to build and how to train it, as data. One entry here is one model by name."""

import math
from dataclasses import asdict, dataclass, replace
from typing import Any, Literal

import torch

from htaflow.model.activation import HTAF
from htaflow.model.binary_network import BinaryNetwork
from htaflow.model.block import Block, GroupSum, Hidden, Scores
from htaflow.model.conv import BinaryConv2d, Flatten, MaxPool2d, Unflatten
from htaflow.model.dataset import Dataset
from htaflow.model.dhn import Heaviside
from htaflow.model.encode import (
    Encoder,
    Quantiser,
    Rule,
    choose_thresholds,
    image_thresholds,
    rate_thresholds,
)
from htaflow.model.errors import BadInputError, nearest
from htaflow.model.integer_linear import WEIGHT_BITS, IntegerLinear
from htaflow.model.layers import BinaryLinear, binary_linear
from htaflow.model.lookup import tabulate
from htaflow.model.spiking import Accumulate, Spiking, Steps


@dataclass(frozen=True)
class Neurons:
    """A hidden layer: how many neurons, and how many inputs each keeps.

    ``fan_in`` of ``None`` is a dense layer. ``start_fan_in`` is where annealing begins.
    """

    count: int
    fan_in: int | None = None
    start_fan_in: int | None = None


@dataclass(frozen=True)
class SpikingNeurons(Neurons):
    """A hidden layer of neurons that spike; the rest as :class:`htaflow.model.spiking.Spiking`."""

    beta: float = 1.0
    reset_mechanism: Literal["subtract", "zero"] = "subtract"
    fraction: int = 1


@dataclass(frozen=True)
class HeavisideNeurons(Neurons):
    """A hidden layer with integer weights of ``bits`` bits, 2 to 8, on inputs 0 and 1.

    ``normalised`` is whether batch normalisation follows the sums.
    """

    bits: int = 4
    normalised: bool = True


@dataclass(frozen=True)
class Conv:
    """A convolution: its channels, its windows, and how many inputs each neuron keeps.

    ``fan_in`` and ``start_fan_in`` are as in :class:`Neurons`.
    """

    channels: int
    kernel: int = 3
    stride: int = 1
    padding: int = 0
    pad_bit: int = 0
    fan_in: int | None = None
    start_fan_in: int | None = None


@dataclass(frozen=True)
class Pool:
    """The OR of each channel over windows of ``kernel`` x ``kernel``, ``stride`` apart."""

    kernel: int = 2
    stride: int = 2


HiddenLayer = Neurons | Conv | Pool
"""What a recipe's hidden layers are."""


@dataclass(frozen=True)
class Refinement:
    """A second training, of the tables that sparse neurons have become; see :class:`Recipe`."""

    temperature: float
    epochs: int = 80
    batch: int = 256
    learning_rate: float = 0.02
    noise: float = 0.0
    shift: int = 1
    centred: float = 0.4
    rewiring: float = 0.6


@dataclass(frozen=True)
class Recipe:
    """Everything that, with data and a seed, determines a trained model.

    Args:
        name: how the command line calls it.
        description: one line for people.
        thresholds: comparisons a feature in the encoder, at most.
        encoding: where they are put, see :mod:`htaflow.model.encode`.
        hidden: the hidden layers. Convolutions and pooling come first, and then frames are taken as
            square images, each threshold a channel. With ``vote``, the neurons or channels of the
            last layer are rounded up to a multiple of the number of classes.
        head: ``vote`` counts each class's own bits, ``scores`` weighs all bits.
        steps: steps a frame, whose scores are added up; ``None`` if it is no spiking network.
        coding: ``direct`` has the same bits in each step; ``rate`` compares features with other
            thresholds in each, which are pseudo-random: ``thresholds`` and ``encoding`` do not
            matter then.
        feature_bits: with a number, features enter as unsigned integers of so many bits, and not by
            comparison; ``thresholds`` and ``encoding`` do not matter then.
        head_bits: bits of the weights of ``scores``; without a number they are -1 and 1, of inputs
            that count as such.
        temperature: the scores are divided by it for the loss.
        epochs: passes over the training data.
        batch: frames a step.
        learning_rate: Adam's, at the start; it falls to 0 as a half cosine.
        noise: share of the encoded bits that is flipped in training, anew in each step.
        shift: pixels by which frames that are square images are moved at random in training.
        centred: share of such frames that are not moved.
        rewiring: share of the neurons of truth tables that try another input, twice an epoch, at
            the start of training; see :mod:`htaflow.model.rewire`.
        refinement: how the hidden layers are trained further as truth tables, any functions of the
            inputs that they have found; or ``None`` to leave them thresholds of sums.
        annealing: share of training in which fan-in narrows to its target.
        beta: HTAF's tail.
        hard_alpha: HTAF's sharpness at start and end of training in hard mode.
        smooth_alpha: the same in smooth mode.
    """

    name: str
    description: str
    thresholds: int
    encoding: Rule
    hidden: tuple[HiddenLayer, ...]
    head: Literal["vote", "scores"]
    temperature: float
    epochs: int
    batch: int
    learning_rate: float
    noise: float
    steps: int | None = None
    coding: Literal["direct", "rate"] = "direct"
    shift: int = 0
    centred: float = 0.0
    rewiring: float = 0.0
    refinement: Refinement | None = None
    annealing: float = 0.6
    beta: float = 1.0
    hard_alpha: tuple[float, float] = (2.0, 2.0)
    smooth_alpha: tuple[float, float] = (4.0, 64.0)
    feature_bits: int | None = None
    head_bits: int | None = None


def _tabled_mnist(
    name: str, first: int, second: int, fan_in: int = 6, wiring: int = 6, **refinement: Any
) -> Recipe:
    """Return a recipe for MNIST whose neurons are any functions of ``fan_in`` pixels or bits.

    ``wiring`` epochs find wires to start from; the ``refinement``, as tables, better wires and
    functions.
    """
    spread = math.sqrt(second / 10)  # of a class's votes, were they random
    return Recipe(
        name=name,
        description=f"28 x 28 digits, {first} + {second} truth tables of {fan_in} inputs",
        thresholds=1,
        encoding="range",
        hidden=(Neurons(first, fan_in, 100), Neurons(second, fan_in, 60)),
        head="vote",
        temperature=0.65 * spread,
        epochs=wiring,
        batch=256,
        learning_rate=0.02,
        noise=0.01,
        refinement=replace(Refinement(temperature=0.42 * spread), **refinement),
    )


ZOO = {
    recipe.name: recipe
    for recipe in (
        Recipe(
            name="digits",
            description="8 x 8 digits, 200 + 100 neurons of fan-in 6: small enough for an iCE40",
            thresholds=3,
            encoding="range",
            hidden=(Neurons(200, 6, 60), Neurons(100, 6, 40)),
            head="vote",
            temperature=1.5,
            epochs=80,
            batch=64,
            learning_rate=0.03,
            noise=0.03,
        ),
        Recipe(
            name="digits-dense",
            description="8 x 8 digits, 64 dense neurons, every score a sum of all of them",
            thresholds=3,
            encoding="range",
            hidden=(Neurons(64),),
            head="scores",
            temperature=8.0,
            epochs=40,
            batch=64,
            learning_rate=0.01,
            noise=0.03,
        ),
        Recipe(
            name="digits-snn",
            description="8 x 8 digits, 200 + 100 spiking neurons of fan-in 6, 4 steps a frame",
            thresholds=3,
            encoding="range",
            hidden=(SpikingNeurons(200, 6, 60), SpikingNeurons(100, 6, 40)),
            head="vote",
            temperature=3.0,
            epochs=40,
            batch=64,
            learning_rate=0.03,
            noise=0.03,
            steps=4,
        ),
        Recipe(
            name="digits-conv",
            description="8 x 8 digits, convolutions of 16 and 24 channels, then 150 neurons",
            thresholds=2,
            encoding="range",
            hidden=(
                Conv(16),
                Conv(24, fan_in=12, start_fan_in=48),
                Neurons(150, 6, 40),
            ),
            head="vote",
            temperature=2.0,
            epochs=60,
            batch=64,
            learning_rate=0.02,
            noise=0.02,
        ),
        Recipe(
            name="table",
            description="tables of unlike features, 200 + 100 neurons of fan-in 6",
            thresholds=5,
            encoding="quantiles",
            hidden=(Neurons(200, 6, 60), Neurons(100, 6, 40)),
            head="vote",
            temperature=1.5,
            epochs=80,
            batch=64,
            learning_rate=0.03,
            noise=0.03,
        ),
        Recipe(
            name="mnist-small",
            description="28 x 28 digits, 1000 + 600 neurons of fan-in 6",
            thresholds=1,
            encoding="range",
            hidden=(Neurons(1000, 6, 100), Neurons(600, 6, 60)),
            head="vote",
            temperature=5.0,
            epochs=25,
            batch=256,
            learning_rate=0.02,
            noise=0.01,
        ),
        Recipe(
            name="mnist-snn",
            description="28 x 28 digits, 800 + 400 spiking neurons of fan-in 8, 4 steps a frame",
            thresholds=1,
            encoding="range",
            hidden=(SpikingNeurons(800, 8, 100), SpikingNeurons(400, 8, 60)),
            head="vote",
            temperature=8.0,
            epochs=25,
            batch=256,
            learning_rate=0.02,
            noise=0.01,
            steps=4,
        ),
        Recipe(
            name="digits-dhn",
            description="8 x 8 digits of 4 bits, 4 layers of 48 neurons with weights of 4 bits",
            thresholds=1,
            encoding="range",
            hidden=(HeavisideNeurons(48, 8, 24),) * 4,
            head="scores",
            temperature=16.0,
            epochs=40,
            batch=64,
            learning_rate=0.02,
            noise=0.02,
            feature_bits=4,
            head_bits=4,
        ),
        Recipe(
            name="mnist-dhn",
            description="28 x 28 digits of 2 bits, 4 layers of neurons with weights of 4 bits",
            thresholds=1,
            encoding="range",
            hidden=(
                HeavisideNeurons(400, 12, 120),
                HeavisideNeurons(240, 16, 80),
                HeavisideNeurons(160, 16, 60),
                HeavisideNeurons(100, 16, 60),
            ),
            head="scores",
            temperature=24.0,
            epochs=30,
            batch=256,
            learning_rate=0.02,
            noise=0.01,
            shift=1,
            centred=0.4,
            feature_bits=2,
            head_bits=4,
        ),
        Recipe(
            name="mnist-conv-s",
            description="28 x 28 digits, convolutions of 24 and 48 channels, then 1000 neurons",
            thresholds=1,
            encoding="range",
            hidden=(
                Conv(24),
                Pool(),
                Conv(48, fan_in=24, start_fan_in=216),
                Pool(),
                Neurons(1000, 6, 100),
            ),
            head="vote",
            temperature=5.0,
            epochs=20,
            batch=128,
            learning_rate=0.01,
            noise=0.0,
            shift=1,
            centred=0.4,
        ),
        Recipe(
            name="mnist-conv",
            description="28 x 28 digits, convolutions of 32, 64 and 100 channels",
            thresholds=1,
            encoding="range",
            hidden=(
                Conv(32),
                Pool(),
                Conv(64),
                Pool(),
                Conv(100, fan_in=96, start_fan_in=576),
            ),
            head="scores",
            temperature=24.0,
            epochs=20,
            batch=128,
            learning_rate=0.01,
            noise=0.0,
            shift=1,
            centred=0.4,
        ),
        # Rewired, it reaches 97.1 %, but its wires then find no way on an UP5K.
        _tabled_mnist(
            "mnist-up5k", 1200, 500, fan_in=4, wiring=25, epochs=24, rewiring=0.0, centred=0.0
        ),
        _tabled_mnist("mnist-xs", 540, 260),
        _tabled_mnist("mnist-s", 1000, 500, wiring=10),
        _tabled_mnist("mnist-m", 1800, 1140, epochs=60),
        _tabled_mnist("mnist-l", 2400, 1600, wiring=10, epochs=40),
    )
}


def find_recipe(name: str) -> Recipe:
    """Return the recipe called ``name``. Raises ``BadInputError`` with the nearest name."""
    if name not in ZOO:
        raise BadInputError(f"no model '{name}' in the zoo{nearest(name, ZOO)}")
    return ZOO[name]


def build_model(recipe: Recipe, dataset: Dataset, seed: int) -> BinaryNetwork:
    """Return an untrained model of ``recipe`` for the features and classes of ``dataset``.

    The same ``seed`` gives the same model; torch's own random numbers are left as they were. Raises
    ``BadInputError`` if the encoder finds nothing to tell frames apart by, or if the recipe is for
    images and the frames are none that it can take.
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
            side = math.isqrt(dataset.features)
            shape = (width // dataset.features, side, side)
            blocks["image"] = Unflatten((shape[0], side, side))
        for index, layer in enumerate(recipe.hidden, 1):
            if not isinstance(layer, Conv | Pool) and len(shape) == 3:
                blocks["flat"] = Flatten()
                shape = (math.prod(shape),)
            even = classes if recipe.head == "vote" and index == len(recipe.hidden) else 1
            name, block, shape = _block(recipe, layer, shape, high, even)
            blocks[f"{name}{index}"] = block
            high = 1
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
    return BinaryNetwork(encoder, blocks)


def check_recipe(recipe: Recipe) -> None:
    """Raise ``BadInputError`` for a recipe that cannot be built; it names the layer."""
    layers = {f"hidden{index}": neurons for index, neurons in enumerate(recipe.hidden, 1)}
    bits = {n: hidden.bits for n, hidden in layers.items() if isinstance(hidden, HeavisideNeurons)}
    if recipe.head_bits is not None:
        bits["scores"] = recipe.head_bits
    for name, number in bits.items():
        if number not in WEIGHT_BITS:
            raise BadInputError(
                f"recipe '{recipe.name}', layer '{name}': weights of {number} bits; use "
                f"{WEIGHT_BITS[0]} to {WEIGHT_BITS[-1]}"
            )
    if bits and recipe.refinement is not None:
        raise BadInputError(
            f"recipe '{recipe.name}', layer '{next(iter(bits))}': only neurons with weights -1 and "
            "1 can be refined as truth tables; remove the refinement"
        )
    windows = [index for index, layer in enumerate(recipe.hidden) if isinstance(layer, Conv | Pool)]
    if windows != list(range(len(windows))):
        raise BadInputError(
            f"recipe '{recipe.name}': convolutions and pooling take images; put them before all "
            "other layers"
        )
    if windows and recipe.refinement is not None:
        raise BadInputError(
            f"recipe '{recipe.name}': convolutions cannot be refined as truth tables; remove the "
            "refinement"
        )
    if recipe.feature_bits is None:
        return
    if not 1 <= recipe.feature_bits <= 8:
        raise BadInputError(
            f"recipe '{recipe.name}': features of {recipe.feature_bits} bits; use 1 to 8"
        )
    if recipe.steps is not None:
        raise BadInputError(
            f"recipe '{recipe.name}': steps are of bits, and features enter as integers; use no "
            "feature_bits, or no steps"
        )
    for name, neurons in list(layers.items())[:1]:
        if not isinstance(neurons, HeavisideNeurons):
            raise BadInputError(
                f"recipe '{recipe.name}', layer '{name}': neurons with weights -1 and 1 take bits, "
                "and features enter as integers; use HeavisideNeurons, or no feature_bits"
            )


def _encoder(recipe: Recipe, dataset: Dataset) -> Encoder | Quantiser:
    """Return the first block: comparisons, or features as they are but for their low bits."""
    frame = dataset.features, dataset.feature_bits, dataset.signed
    if isinstance(recipe.hidden[0], Conv | Pool):
        _check_square(recipe, dataset)
        return Encoder(*frame, *image_thresholds(dataset.x_train, recipe.thresholds))
    if recipe.feature_bits is not None:
        return Quantiser(*frame, recipe.feature_bits)
    if recipe.steps is not None and recipe.coding == "rate":
        return Encoder(*frame, *rate_thresholds(dataset.x_train, recipe.steps))
    return Encoder(*frame, *choose_thresholds(dataset.x_train, recipe.thresholds, recipe.encoding))


def _check_square(recipe: Recipe, dataset: Dataset) -> None:
    """Raise ``BadInputError`` if a dataset's frames are no square images."""
    side = math.isqrt(dataset.features)
    if side * side != dataset.features:
        raise BadInputError(
            f"model '{recipe.name}' takes square images, and {dataset.features} features are none; "
            "use a model without convolutions, such as 'table'"
        )


def _block(
    recipe: Recipe, layer: HiddenLayer, shape: tuple[int, ...], high: int, even: int
) -> tuple[str, Block, tuple[int, ...]]:
    """Return what ``layer`` is called, the block that it becomes when fed ``shape``, and its shape.

    ``high`` is the largest value that it is fed. Its neurons or channels are rounded up to a
    multiple of ``even``.
    """
    activation = HTAF(recipe.hard_alpha[0], recipe.beta)
    if not isinstance(layer, Conv | Pool):
        count = -(-layer.count // even) * even
        return "hidden", _hidden(shape[0], high, count, layer, activation), (count,)
    padding = layer.padding if isinstance(layer, Conv) else 0
    side = (shape[1] + 2 * padding - layer.kernel) // layer.stride + 1
    if side < 1:
        raise BadInputError(
            f"model '{recipe.name}' takes larger images: after some of its layers, one of "
            f"{shape[1]} x {shape[1]} pixels is too small for a window of {layer.kernel}"
        )
    if isinstance(layer, Pool):
        return "pool", MaxPool2d(layer.kernel, layer.stride), (shape[0], side, side)
    channels = -(-layer.channels // even) * even
    block = BinaryConv2d(
        shape[0],
        channels,
        layer.kernel,
        activation,
        stride=layer.stride,
        padding=layer.padding,
        pad_bit=layer.pad_bit,
        fan_in=layer.fan_in,
        start_fan_in=layer.start_fan_in,
    )
    return "conv", block, (channels, side, side)


def refine_model(model: BinaryNetwork, recipe: Recipe) -> BinaryNetwork:
    """Return ``model`` with its hidden layers as truth tables that decide as they do."""
    activation = HTAF(recipe.hard_alpha[0], recipe.beta)
    blocks = {
        name: tabulate(block, name, activation) if isinstance(block, Hidden) else block
        for name, block in model.named_children()
        if isinstance(block, Block) and not isinstance(block, Encoder)
    }
    return BinaryNetwork(model.encoder, blocks)


def refined_recipe(recipe: Recipe, epochs: int) -> Recipe:
    """Return how ``recipe`` goes on as tables, when ``epochs`` were trained before.

    The refinement is lengthened or shortened in the same proportion as those are.
    """
    assert recipe.refinement is not None
    scaled = max(1, round(recipe.refinement.epochs * epochs / recipe.epochs))
    return replace(recipe, **asdict(replace(recipe.refinement, epochs=scaled)), refinement=None)


def _hidden(
    width: int, high: int, count: int, neurons: Neurons, activation: HTAF
) -> Hidden | Heaviside | Spiking:
    """Return a hidden layer of ``count`` neurons on ``width`` inputs from 0 to ``high``."""
    if isinstance(neurons, HeavisideNeurons):
        fan_ins = neurons.fan_in, neurons.start_fan_in
        linear = IntegerLinear(width, count, neurons.bits, *fan_ins, high=high)
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
