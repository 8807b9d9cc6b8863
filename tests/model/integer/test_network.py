from pathlib import Path
from typing import Any

import numpy as np
import pytest

from htaflow.model.integer.file import load_network, save_network
from htaflow.model.integer.network import (
    Accumulate,
    ArgMax,
    Concepts,
    Conv2d,
    Dense,
    Encode,
    Flatten,
    GroupSum,
    Layer,
    MaxPool2d,
    Network,
    Quantise,
    Spiking,
    Steps,
    Unflatten,
    Values,
)
from htaflow.model.integer.problems import find_problems
from htaflow.model.support.errors import BadInputError


def encode(features: int = 4) -> Encode:
    return Encode("encode", features, 4, False, np.arange(features), np.full(features, 8))


def chain(*layers: Layer) -> list[str]:
    return [str(problem) for problem in find_problems("net", (encode(), *layers))]


WEIGHTS = np.array([[1, 0, -1, 1], [0, 1, 0, 0]])


@pytest.mark.parametrize(
    ("low", "high", "width", "signed"),
    [
        (0, 1, 1, False),
        (0, 0, 1, False),
        (0, 8, 4, False),
        (-1, 0, 1, True),
        (-4, 3, 3, True),
        (-3, 4, 4, True),
    ],
)
def test_width_is_the_fewest_bits(low: int, high: int, width: int, signed: bool) -> None:
    values = Values((3,), low, high)
    assert (values.width, values.signed) == (width, signed)


def test_a_valid_chain_has_no_problems() -> None:
    assert chain(Dense("a", WEIGHTS, np.array([1, -1])), GroupSum("v", 2), ArgMax("c")) == []


def test_every_bad_neuron_is_named_at_once() -> None:
    weights = np.array([[1, 128, 0, 0], [0, 0, 0, 0], [1, 0, 0, 0]])
    assert chain(Dense("hidden", weights, np.array([0, 0, 3]))) == [
        "layer 1 'hidden': neuron 0: weight 128 at input 1 is not in -128..127; "
        "use weights of at most 8 bits",
        "layer 1 'hidden': neuron 1: fan-in 0, every weight is zero; remove it or give it an input",
        "layer 1 'hidden': neuron 2: threshold 3 is out of range; "
        "its sum is -1..1: use -1 (always 1) to 2 (always 0)",
    ]


def test_sums_of_integers_are_bounded_by_what_comes_in() -> None:
    weights = np.array([[3, -2, 0, 0], [127, -128, 1, 1]])
    layers = Quantise("q", 4, 4, False, 2), Dense("a", weights, None, "unipolar")
    values = Network("net", layers).values
    assert (values["q"].low, values["q"].high) == (0, 3)
    assert (values["a"].low, values["a"].high) == (-3 * 128, 3 * 129)
    thresholds = np.array([10, -385])
    layers = layers[0], Dense("a", weights, thresholds, "unipolar")
    assert [str(problem) for problem in find_problems("net", layers)] == [
        "layer 1 'a': neuron 1: threshold -385 is out of range; "
        "its sum is -384..387: use -384 (always 1) to 388 (always 0)"
    ]
    bipolar = Dense("a", weights)
    assert "but sums bits" in str(find_problems("net", (layers[0], bipolar))[0])


@pytest.mark.parametrize(
    ("layers", "message"),
    [
        ([Dense("a", WEIGHTS[:, :3])], "weights take 3 inputs, but 4 bits come in"),
        ([Dense("a", WEIGHTS[0])], r"weights have shape \[4\]"),
        ([Dense("a", WEIGHTS, np.zeros(3, int))], r"thresholds have shape \[3\]"),
        ([Dense("a", WEIGHTS, None, "ternary")], "inputs is 'ternary'"),
        ([Dense("a", WEIGHTS), Dense("b", WEIGHTS[:, :2], None, "unipolar")], "unsigned integers"),
        ([Quantise("q", 4, 8, False, 4)], "a Quantise after the first layer"),
        ([Dense("a", WEIGHTS), Dense("b", np.eye(2, dtype=int))], "but sums bits"),
        ([GroupSum("v", 3)], "4 bits do not divide into 3 equal groups"),
        ([GroupSum("v", 0)], "into 0 equal groups"),
        ([GroupSum("v", 2), GroupSum("w", 2)], "but counts bits"),
        ([GroupSum("v", 1), ArgMax("c")], "give it at least two"),
        ([GroupSum("v", 2), ArgMax("c"), ArgMax("d")], "it follows an ArgMax"),
        ([GroupSum("encode", 2)], "its name is used twice"),
        ([GroupSum("Vote; rm", 2)], "its name is 'Vote; rm'"),
        ([encode()], "an Encode after the first layer"),
    ],
)
def test_what_does_not_chain_is_refused(layers: list[Layer], message: str) -> None:
    with pytest.raises(BadInputError, match=message):
        Network("net", (encode(), *layers))


@pytest.mark.parametrize(
    ("first", "message"),
    [
        (Encode("e", 4, 0, False, np.arange(4), np.zeros(4, int)), "features have 0 bits"),
        (Encode("e", 0, 4, False, np.arange(4), np.zeros(4, int)), "a frame has 0 features"),
        (Encode("e", 4, 4, False, np.arange(4), np.zeros(3, int)), "lists of the same length"),
        (Encode("e", 4, 4, False, np.zeros(0, int), np.zeros(0, int)), "it yields no bits"),
        (Encode("e", 4, 4, False, np.array([4]), np.array([1])), "bit 0 reads feature 4 of 4"),
        (Encode("e", 4, 4, False, np.array([0]), np.array([17])), "use 0 to 16"),
        (Encode("e", 4, 4, True, np.array([0]), np.array([-9])), "use -8 to 8"),
        (Quantise("q", 4, 4, True, 0), "it keeps 0 bits of features of 4; use 1 to 4"),
        (Quantise("q", 4, 4, False, 5), "it keeps 5 bits of features of 4"),
        (Quantise("q", 4, 17, False, 5), "features have 17 bits"),
        (GroupSum("v", 2), "first layer is not an Encode or a Quantise"),
    ],
)
def test_a_bad_encode_is_refused(first: Layer, message: str) -> None:
    with pytest.raises(BadInputError, match=message):
        Network("net", (first,))


def test_problems_of_one_layer_are_counted_when_many() -> None:
    problems = chain(Dense("a", np.full((50, 4), -129), np.zeros(50, int)))
    assert len(problems) == 21
    assert "30 more problems" in problems[-1]


def test_a_network_holds_integers_only() -> None:
    with pytest.raises(BadInputError, match="holds integers, not float64"):
        Dense("a", np.array([[0.5]]))


def test_arrays_cannot_be_changed() -> None:
    layer = Dense("a", WEIGHTS)
    with pytest.raises(ValueError, match="read-only"):
        layer.weights[0, 0] = 0


def test_digest_tells_networks_apart(tmp_path: Path) -> None:
    def network(threshold: int, name: str = "net") -> Network:
        return Network(name, (encode(), Dense("a", WEIGHTS, np.array([threshold, 0]))))

    assert network(1).digest == network(1).digest
    assert len({network(1).digest, network(2).digest, network(1, "other").digest}) == 3


def conv(**fields: Any) -> Conv2d:
    given = {"kernel": (1, 1), "weights": np.ones((2, 1), int), "thresholds": np.zeros(2, int)}
    return Conv2d("conv", **{**given, **fields})


@pytest.mark.parametrize(
    ("layer", "field", "fix"),
    [
        (conv(kernel=3), "kernel", "2 whole numbers"),
        (conv(kernel=(3,)), "kernel", "2 whole numbers"),
        (conv(stride=(1.5, 1)), "stride", "2 whole numbers"),
        (conv(padding=None), "padding", "2 whole numbers"),
        (conv(pad_bit=True), "pad_bit", "a whole number"),
        (conv(thresholds=3), "thresholds", "an array of integers or none"),
        (conv(weights=[[1]]), "weights", "an array of integers"),
        (conv(inputs=None), "inputs", "'bipolar' or 'unipolar'"),
        (MaxPool2d("pool", (2, 2.0)), "kernel", "2 whole numbers"),
        (Unflatten("image", (1, 2.0, 2)), "shape", "3 whole numbers"),
        (Dense("dense", WEIGHTS, 3), "thresholds", "an array of integers or none"),
        (Spiking("spiking", WEIGHTS, None), "thresholds", "an array of integers"),
        (Spiking("spiking", WEIGHTS, WEIGHTS[0], leak=1.5), "leak", "a whole number or none"),
        (Steps("steps", None), "steps", "a whole number"),
        (Steps("steps", True), "steps", "a whole number"),
        (GroupSum("vote", 2.0), "groups", "a whole number"),
        (Concepts("named", "ab"), "concepts", "a list of texts"),
        (Concepts("named", ("a", 2)), "concepts", "a list of texts"),
        (ArgMax(3), "name", "text"),
    ],
)
def test_a_field_of_another_type_is_named(layer: Layer, field: str, fix: str) -> None:
    (problem,) = chain(layer)
    where = f"layer 1 '{layer.name}'" if isinstance(layer.name, str) else "layer 1"
    what = f"field '{field}' of {layer.type} has the wrong type"
    assert problem == f"{where}: {what}; use {fix}"


def test_all_fields_of_another_type_are_named_at_once() -> None:
    steps = Steps("steps", 2.5)
    assert len(chain(conv(kernel=3, stride=1), steps)) == 3


def test_numbers_and_lists_of_other_kinds_are_what_a_file_gives_back(tmp_path: Path) -> None:
    given = Network(
        "net",
        (
            encode(),
            Unflatten("image", [1, np.int64(2), 2]),
            conv(kernel=[np.int8(1), 1], stride=[1, 1]),
            Flatten("flat"),
            Concepts("named", [f"c{n}" for n in range(8)]),
        ),
    )
    save_network(given, tmp_path / "n.safetensors")
    assert load_network(tmp_path / "n.safetensors").digest == given.digest
    steps = (encode(), Steps("steps", np.int64(3)), Accumulate("count"))
    assert (
        Network("net", steps).digest
        == Network("net", (encode(), Steps("steps", 3), steps[2])).digest
    )
