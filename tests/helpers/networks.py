"""Random small networks and frames: from a seed, and as a hypothesis strategy."""

from collections.abc import Sequence
from dataclasses import replace
from itertools import cycle
from typing import Any, TypeVar

import numpy as np
from hypothesis import strategies as st

from htaflow.model.integer.network import (
    Accumulate,
    ArgMax,
    Conv2d,
    Dense,
    Encode,
    Flatten,
    GroupSum,
    IntArray,
    Layer,
    Lookup,
    LookupConv2d,
    MaxPool2d,
    Network,
    Quantise,
    Scale,
    Spiking,
    Steps,
    SumPool2d,
    Threshold,
    Unflatten,
    Values,
    Windowed,
)

Option = TypeVar("Option")


class Choices:
    """Random numbers that decide of what shape a network is, and which weights it has."""

    def __init__(self, rng: np.random.Generator) -> None:
        self.rng = rng

    def pick(self, options: Sequence[Option]) -> Option:
        """Return one of ``options``, of which the first are the simplest."""
        return options[int(self.rng.integers(len(options)))]

    def chance(self, share: float) -> bool:
        """Return whether something is done that is done in a ``share`` of all cases."""
        return bool(self.rng.random() < share)


class DrawnChoices(Choices):
    """The same by hypothesis, which shrinks shapes; only weights come from a seed."""

    def __init__(self, draw: st.DrawFn) -> None:
        super().__init__(np.random.default_rng(draw(st.integers(0, 2**32 - 1))))
        self._draw = draw

    def pick(self, options: Sequence[Option]) -> Option:
        """Shrinks to the first."""
        return self._draw(st.sampled_from(options))

    def chance(self, share: float) -> bool:
        """Shrinks to no."""
        return self._draw(st.integers(1, 100)) > 100 - 100 * share


ENDINGS = ("bits", "votes", "scores", "class of votes", "class of scores")
"""What the last layers of a random network are."""


def random_encode(
    rng: np.random.Generator, features: int, bits: int, feature_bits: int, signed: bool
) -> Encode:
    """An encoder whose thresholds reach from always 1 to always 0."""
    low = -(1 << (feature_bits - 1)) if signed else 0
    source = rng.integers(0, features, bits)
    threshold = rng.integers(low, low + (1 << feature_bits) + 1, bits)
    return Encode("encode", features, feature_bits, signed, source, threshold)


def random_dense(
    rng: np.random.Generator,
    name: str,
    inputs: int,
    outputs: int,
    *,
    fan_in: int | None = None,
    thresholds: bool = True,
    unipolar: bool = False,
    weight_bits: int = 2,
    high: int = 1,
    levels: int = 1,
) -> Dense:
    """A layer of neurons of one ``fan_in``, or of any; some are always 0 or always 1.

    Inputs are 0 to ``high``. With more than two bits, weights are -2**(weight_bits - 1) and up.
    """
    half = 1 << (weight_bits - 1)
    weights = np.zeros((outputs, inputs), np.int64)
    for row in weights:
        wires = min(inputs, fan_in or int(rng.integers(1, inputs + 1)))
        signs = rng.choice((-1, 1), wires)
        magnitudes = rng.integers(1, half + (signs < 0)) if weight_bits > 2 else 1
        row[rng.choice(inputs, wires, replace=False)] = signs * magnitudes
    kind = "unipolar" if unipolar else "bipolar"
    layer = Dense(name, weights, None, kind)
    if not thresholds:
        return layer
    low, most = layer.bounds_up_to(high)
    if levels > 1:
        return Dense(name, weights, random_levels(rng, low, most, levels), kind)
    spread = rng.normal(0, 1, outputs) * np.sqrt(layer.fan_in) * high * (half / 2)
    near = np.clip((low + most) // 2 + np.round(spread).astype(np.int64), low, most + 1)
    anywhere = rng.integers(low, most + 2)
    return Dense(name, weights, np.where(rng.random(outputs) < 0.8, near, anywhere), kind)


def random_levels(rng: np.random.Generator, low: IntArray, high: IntArray, levels: int) -> IntArray:
    """Thresholds ``[out, levels]`` of sums ``low`` to ``high``, anywhere or evenly spaced."""
    if rng.random() < 0.5:
        anywhere = rng.integers(low, high + 2, (levels, len(low)))
        return np.sort(anywhere.T, axis=1)
    step = rng.uniform(0.2, 1.5, (len(low), 1)) * (high - low + 1)[:, None] / levels
    start = rng.uniform(low - step[:, 0], high)[:, None]
    even = np.ceil(start + step * np.arange(levels)).astype(np.int64)
    return np.clip(even, low[:, None], high[:, None] + 1)


def random_threshold(
    rng: np.random.Generator, name: str, values: Values, choices: Choices
) -> Threshold:
    """Levels of ``values``, the same for all channels or others for each."""
    rows, levels = choices.pick((1, values.shape[0])), choices.pick((1, 3, 2, 5, 15))
    low, high = np.full(rows, values.low), np.full(rows, values.high)
    thresholds = random_levels(rng, low, high, levels)
    return Threshold(name, thresholds[:, 0] if levels == 1 else thresholds)


def random_scale(rng: np.random.Generator, name: str, channels: int) -> Scale:
    """Multipliers and offsets of either sign, a few bits each."""
    multipliers = rng.integers(1, 12, channels) * rng.choice((-1, 1), channels)
    return Scale(name, multipliers, rng.integers(-20, 20, channels))


def random_lookup(
    rng: np.random.Generator, name: str, inputs: int, outputs: int, fan_in: int
) -> Lookup:
    """A layer of random truth tables, some of them constant or with a wire used twice."""
    tables = rng.integers(0, 2, (outputs, 1 << fan_in))
    tables[rng.random(outputs) < 0.1] = rng.integers(0, 2)
    return Lookup(name, rng.integers(0, inputs, (outputs, fan_in)), tables)


def random_spiking(
    rng: np.random.Generator,
    name: str,
    inputs: int,
    outputs: int,
    *,
    fan_in: int | None = None,
    choices: Choices | None = None,
) -> Spiking:
    """A layer of spiking neurons of any kind; some spike always, some never.

    ``choices``, by default those of ``rng``, decide which kind.
    """
    choices = choices or Choices(rng)
    unipolar = choices.chance(0.7)
    dense = random_dense(
        rng, name, inputs, outputs, fan_in=fan_in, thresholds=False, unipolar=unipolar
    )
    fraction = choices.pick((0, 0, 1, 3))
    reset = choices.pick(("subtract", "zero"))
    thresholds = rng.integers(1, 2 + (4 << fraction), outputs)
    biases = rng.integers(-3 << fraction, (3 << fraction) + 1, outputs)
    drops = rng.integers(1, 2 + (4 << fraction), outputs)
    return Spiking(
        name,
        dense.weights,
        thresholds,
        biases if choices.chance(0.5) else None,
        drops if reset == "subtract" and choices.chance(0.3) else None,
        choices.pick(range(1, 5)) if choices.chance(0.5) else None,
        reset,
        dense.inputs,
        fraction,
    )


def random_spiking_network(
    rng: np.random.Generator,
    *,
    steps: int = 4,
    features: int = 6,
    bits: int = 12,
    hidden: tuple[int, ...] = (8, 6),
    fan_in: int | None = 4,
    stateless: float = 0.2,
    ending: str = "class of votes",
    classes: int = 3,
) -> Network:
    """A network of ``steps`` steps a frame, with one of :data:`ENDINGS`.

    A share ``stateless`` of the hidden layers does not spike: sums and truth tables.
    """
    coding = "split" if rng.random() < 0.3 else "direct"
    encoded = bits * steps if coding == "split" else bits
    layers: list[Layer] = [random_encode(rng, features, encoded, 4, bool(rng.integers(2)))]
    layers.append(Steps("steps", steps, coding))
    width = bits
    for number, count in enumerate(hidden, 1):
        last = number == len(hidden) and ending.endswith("votes")
        size = -(-count // classes) * classes if last else count  # votes need equal groups
        name = f"hidden{number}"
        if rng.random() >= stateless:
            layers.append(random_spiking(rng, name, width, size, fan_in=fan_in))
        elif rng.random() < 0.5:
            layers.append(random_dense(rng, name, width, size, fan_in=fan_in))
        else:
            layers.append(random_lookup(rng, name, width, size, min(fan_in or 6, 6)))
        width = size
    if ending.endswith("votes"):
        layers.append(GroupSum("vote", classes))
    elif ending.endswith("scores"):
        layers.append(random_dense(rng, "head", width, classes, fan_in=fan_in, thresholds=False))
    layers.append(Accumulate("count"))
    if ending.startswith("class"):
        layers.append(ArgMax("argmax"))
    return Network("spiking", tuple(layers))


def random_windowed(
    rng: np.random.Generator,
    name: str,
    image: Values,
    choices: Choices | None = None,
    *,
    levels: bool = False,
) -> Windowed | None:
    """A convolution or pooling of any geometry, or None if it has no window on ``image``.

    ``choices``, by default those of ``rng``, decide which. It yields bits, or with ``levels``
    anything.
    """
    choices = choices or Choices(rng)
    kernel = (choices.pick(range(1, 4)), choices.pick(range(1, 4)))
    stride = (choices.pick(range(1, 4)), choices.pick(range(1, 4)))
    padding = (choices.pick(range(kernel[0])), choices.pick(range(kernel[1])))
    sizes = zip(image.shape[1:], kernel, padding, strict=True)
    if any(size + 2 * pad < reach for size, reach, pad in sizes):
        return None
    kind = choices.pick(("pool", "tables", "sums", "sums", *(("total",) if levels else ())))
    if kind in ("pool", "total"):
        pool = MaxPool2d if kind == "pool" else SumPool2d
        return pool(name, kernel, stride=stride, padding=padding)
    bits, channels = image.shape[0] * kernel[0] * kernel[1], choices.pick(range(1, 6))
    pad_bit = choices.pick((0, image.high))
    geometry: dict[str, Any] = {"stride": stride, "padding": padding, "pad_bit": pad_bit}
    if kind == "tables" and image.is_bits:
        tables = random_lookup(rng, name, bits, channels, choices.pick(range(1, 5)))
        return LookupConv2d(name, kernel, tables.source, tables.tables, **geometry)
    groups = image.shape[0] if levels and choices.chance(0.2) else 1
    dense = random_dense(
        rng,
        name,
        bits // groups,
        groups if groups > 1 else channels,
        fan_in=choices.pick((3, 6, None)),
        unipolar=not image.is_bits or choices.chance(0.3),
        weight_bits=choices.pick((2, 2, 2, 3, 5, 8)),
        high=image.high,
        levels=choices.pick((1, 1, 1, 3, 2, 7)) if levels else 1,
    )
    thresholds = None if levels and choices.chance(0.1) else dense.thresholds
    kind = dense.inputs
    return Conv2d(name, kernel, dense.weights, thresholds, kind, groups=groups, **geometry)


def random_image_network(
    rng: np.random.Generator,
    *,
    shape: tuple[int, int, int] = (2, 6, 5),
    windows: int = 3,
    hidden: tuple[int, ...] = (8,),
    before: bool = False,
    ending: str = "class of votes",
    classes: int = 3,
) -> Network:
    """A network with up to ``windows`` convolutions and poolings, then layers of flat bits.

    With ``before``, the image is made of a hidden layer's bits, not of the encoder's.
    """
    bits = Values(shape, 0, 1).count
    layers: list[Layer] = [random_encode(rng, int(rng.integers(1, bits + 1)), bits, 3, False)]
    if before:
        layers.append(random_dense(rng, "before", bits, bits, fan_in=3))
    image = Values(shape, 0, 1)
    layers.append(Unflatten("image", shape))
    for number in range(1, windows + 1):
        layer = random_windowed(rng, f"window{number}", image)
        if layer is not None:
            layers.append(layer)
            image = layer.output(image)
    layers.append(Flatten("flat"))
    width = image.count
    sizes = [*hidden, classes * 2] if ending.endswith("votes") else [*hidden]
    for number, size in enumerate(sizes, 1):
        layers.append(random_dense(rng, f"hidden{number}", width, size, fan_in=4))
        width = size
    if ending.endswith("votes"):
        layers.append(GroupSum("vote", classes))
    elif ending.endswith("scores"):
        layers.append(random_dense(rng, "head", width, classes, fan_in=4, thresholds=False))
    if ending.startswith("class"):
        layers.append(ArgMax("argmax"))
    return Network("images", tuple(layers))


def random_level_network(rng: np.random.Generator) -> Network:
    """An image of 3-bit integers through every layer of numbers of several levels."""
    layers: list[Layer] = [Quantise("encode", 24, 4, False, 3), Unflatten("image", (2, 4, 3))]

    def values() -> Values:
        found = Values((24,), 0, 15)
        for layer in layers:
            found = layer.output(found)
        return found

    def conv(name: str, channels: int, levels: int, **options: Any) -> Conv2d:
        high, groups = values().high, options.get("groups", 1)
        taps = 4 * values().shape[0] // groups
        dense = random_dense(
            rng, name, taps, channels, unipolar=True, weight_bits=3, high=high, levels=levels
        )
        return Conv2d(name, (2, 2), dense.weights, dense.thresholds, dense.inputs, **options)

    layers.append(conv("conv1", 4, 3, groups=2, padding=(1, 0), pad_bit=5))
    layers.append(MaxPool2d("largest", (2, 1), stride=(1, 1)))
    layers.append(replace(conv("conv2", 2, 1), thresholds=None))
    layers.append(random_scale(rng, "scale", values().shape[0]))
    layers.append(random_threshold(rng, "level", values(), Choices(rng)))
    layers.append(SumPool2d("total", (2, 1), stride=(1, 1)))
    layers.append(Flatten("flat"))
    many = random_dense(
        rng, "many", values().count, 3, fan_in=3, unipolar=True, high=values().high, levels=15
    )
    layers.append(many)
    head = random_dense(rng, "head", 3, 3, unipolar=True, high=15, thresholds=False)
    return Network("levels", (*layers, head, ArgMax("argmax")))


def random_network(
    rng: np.random.Generator,
    *,
    features: int = 6,
    feature_bits: int = 4,
    signed: bool = False,
    bits: int = 12,
    hidden: tuple[int, ...] = (8,),
    fan_in: int | None = 4,
    unipolar: bool = False,
    lookups: float = 0.0,
    weight_bits: int | tuple[int, ...] = 2,
    kept_bits: int = 0,
    ending: str = "class of votes",
    classes: int = 3,
) -> Network:
    """A network of random weights: an encoder, ``hidden`` layers, one of :data:`ENDINGS`.

    A share ``lookups`` of the hidden layers are truth tables. Sums take their ``weight_bits`` by
    turns. With ``kept_bits``, features are not encoded but enter as integers of at most so many
    bits, and the first sums are unipolar.
    """
    layers: list[Layer] = [random_encode(rng, features, bits, feature_bits, signed)]
    width, high = bits, 1
    if kept_bits:
        kept = min(kept_bits, feature_bits)
        layers = [Quantise("encode", features, feature_bits, signed, kept)]
        width, high = features, (1 << kept) - 1
        if not hidden and ending in ("bits", "votes", "class of votes"):
            hidden = (classes,)
    sizes = list(hidden)
    bits_by_turns = cycle((weight_bits,) if isinstance(weight_bits, int) else weight_bits)
    if ending.endswith("votes"):  # they need bits in equal groups
        sizes.append(classes * int(rng.integers(1, 6)))
    for number, size in enumerate(sizes, 1):
        name = f"hidden{number}"
        if rng.random() < lookups and high == 1:
            layers.append(random_lookup(rng, name, width, size, min(fan_in or 6, 6)))
        else:
            layers.append(
                random_dense(
                    rng,
                    name,
                    width,
                    size,
                    fan_in=fan_in,
                    unipolar=unipolar or high > 1,
                    weight_bits=next(bits_by_turns),
                    high=high,
                )
            )
        width, high = size, 1
    if ending.endswith("votes"):
        layers.append(GroupSum("vote", classes))
    elif ending.endswith("scores"):
        layers.append(
            random_dense(
                rng,
                "head",
                width,
                classes,
                fan_in=fan_in,
                thresholds=False,
                unipolar=unipolar or high > 1,
                weight_bits=next(bits_by_turns),
                high=high,
            )
        )
    if ending.startswith("class"):
        layers.append(ArgMax("argmax"))
    return Network("random", tuple(layers))


def random_frames(network: Network, rng: np.random.Generator, count: int) -> IntArray:
    """Frames ``[count, features]`` over the whole range, its ends more often than by chance."""
    low, high = network.input.low, network.input.high
    frames = rng.integers(low, high + 1, (count, network.input.count))
    ends = rng.choice((low, high), frames.shape)
    return np.where(rng.random(frames.shape) < 0.1, ends, frames)


@st.composite
def networks(draw: st.DrawFn, max_width: int = 24) -> Network:
    """Networks of every kind of layer and ending; shapes shrink, weights come from a seed."""
    endings = st.sampled_from(ENDINGS)
    return random_network(
        np.random.default_rng(draw(st.integers(0, 2**32 - 1))),
        features=draw(st.integers(1, 10)),
        feature_bits=draw(st.integers(1, 9)),
        signed=draw(st.booleans()),
        bits=draw(st.integers(1, max_width)),
        hidden=tuple(draw(st.lists(st.integers(1, max_width), max_size=3))),
        fan_in=draw(st.sampled_from((1, 2, 3, 4, 6, 9, None))),
        unipolar=draw(st.booleans()),
        lookups=draw(st.sampled_from((0.0, 0.5, 1.0))),
        weight_bits=draw(st.just(2) | st.tuples(*[st.integers(2, 8)] * 4)),
        kept_bits=draw(st.just(0) | st.integers(1, 8)),
        ending=draw(endings),
        classes=draw(st.integers(2, 5)),
    )


@st.composite
def image_networks(draw: st.DrawFn) -> Network:
    """Networks with convolutions and poolings; shapes shrink, weights come from a seed."""
    return random_image_network(
        np.random.default_rng(draw(st.integers(0, 2**32 - 1))),
        shape=draw(st.tuples(st.integers(1, 3), st.integers(1, 9), st.integers(1, 9))),
        windows=draw(st.integers(0, 4)),
        hidden=tuple(draw(st.lists(st.integers(1, 12), max_size=2))),
        before=draw(st.booleans()),
        ending=draw(st.sampled_from(ENDINGS)),
        classes=draw(st.integers(2, 4)),
    )
