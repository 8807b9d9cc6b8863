"""Recipes, the zoo and the training loop."""

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
    "find_recipe",
    "train",
]
