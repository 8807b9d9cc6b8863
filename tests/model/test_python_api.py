"""What users call from Python: other types, shapes and models work, or are refused in words."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
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
from htaflow.model.integer import golden
from htaflow.model.integer.file import load_network, save_network
from htaflow.model.integer.network import ArgMax, Dense, Encode, Network
from htaflow.model.nn.activation import HTAF
from htaflow.model.nn.binary_linear import BinaryLinear, SparseBinaryLinear
from htaflow.model.nn.block import GroupSum, Hidden, Scores
from htaflow.model.nn.concept import Concepts
from htaflow.model.nn.conv import BinaryConv2d, Flatten, MaxPool2d, Unflatten
from htaflow.model.nn.encode import Encoder, Quantiser
from htaflow.model.nn.heaviside import Heaviside
from htaflow.model.nn.integer_linear import IntegerLinear
from htaflow.model.nn.lookup import LookupNeurons, tabulate
from htaflow.model.nn.lowering.lower import lower, prove_lowering
from htaflow.model.nn.network import BinaryNetwork
from htaflow.model.nn.spiking import Accumulate, Spiking, Steps
from htaflow.model.nn.surrogates import Surrogate
from htaflow.model.support.errors import BadInputError, HtaflowError
from htaflow.model.training.recipe import Neurons, Refinement
from htaflow.model.training.recipe_check import check_recipe
from htaflow.model.training.train import train
from htaflow.model.training.zoo import find_recipe
from htaflow.sim.verify import read_frames

FRAMES = np.random.default_rng(0).integers(0, 16, (60, 18))
KINDS = ("dense", "images", "integers", "spikes", "tables")


def encoder(features: int = 18) -> Encoder:
    return Encoder(features, 4, False, np.arange(features), np.full(features, 8))


def model(kind: str = "dense") -> BinaryNetwork:
    """Return a small model of a kind, after a few steps of training."""
    torch.manual_seed(0)
    hidden = Hidden(SparseBinaryLinear(18, 8, 5), HTAF())
    blocks = {
        "dense": {"hidden": hidden, "scores": Scores(BinaryLinear(8, 3))},
        "images": {
            "image": Unflatten((2, 3, 3)),
            "hidden": BinaryConv2d(2, 4, 2, HTAF(), padding=1),
            "pool": MaxPool2d(2),
            "flat": Flatten(),
            "scores": Scores(IntegerLinear(16, 3, 4)),
        },
        "integers": {
            "hidden": Hidden(IntegerLinear(18, 8, 4, high=7), HTAF()),
            "deep": Heaviside(IntegerLinear(8, 6, 3), HTAF()),
            "scores": Scores(IntegerLinear(6, 3, 4)),
        },
        "spikes": {
            "steps": Steps(3),
            "hidden": Spiking(BinaryLinear(18, 6), HTAF(), beta=0.5),
            "vote": GroupSum(3),
            "count": Accumulate(),
        },
        "tables": {"hidden": hidden, "scores": Scores(BinaryLinear(8, 3))},
    }[kind]
    first = Quantiser(18, 4, False, 3) if kind == "integers" else encoder()
    made = BinaryNetwork(first, blocks)
    optimizer = torch.optim.Adam(made.parameters(), lr=0.05)
    for _ in range(3):
        loss = (made.train()(torch.as_tensor(FRAMES)) - 1).square().mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    if kind == "tables":
        table = tabulate(hidden, "hidden", HTAF())
        return BinaryNetwork(encoder(), {"hidden": table, "scores": Scores(BinaryLinear(8, 3))})
    return made


def with_norm(norm: nn.Module) -> BinaryNetwork:
    made = model()
    made.hidden.norm = norm
    return made


def with_four_classes() -> BinaryNetwork:
    made = model()
    made.scores = Scores(BinaryLinear(8, 4))
    return made


def lowered(made: BinaryNetwork, frames=FRAMES):
    return prove_lowering(made, lower(made, "made"), frames)


# --- What works ---------------------------------------------------------------------------------


@pytest.mark.parametrize("precision", ["double", "half", "bfloat16"])
@pytest.mark.parametrize("kind", KINDS)
def test_models_of_any_precision_are_lowered_and_trained(kind, precision):
    made = getattr(model(kind), precision)()
    assert len(lowered(made)) == len(FRAMES)
    made.train()(torch.as_tensor(FRAMES)).sum().backward()


def test_a_double_model_is_the_one_that_it_was():
    made = model()
    once = lower(made, "made")
    assert lower(made.double(), "made").digest == once.digest


def test_a_normalisation_without_scale_and_shift_is_one_and_zero():
    plain, affine = with_norm(nn.BatchNorm1d(8, affine=False)), model()
    for made in (plain, affine):
        made.hidden.norm.running_mean.copy_(torch.arange(8) / 3 - 1)
        made.hidden.norm.running_var.copy_(torch.arange(8) / 2 + 0.1)
    nn.init.ones_(affine.hidden.norm.weight)
    nn.init.zeros_(affine.hidden.norm.bias)
    assert lower(plain, "made").digest == lower(affine, "made").digest
    lowered(plain)
    plain.train()(torch.as_tensor(FRAMES))


def test_frames_may_be_lists_and_tensors_and_of_any_integers():
    made = model()
    network = lower(made, "made")
    expected = prove_lowering(made, network, FRAMES)
    for frames in (FRAMES.tolist(), torch.as_tensor(FRAMES), FRAMES.astype(np.uint64)):
        assert np.array_equal(prove_lowering(made, network, frames), expected)
        assert np.array_equal(golden.run(network, frames)["class"][:, 0], expected)
        assert np.array_equal(made(frames).argmax(1), expected)


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


# --- What is refused ----------------------------------------------------------------------------

MODELS = {
    "keeps no running statistics": lambda: lowered(
        with_norm(nn.BatchNorm1d(8, track_running_stats=False))
    ),
    "'hidden.norm' is an Identity": lambda: lowered(with_norm(nn.Identity())),
    "normalises 7 sums, and there are 8": lambda: lowered(with_norm(nn.BatchNorm1d(7))),
    "the model is a Linear; use a BinaryNetwork": lambda: lower(nn.Linear(2, 2), "made"),
    "block '0' is a Linear, which has no": lambda: lower(nn.Sequential(nn.Linear(2, 2)), "made"),
    "block 'a' is a ReLU": lambda: BinaryNetwork(encoder(), {"a": nn.ReLU()}),
    "the encoder is a str": lambda: BinaryNetwork("encoder", {}),
    "the blocks are a list": lambda: BinaryNetwork(encoder(), [GroupSum(3)]),
    "the model is a Sequential": lambda: prove_lowering(
        nn.Sequential(), lower(model(), "made"), FRAMES
    ),
    "lowered from another": lambda: prove_lowering(
        BinaryNetwork(encoder(), {"vote": GroupSum(3)}), lower(model(), "made"), FRAMES
    ),
    "layer 'scores' yields": lambda: prove_lowering(
        with_four_classes(), lower(model(), "made"), FRAMES
    ),
    "is on meta": lambda: lower(model().to("meta"), "made"),
    "the network is a BinaryNetwork": lambda: golden.run(model(), FRAMES),
    "network is a PosixPath": lambda: save_network(Path("x"), lower(model(), "made")),
    "file is None; give a path": lambda: load_network(None),
    "block 'hidden': it takes 7 inputs": lambda: BinaryNetwork(
        encoder(), {"hidden": Scores(BinaryLinear(7, 3))}
    )(FRAMES),
    "block 'encode': it takes frames": lambda: model()(FRAMES[:, :5]),
    "block 'vote': 18 bits are no 4 equal": lambda: BinaryNetwork(encoder(), {"vote": GroupSum(4)})(
        FRAMES
    ),
    "block 'image': .* no images of": lambda: BinaryNetwork(
        encoder(), {"image": Unflatten((1, 3, 3))}
    )(FRAMES),
}


@pytest.mark.parametrize("words", MODELS)
def test_models_are_refused_in_words(words):
    with pytest.raises(BadInputError, match=words):
        MODELS[words]()


@pytest.mark.parametrize("name", ["a.b", "", "encode", "forward", "train", "A", "argmax", 3])
def test_names_that_a_block_cannot_have(name):
    with pytest.raises(BadInputError, match=r"block('s name is| is called) ['\d]"):
        BinaryNetwork(encoder(), {name: GroupSum(3)})


@pytest.mark.parametrize(
    ("variance", "epsilon", "words"),
    [
        (0.0, 0.0, "neuron 2 has variance 0 and eps is 0.*make eps larger"),
        (-1.0, 1e-5, "neuron 2 has variance -1.0; it must not be negative"),
        (1.0, -2.0, "norm.eps is -2.0; use a number from 0 on"),
        (1.0, float("nan"), "norm.eps is nan"),
    ],
)
def test_a_variance_without_a_root_is_told_as_what_it_is(variance, epsilon, words):
    made = model()
    made.hidden.norm.running_var[2] = variance
    made.hidden.norm.eps = epsilon
    with pytest.raises(BadInputError, match=words):
        lower(made, "made")


@pytest.mark.parametrize(
    ("frames", "words"),
    [
        (FRAMES[0], r"shape \[18\].*put a single frame into a list"),
        (FRAMES / 1.0, "float64; give integers"),
        (FRAMES > 3, "bool; give integers"),
        (FRAMES[:, :5], r"shape \[60, 5\]"),
        ([[1, 2], [3]], "frames are a list, not an array"),
        (None, "frames are None"),
        ("digits", "frames are a str"),
    ],
)
def test_frames_are_refused_in_words(frames, words):
    made = model()
    network = lower(made, "made")
    for check_them in (
        lambda: prove_lowering(made, network, frames),
        lambda: golden.run(network, frames),
    ):
        with pytest.raises(BadInputError, match=words):
            check_them()


def test_nothing_is_proved_by_no_frames():
    made = model()
    network = lower(made, "made")
    with pytest.raises(BadInputError, match="no frames to prove anything by"):
        prove_lowering(made, network, FRAMES[:0])
    assert golden.run(network, FRAMES[:0])["class"].shape == (0, 1)


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
    "BuildOptions: clock_mhz is a str": lambda: build(
        "run", "ulx3s-25f", BuildOptions(clock_mhz="80")
    ),
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


def test_ties_of_a_double_model_are_decided_by_exact_numbers():
    torch.manual_seed(0)
    frame = FRAMES[:1]
    linear = IntegerLinear(18, 200, 8, high=15)
    blocks = {"hidden": Heaviside(linear, HTAF()), "vote": GroupSum(2)}
    ties = BinaryNetwork(Quantiser(18, 4, False, 4), blocks).double()
    weights, step = linear.quantised()
    with torch.no_grad():  # rounded, every sum is 0 or next to it, and most are not quite that
        acc = weights @ torch.from_numpy(frame[0]).double()
        blocks["hidden"].bias.copy_(-(step * blocks["hidden"].scale * acc))
    prove_lowering(ties, lower(ties, "ties"), frame)

    hidden = Hidden(BinaryLinear(18, 200), HTAF())
    blocks = {"hidden": hidden, "vote": GroupSum(2)}
    ties = BinaryNetwork(encoder(), blocks).double().eval()
    norm = hidden.norm
    norm.eps = 0.0
    with torch.no_grad():
        acc = hidden.sums(ties.encoder(torch.from_numpy(frame)))[0]
        norm.running_mean.uniform_(-1, 1)
        norm.weight.uniform_(0.5, 2)
        norm.bias.copy_(-(norm.weight * (acc - norm.running_mean)))
    prove_lowering(ties, lower(ties, "ties"), frame)


@pytest.mark.parametrize("head", [Scores, lambda linear: Heaviside(linear, HTAF())])
def test_sums_too_large_for_single_precision_are_exact(head):
    torch.manual_seed(0)
    linear = IntegerLinear(4000, 6, 8, high=255)
    with torch.no_grad():
        linear.latent.uniform_(0.05, 0.1)
    block = head(linear)
    if isinstance(block, Heaviside):
        with torch.no_grad():
            weights, step = linear.quantised()
            sums = weights.double() @ torch.from_numpy(WIDE[0]).double()
            block.bias.copy_(-(step * block.scale * sums))
    large = BinaryNetwork(Quantiser(4000, 8, False, 8), {"head": block})
    prove_lowering(large, lower(large, "large"), WIDE)


WIDE = np.random.default_rng(0).integers(0, 256, (30, 4000))


def test_a_block_used_twice_is_two_layers():
    hidden = Hidden(BinaryLinear(18, 18), HTAF())
    twice = BinaryNetwork(encoder(), {"one": hidden, "two": hidden, "vote": GroupSum(2)})
    network = lower(twice, "twice")
    assert [layer.name for layer in network.layers] == ["encode", "one", "two", "vote", "argmax"]
    assert len(twice.blocks) == 3
    prove_lowering(twice, network, FRAMES)


def test_a_linear_layer_that_was_replaced_is_named():
    other = model()
    other.get_submodule("hidden").linear = nn.Linear(18, 8)
    with pytest.raises(BadInputError, match=r"'hidden\.linear' is a Linear, whose weights are no"):
        lower(other, "other")


def test_frames_may_have_another_order_of_bytes():
    frames, taken = FRAMES.astype(">i4"), model().eval()
    assert torch.equal(taken(frames), taken(torch.from_numpy(FRAMES)))
    network = lower(taken, "taken")
    assert np.array_equal(
        prove_lowering(taken, network, frames), prove_lowering(taken, network, FRAMES)
    )


@pytest.mark.parametrize("value", [0.5, float("nan")])
def test_features_that_are_not_whole_are_refused(value):
    with pytest.raises(BadInputError, match=f"block 'encode': frames hold {value:g}; features are"):
        model()(torch.full((2, 18), value))


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


@pytest.mark.parametrize("kind", KINDS)
def test_no_frames_have_no_scores(kind):
    assert model(kind).eval()(torch.zeros(0, 18, dtype=torch.int)).shape[0] == 0


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
