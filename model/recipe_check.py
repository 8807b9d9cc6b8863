"""Recipes that cannot be built: what is wrong, in which layer, and what to do."""

from htaflow.model.errors import BadInputError
from htaflow.model.integer_linear import WEIGHT_BITS
from htaflow.model.recipe import ConceptNeurons, Conv, HeavisideNeurons, Pool, Recipe


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
    for name, neurons in layers.items():
        if isinstance(neurons, ConceptNeurons):
            _check_concepts(recipe, name, neurons)
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


def _check_concepts(recipe: Recipe, name: str, concepts: ConceptNeurons) -> None:
    """Raise ``BadInputError`` if layer ``name`` cannot be the concepts of ``recipe``."""
    where = f"recipe '{recipe.name}', layer '{name}'"
    if concepts is not recipe.hidden[-1]:
        raise BadInputError(
            f"{where}: the head weighs concepts, so make them the last hidden layer"
        )
    if recipe.refinement is not None:
        raise BadInputError(
            f"{where}: truth tables have no sums that could grow sharper; remove the refinement"
        )
    if recipe.steps is not None:
        raise BadInputError(f"{where}: concepts are of a whole frame; use no steps")
    names = concepts.names or ()
    if names and len(names) != concepts.count:
        raise BadInputError(
            f"{where}: {len(names)} names for {concepts.count} concepts; name each once"
        )
    for label in names:
        if names.count(label) > 1:
            raise BadInputError(f"{where}: '{label}' names two concepts; rename one")
