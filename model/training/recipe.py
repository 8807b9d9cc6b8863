"""Recipes as data: what a model is made of, and how it is trained."""

from dataclasses import asdict, dataclass, fields, is_dataclass, replace
from typing import Any, Literal

from htaflow.model.support.choices import Rule, WeightGradient


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
    """A hidden layer of spiking neurons: :class:`htaflow.model.nn.spiking.Spiking` has the rest."""

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
class StaircaseNeurons(HeavisideNeurons):
    """A hidden layer whose neurons have ``levels`` thresholds: 3 for 2 bits, 7 for 3 bits.

    What follows has integer weights, too: other such layers, or a head of ``head_bits``.
    """

    levels: int = 3


@dataclass(frozen=True)
class ConceptNeurons(Neurons):
    """A hidden layer whose bits are concepts: trained smooth and ever sharper, and named.

    ``names`` has one for each; by default they are numbered.
    """

    names: tuple[str, ...] | None = None


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
        name: how the command line calls it, and with underscores for hyphens, the network.
        description: one line for people.
        thresholds: comparisons a feature in the encoder, at most.
        encoding: where they are put, see :mod:`htaflow.model.nn.encode`.
        hidden: the hidden layers. Convolutions and pooling come first, and then frames are taken as
            square images, each threshold a channel. With ``vote``, the neurons or channels of the
            last layer are rounded up to a multiple of the number of classes.
        head: ``vote`` counts each class's own bits, ``scores`` weighs all bits.
        steps: steps a frame, whose scores are added up; ``None`` if it is no spiking network.
        coding: ``direct`` has the same bits in each step; ``rate`` compares features with other
            thresholds in each, which are pseudo-random: ``thresholds`` and ``encoding`` do not
            matter then.
        feature_bits: with a number, features enter as unsigned integers of that many bits, not by
            comparison; ``thresholds`` and ``encoding`` do not matter then.
        head_bits: bits of the weights of ``scores``; without a number they are -1 and 1, of inputs
            that count as such.
        temperature: the scores are divided by it for the loss.
        epochs: passes over the training data.
        batch: frames a step.
        learning_rate: Adam's, at the start; it falls to 0 as a half cosine.
        noise: share of the encoded bits that is flipped in training, anew in each step.
        shift: pixels by which frames that are images are moved at random in training.
        centred: share of such frames that are not moved.
        rewiring: share of the neurons of truth tables that try another input, twice an epoch, at
            the start of training; see :mod:`htaflow.model.training.drop_and_grow`.
        refinement: how the hidden layers are trained further as truth tables, any functions of the
            inputs that they have found; or ``None`` to leave them thresholds of sums.
        annealing: share of training in which fan-in narrows to its target.
        beta: HTAF's tail.
        hard_alpha: HTAF's sharpness at start and end of training in hard mode.
        smooth_alpha: the same in smooth mode.
        weights: how signs of -1 and 1 pass gradients on to the latent weights, straight through or
            with HTAF's derivative; see :func:`htaflow.model.nn.binary_linear.ternary_sign`.
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
    weights: WeightGradient = "straight-through"

    def __post_init__(self) -> None:
        if isinstance(self.hidden, list):
            object.__setattr__(self, "hidden", tuple(self.hidden))


def network_name(recipe: Recipe) -> str:
    """Return what the network of ``recipe`` is called: as the recipe, with underscores."""
    return recipe.name.replace("-", "_")


def refined_recipe(recipe: Recipe, epochs: int) -> Recipe:
    """Return how ``recipe`` goes on as tables, when ``epochs`` were trained before.

    The refinement is lengthened or shortened in the same proportion as those are.
    """
    assert recipe.refinement is not None
    scaled = max(1, round(recipe.refinement.epochs * epochs / recipe.epochs))
    return replace(recipe, **asdict(replace(recipe.refinement, epochs=scaled)), refinement=None)


def described(value: Any) -> Any:
    """Return a recipe, or a part of one, as JSON values: each class's name, and what it is given.

    Fields at their default are left out, so that one which a later version adds changes nothing.
    """
    if isinstance(value, tuple):
        return [described(part) for part in value]
    if not is_dataclass(value) or isinstance(value, type):
        return value
    own = {
        field.name: described(getattr(value, field.name))
        for field in fields(value)
        if getattr(value, field.name) != field.default
    }
    return {"type": type(value).__name__, **own}
