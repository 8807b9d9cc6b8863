"""Recipes, the zoo and the training loop."""

from typing import TYPE_CHECKING

from htaflow.model.support.exports import export

if TYPE_CHECKING:
    from htaflow.model.training.recipe import (
        ConceptNeurons,
        Conv,
        HeavisideNeurons,
        HiddenLayer,
        Neurons,
        Pool,
        Recipe,
        Refinement,
        SpikingNeurons,
        StaircaseNeurons,
    )
    from htaflow.model.training.train import train
    from htaflow.model.training.zoo import ZOO, find_recipe

__all__ = [
    "ZOO",
    "ConceptNeurons",
    "Conv",
    "HeavisideNeurons",
    "HiddenLayer",
    "Neurons",
    "Pool",
    "Recipe",
    "Refinement",
    "SpikingNeurons",
    "StaircaseNeurons",
    "find_recipe",
    "train",
]

export(
    __name__,
    {
        "recipe": "ConceptNeurons Conv HeavisideNeurons HiddenLayer Neurons Pool Recipe "
        "Refinement SpikingNeurons StaircaseNeurons",
        "train": "train",
        "zoo": "ZOO find_recipe",
    },
)
