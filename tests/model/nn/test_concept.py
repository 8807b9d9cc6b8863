"""Concepts trained: smooth and ever sharper while others are hard, named, exact when lowered."""

import dataclasses

import numpy as np
import pytest

from htaflow.model.data.load import load
from htaflow.model.integer.file import load_network
from htaflow.model.integer.network import Concepts
from htaflow.model.support.errors import BadInputError
from htaflow.model.training.assemble import build_model
from htaflow.model.training.recipe import ConceptNeurons, Neurons, Refinement
from htaflow.model.training.train import train
from htaflow.model.training.zoo import ZOO

RECIPE = dataclasses.replace(
    ZOO["digits-icbm"],
    name="tiny",
    hidden=(Neurons(40, 4, 20), ConceptNeurons(12, 8, 20)),
    epochs=12,
)


def test_concepts_are_trained_smooth_and_the_other_neurons_hard():
    model = build_model(RECIPE, load("digits"), 0)
    hidden, concepts = model.activations()
    assert not hidden.sharpening and concepts.sharpening
    for mode in ("hard", "smooth"):
        model.set_mode(mode)
        assert hidden.hard == (mode == "hard") and not concepts.hard
    model.set_hard(True)
    assert hidden.hard and concepts.hard


def test_training_sharpens_concepts_and_lowers_them_exactly(tmp_path, monkeypatch):
    monkeypatch.setitem(ZOO, "tiny", RECIPE)
    result = train("tiny", "digits", tmp_path)
    accuracy = result["accuracy"]
    assert accuracy["hard"] == accuracy["golden"] > 0.7
    assert accuracy["float"] == pytest.approx(accuracy["hard"], abs=0.15)
    network = load_network(tmp_path / "network.safetensors")
    assert isinstance(network.layers[-3], Concepts)
    assert network.layers[-3].concepts == tuple(f"c{index}" for index in range(12))
    assert np.abs(network.layers[-2].tensors["weights"]).max() <= 7


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (
            {"hidden": (ConceptNeurons(12), Neurons(10))},
            "recipe 'tiny', layer 'hidden1': the head weighs concepts, so make them the last",
        ),
        (
            {"hidden": (ConceptNeurons(12),) * 2},
            "recipe 'tiny', layer 'hidden1': the head weighs concepts, so make them the last",
        ),
        (
            {"refinement": Refinement(temperature=1.0), "head_bits": None},
            "recipe 'tiny', layer 'hidden2': truth tables have no sums",
        ),
        (
            {"steps": 2, "head_bits": None},
            "recipe 'tiny', layer 'hidden2': concepts are of a whole",
        ),
        (
            {"hidden": (ConceptNeurons(3, names=("round", "tall")),)},
            "recipe 'tiny', layer 'hidden1': 2 names for 3 concepts",
        ),
        (
            {"hidden": (ConceptNeurons(2, names=("round", "a" * 61)),)},
            "recipe 'tiny', layer 'hidden1': concept 1 is called 'a+...a+'; use 1 to 60 printable",
        ),
        (
            {"hidden": (ConceptNeurons(3, names=("round", "tall", "round")),)},
            "recipe 'tiny', layer 'hidden1': concepts 0 and 2 are both called 'round'",
        ),
    ],
)
def test_recipes_of_concepts_that_cannot_be_are_refused(changes, message):
    with pytest.raises(BadInputError, match=message):
        build_model(dataclasses.replace(RECIPE, **changes), load("digits"), 0)
