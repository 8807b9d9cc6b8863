"""Arguments given in Python: of other types and values they work, or are refused in words."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from small_models import encoder, model
from torch import nn

from htaflow.flows.bisect import bisect
from htaflow.flows.build.build import build
from htaflow.flows.build.options import BuildOptions
from htaflow.flows.build.parallel import build_all
from htaflow.flows.build.reproduce import rebuild
from htaflow.flows.check import check
from htaflow.flows.convert import convert
from htaflow.flows.explain import explain
from htaflow.flows.mutation.mutate import mutate
from htaflow.flows.prove import prove as prove_run
from htaflow.flows.report.report import report
from htaflow.flows.verify import verify
from htaflow.model.data.load import load
from htaflow.model.importers.snntorch import from_snntorch
from htaflow.model.integer.file import load_network, save_network
from htaflow.model.integer.network import ArgMax, Dense, Encode, Network
from htaflow.model.nn.activation import HTAF
from htaflow.model.nn.binary_linear import BinaryLinear, SparseBinaryLinear
from htaflow.model.nn.block import GroupSum, Hidden
from htaflow.model.nn.concept import Concepts
from htaflow.model.nn.conv import BinaryConv2d, Unflatten
from htaflow.model.nn.encode import Encoder
from htaflow.model.nn.heaviside import Heaviside
from htaflow.model.nn.integer_linear import IntegerLinear
from htaflow.model.nn.lookup import LookupNeurons
from htaflow.model.nn.lowering.lower import lower
from htaflow.model.nn.spiking import Spiking, Steps
from htaflow.model.nn.surrogates import Surrogate
from htaflow.model.support.errors import BadInputError, HtaflowError
from htaflow.model.training.recipe import Neurons, Refinement
from htaflow.model.training.recipe_check import check_recipe
from htaflow.model.training.train import train
from htaflow.model.training.zoo import find_recipe
from htaflow.sim.verify import read_frames


def test_paths_may_be_strings(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    network = lower(model(), "made")
    save_network(network, "run/network.safetensors")
    assert load_network("run/network.safetensors").digest == network.digest
    assert not check("run/network.safetensors")
    assert convert("run")["digest"] == convert("run/network.safetensors", "other")["digest"]
    assert report("run") == Path("run/report/index.html")
    for verb in (verify, bisect, explain, prove_run):
        with pytest.raises(HtaflowError, match="nowhere"):
            verb("nowhere")
    with pytest.raises(HtaflowError, match="nowhere"):
        build("nowhere", "icebreaker")


def test_a_recipe_may_have_a_list_of_layers():
    recipe = find_recipe("digits")
    assert replace(recipe, hidden=list(recipe.hidden)) == recipe


digits = find_recipe("digits")


TYPES = {
    "BinaryLinear: in_features is a str; use a whole": lambda: BinaryLinear("3", 4),
    "SparseBinaryLinear: fan_in is a float": lambda: SparseBinaryLinear(3, 4, 2.5),
    "IntegerLinear: bits is None": lambda: IntegerLinear(3, 4, None),
    "Hidden: linear is a Linear; use a BinaryLinear or": lambda: Hidden(nn.Linear(3, 4), HTAF()),
    "Hidden: activation is the class HTAF": lambda: Hidden(BinaryLinear(3, 4), HTAF),
    "Heaviside: linear is a BinaryLinear": lambda: Heaviside(BinaryLinear(3, 4), HTAF()),
    "HTAF: alpha is a str; use a number": lambda: HTAF("4"),
    "GroupSum: classes is a float": lambda: GroupSum(2.5),
    r"kernel is a tuple": lambda: BinaryConv2d(1, 2, (3, 3), HTAF()),
    "Unflatten: shape is a str; use a list": lambda: Unflatten("188"),
    "Spiking: linear is a Linear": lambda: Spiking(nn.Linear(3, 4), HTAF()),
    "Steps: steps is a bool": lambda: Steps(True),
    "Concepts: names is a str": lambda: Concepts(3, "abc"),
    "Encoder: signed is a str": lambda: Encoder(2, 4, "no", np.arange(2), np.arange(2)),
    "train: model is None; use a str or a Recipe": lambda: train(None, "digits", "out"),
    "train: out is None; use a str or a Path": lambda: train("digits", "digits", None),
    "load: spec is a ndarray|load: spec is an ndarray": lambda: load(np.zeros((3, 3))),
    "train: epochs is a float": lambda: train("digits", "digits", "out", epochs=1.5),
    "convert: pipeline is a str; use a list": lambda: convert("run", pipeline="hidden1"),
    "verify: boards is a str": lambda: verify("run", boards="icebreaker"),
    "verify: frames is a str": lambda: verify("run", frames="3"),
    "build: board is a list": lambda: build("run", ["icebreaker"]),
    "BuildOptions: clock_mhz is a str": lambda: BuildOptions(clock_mhz="80"),
    "report: run is None": lambda: report(None),
    "check: file is None": lambda: check(None),
    "the stack is None": lambda: from_snntorch(None, encoder().lower("encode"), steps=3),
    "from_snntorch: encode is None": lambda: from_snntorch({}, None, steps=3),
    "hidden layer 1 is an int": lambda: train(replace(digits, hidden=(30,)), "digits", "out"),
    "layer 'hidden1': count is a str": lambda: train(
        replace(digits, hidden=(Neurons("30"),)), "digits", "out"
    ),
    "temperature is 0; use a number above": lambda: train(
        replace(digits, temperature=0), "digits", "out"
    ),
    "no simulator 'verilogger'; did you mean": lambda: verify("run", simulator="verilogger"),
}


@pytest.mark.parametrize("words", TYPES)
def test_arguments_of_the_wrong_type_are_named(words, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(BadInputError, match=words):
        TYPES[words]()
    assert not list(tmp_path.iterdir())


def test_a_wrong_type_is_a_type_error_too():
    with pytest.raises(TypeError):
        BinaryLinear("3", 4)


def test_numbers_of_numpy_are_numbers():
    linear = BinaryLinear(np.int64(3), np.uint8(4))
    assert linear(torch.ones(2, 3)).shape == (2, 4)
    assert HTAF(np.float32(2), 1).alpha == 2


@pytest.mark.parametrize(
    ("source", "threshold", "words"),
    [
        (np.arange(2), np.array([8.5, 3]), "threshold is float64"),
        (np.arange(2), np.arange(3), "2 sources for 3 thresholds"),
        (np.array([0, 9]), np.arange(2), r"outside 0\.\.1"),
        (None, np.arange(2), "source is None"),
    ],
)
def test_thresholds_that_an_encoder_cannot_have(source, threshold, words):
    with pytest.raises(ValueError, match=words):
        Encoder(2, 4, False, source, threshold)


TINY = Network(
    "tiny",
    (
        Encode("encode", 2, 4, False, np.arange(2), np.full(2, 8)),
        Dense("scores", np.ones((2, 2), np.int8)),
        ArgMax("argmax"),
    ),
)


def unknown_gradient() -> None:
    linear = BinaryLinear(2, 2)
    linear.gradient = "sign"
    linear(torch.zeros(1, 2))


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (unknown_gradient, "gradient is 'sign'; use straight-through or htaf"),
        (lambda: Surrogate("sigmoid", float("inf")), "slope must be positive, not inf"),
        (
            lambda: LookupNeurons(torch.tensor([[-1]]), torch.ones(1, 2), HTAF()),
            "source holds a negative index",
        ),
        (lambda: Concepts(3)(torch.zeros(2, 4)), "4 bits come in for 3 concepts"),
    ],
)
def test_values_that_layers_cannot_have_are_refused(call, words):
    with pytest.raises(ValueError, match=words):
        call()


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: from_snntorch({1: 2}, TINY.encode, 4), "the stack has a key 1; give a module's"),
        (lambda: Network("x", (TINY.encode, nn.ReLU())), "layer 1: it is a ReLU, no integer layer"),
        (lambda: Network("x", TINY.encode), "its layers are an Encode; give a tuple of layers"),
        (lambda: Dense("d", np.ones((2, 2))), "Dense 'd', field 'weights': .* not float64"),
        (lambda: read_frames(Path("none"), TINY, 3, -1), "seed is -1; use 0 or more"),
    ],
)
def test_what_integer_networks_and_seeds_cannot_be_is_refused(call, words):
    with pytest.raises(BadInputError, match=words):
        call()


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"learning_rate": float("nan")}, "learning_rate is nan; use a number above 0"),
        ({"annealing": 0.0}, "annealing is 0.0; use a number above 0"),
        ({"noise": 1.5}, "noise is 1.5; use a share, 0 to 1"),
        ({"shift": -1}, "shift is -1; use 0 or more"),
        ({"hard_alpha": (2.0, 0.0)}, r"hard_alpha is \(2.0, 0.0\); use a number above 0"),
        ({"refinement": Refinement(0.0)}, "refinement: temperature is 0.0; use a number above 0"),
        ({"refinement": Refinement("1")}, "refinement: temperature is a str; use a number"),
    ],
)
def test_numbers_with_which_nothing_can_be_trained_are_refused(change, words):
    with pytest.raises(BadInputError, match=f"recipe 'digits'.*{words}"):
        check_recipe(replace(find_recipe("digits"), **change))


@pytest.mark.parametrize(
    "call",
    [
        lambda run: mutate(run),
        lambda run: build_all(run, ["icebreaker"]),
        lambda run: rebuild(run, "icebreaker"),
    ],
)
def test_what_stands_behind_the_options_of_verbs_takes_text_too(call, tmp_path):
    with pytest.raises(BadInputError, match="there is no"):
        call(str(tmp_path / "none"))
    with pytest.raises(BadInputError, match="run is None; use a str or a Path"):
        call(None)
