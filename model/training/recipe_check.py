"""Recipes that cannot be built: what is wrong, in which layer, and what to do."""

import math
from collections.abc import Callable, Mapping
from typing import Any, Literal, get_args, get_origin, get_type_hints

from htaflow.model.integer.layers.concepts import name_problems
from htaflow.model.integer.layers.steps import MAX_STEPS
from htaflow.model.integer.levels import MAX_LEVELS
from htaflow.model.integer.problems import NAME_RULE, is_name
from htaflow.model.nn.integer_linear import WEIGHT_BITS
from htaflow.model.support.arguments import described, fits
from htaflow.model.support.errors import BadInputError, abbreviate, did_you_mean, kind_of
from htaflow.model.training.recipe import (
    ConceptNeurons,
    Conv,
    HeavisideNeurons,
    HiddenLayer,
    Pool,
    Recipe,
    Refinement,
    SpikingNeurons,
    StaircaseNeurons,
    network_name,
)


def check_recipe(recipe: Recipe) -> None:
    """Raise ``BadInputError`` for a recipe that cannot be built; it names the layer."""
    _check_types(recipe)
    layers = {layer_name(index, layer): layer for index, layer in enumerate(recipe.hidden, 1)}
    if not layers:
        raise BadInputError(f"recipe '{recipe.name}': it has no hidden layers; use at least one")
    _check_settings(recipe)
    _check_steps(recipe)
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
    _check_weights(recipe)
    for name, neurons in layers.items():
        where = f"recipe '{recipe.name}', layer '{name}'"
        if isinstance(neurons, ConceptNeurons):
            _check_concepts(recipe, where, neurons)
        if isinstance(neurons, SpikingNeurons) and recipe.steps is None:
            raise BadInputError(f"{where}: neurons spike in steps; say how many (steps)")
        if isinstance(neurons, Conv | Pool) and recipe.steps is not None:
            raise BadInputError(f"{where}: windows do not go step by step; use no steps")
    _check_levels(recipe, layers)
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


def _check_levels(recipe: Recipe, layers: Mapping[str, HiddenLayer]) -> None:
    """Raise ``BadInputError`` if what follows neurons of several levels takes bits."""
    follows = [*list(layers.values())[1:], None]
    for (name, layer), after in zip(layers.items(), follows, strict=True):
        if not isinstance(layer, StaircaseNeurons):
            continue
        where = f"recipe '{recipe.name}', layer '{name}'"
        if not 2 <= layer.levels <= MAX_LEVELS:
            raise BadInputError(f"{where}: it has {layer.levels} levels; use 2 to {MAX_LEVELS}")
        if not layer.normalised:
            raise BadInputError(f"{where}: levels are of normalised sums; use normalised=True")
        if recipe.steps is not None:
            raise BadInputError(f"{where}: levels do not go step by step; use no steps")
        if after is None and (recipe.head != "scores" or recipe.head_bits is None):
            raise BadInputError(
                f"{where}: the head takes bits; use head='scores' and say its head_bits"
            )
        if after is not None and not isinstance(after, HeavisideNeurons):
            raise BadInputError(
                f"{where}: the layer behind it takes bits; use HeavisideNeurons or StaircaseNeurons"
            )


def _check_types(recipe: Recipe) -> None:
    """Raise ``BadInputError`` for a setting, or one of a layer, that is of the wrong type."""
    where = f"recipe {abbreviate(recipe.name)}"
    parts: dict[str, Any] = {where: recipe}
    if isinstance(recipe.hidden, tuple):
        for index, layer in enumerate(recipe.hidden, 1):
            if not isinstance(layer, HiddenLayer):
                raise BadInputError(
                    f"{where}: hidden layer {index} is {kind_of(layer)}; use Neurons, Conv, Pool "
                    "or another layer of htaflow.model.training.recipe"
                )
            parts[f"{where}, layer '{layer_name(index, layer)}'"] = layer
    if isinstance(recipe.refinement, Refinement):
        parts[f"{where}, refinement"] = recipe.refinement
    for what, part in parts.items():
        for name, hint in get_type_hints(type(part)).items():
            value = getattr(part, name)
            if not fits(value, hint):
                raise BadInputError(f"{what}: {name} is {kind_of(value)}; use {described(hint)}")


def layer_name(index: int, layer: HiddenLayer) -> str:
    """Return what hidden layer ``index`` (the first is 1) of a recipe is called in the model."""
    kind = "conv" if isinstance(layer, Conv) else "pool" if isinstance(layer, Pool) else "hidden"
    return f"{kind}{index}"


def _check_settings(recipe: Recipe) -> None:
    """Raise ``BadInputError`` for a name, a choice or a number that cannot be."""
    if not is_name(network_name(recipe)):
        raise BadInputError(
            f"recipe '{recipe.name}': its name cannot be that of a network; {NAME_RULE}"
        )
    for name, hint in get_type_hints(Recipe).items():
        known, value = get_args(hint), getattr(recipe, name)
        if get_origin(hint) is Literal and value not in known:
            raise BadInputError(
                f"recipe '{recipe.name}': no {name} '{value}'{did_you_mean(str(value), known)}"
            )
    _check_numbers(f"recipe '{recipe.name}'", recipe)
    if recipe.refinement is not None:
        _check_numbers(f"recipe '{recipe.name}', refinement", recipe.refinement)


def _check_numbers(where: str, training: Recipe | Refinement) -> None:
    """Raise ``BadInputError`` for a number with which nothing can be trained; ``where`` it is."""
    for names, wanted, good in _NUMBERS:
        for name in names:
            value = getattr(training, name, ())
            if not all(map(good, value if isinstance(value, tuple) else (value,))):
                raise BadInputError(f"{where}: {name} is {value}; use {wanted}")


_POSITIVE = ("temperature", "learning_rate", "annealing", "beta", "hard_alpha", "smooth_alpha")
_NUMBERS: tuple[tuple[tuple[str, ...], str, Callable[[float], bool]], ...] = (
    (("thresholds", "epochs", "batch"), "at least 1", lambda value: value >= 1),
    (_POSITIVE, "a number above 0", lambda value: 0 < value < math.inf),
    (("noise", "centred", "rewiring"), "a share, 0 to 1", lambda value: 0 <= value <= 1),
    (("shift",), "0 or more", lambda value: value >= 0),
)
"""Fields of a recipe, what they may be in words, and whether a number is that."""


def _check_steps(recipe: Recipe) -> None:
    """Raise ``BadInputError`` if frames cannot be presented as ``recipe`` says."""
    if recipe.steps is None:
        if recipe.coding != "direct":
            raise BadInputError(
                f"recipe '{recipe.name}': coding '{recipe.coding}' is of steps; say how many, or "
                "use 'direct'"
            )
        return
    if not 1 <= recipe.steps <= MAX_STEPS:
        raise BadInputError(
            f"recipe '{recipe.name}', layer 'steps': {recipe.steps} steps a frame; use at least 1, "
            f"at most {MAX_STEPS}"
        )
    if recipe.refinement is not None:
        raise BadInputError(
            f"recipe '{recipe.name}', layer 'steps': what goes step by step cannot be refined as "
            "truth tables; remove the refinement"
        )


def _check_weights(recipe: Recipe) -> None:
    """Raise ``BadInputError`` if the signs of ``recipe`` cannot pass gradients on as it says."""
    signs = recipe.head == "scores" and recipe.head_bits is None
    signs |= any(not isinstance(layer, HeavisideNeurons | Pool) for layer in recipe.hidden)
    if recipe.weights == "htaf" and not signs:
        raise BadInputError(
            f"recipe '{recipe.name}': no weights are signs, so none can be trained through HTAF; "
            "use Neurons, or weights='straight-through'"
        )


def _check_concepts(recipe: Recipe, where: str, concepts: ConceptNeurons) -> None:
    """Raise ``BadInputError`` if a layer cannot be the concepts of ``recipe``; ``where`` it is."""
    if len(recipe.hidden) > recipe.hidden.index(concepts) + 1:
        raise BadInputError(
            f"{where}: the head weighs concepts, so make them the last hidden layer"
        )
    if recipe.refinement is not None:
        raise BadInputError(
            f"{where}: truth tables have no sums that could grow sharper; remove the refinement"
        )
    if recipe.steps is not None:
        raise BadInputError(f"{where}: concepts are of a whole frame; use no steps")
    for what, fix in name_problems(concepts.names or ()):
        raise BadInputError(f"{where}: {what}; {fix}")
