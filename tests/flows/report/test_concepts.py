"""Concepts: bits that have names and leave beside the decision."""

import numpy as np
import pytest
from conftest import write_run
from networks import random_dense, random_encode, random_frames

from htaflow.hw.stream.layout import layouts
from htaflow.model.integer import golden
from htaflow.model.integer.file import load_network, save_network
from htaflow.model.integer.network import (
    ArgMax,
    Concepts,
    Dense,
    Flatten,
    Network,
    Steps,
    Unflatten,
)
from htaflow.model.support.errors import BadInputError
from htaflow.sim.verify import verify_rtl


def network_of(*after, names=("round", "tall", "dark", "open")):
    """Four concepts of hidden neurons, and what follows them."""
    rng = np.random.default_rng(0)
    encode = random_encode(rng, 5, 10, 4, False)
    hidden = random_dense(rng, "hidden", 10, 4, fan_in=5)
    return Network("network", (encode, hidden, Concepts("concepts", tuple(names)), *after))


SCORES = (
    random_dense(
        np.random.default_rng(1), "scores", 4, 3, thresholds=False, unipolar=True, weight_bits=4
    ),
)
DECISION = (*SCORES, ArgMax("argmax"))
DEEPER = (
    random_dense(np.random.default_rng(3), "more", 4, 6),
    random_dense(np.random.default_rng(4), "scores", 6, 3, thresholds=False),
    ArgMax("argmax"),
)


def test_concepts_leave_beside_class_and_scores():
    network = network_of(*DECISION)
    frames = random_frames(network, np.random.default_rng(2), 50)
    result, values = golden.run(network, frames), golden.trace(network, frames)
    assert list(result) == ["class", "scores", "concepts"]
    assert np.array_equal(result["concepts"], values["hidden"])
    assert np.array_equal(result["scores"], values["scores"])
    fields = layouts(network)[1].fields
    assert [(field.name, field.element_bits) for field in fields][-1] == ("concepts", 1)


@pytest.mark.parametrize("depth", [None, 1])
@pytest.mark.parametrize("after", [(), SCORES, DECISION, DEEPER], ids=len)
def test_hardware_yields_concepts_in_the_cycle_of_the_class(after, depth, tmp_path):
    network = network_of(*after)
    result = verify_rtl(write_run(tmp_path / "run", network, 60, None, depth=depth))
    assert (result["mismatches"], result["problems"]) == (0, [])


def test_a_network_with_concepts_survives_its_file(tmp_path):
    network = network_of(*DECISION, names=("a b", "Größe", "1.", "x"))
    save_network(network, tmp_path / "network.safetensors")
    again = load_network(tmp_path / "network.safetensors")
    assert again.digest == network.digest
    assert again.concepts is not None and again.concepts.concepts == ("a b", "Größe", "1.", "x")


@pytest.mark.parametrize(
    ("names", "after", "message"),
    [
        (("a", "b", "a", "c"), (), r"'concepts': concepts 0 and 2 are both called 'a'"),
        (("a", "b"), (), r"'concepts': it has 2 names for 4 bits"),
        (("a", "b", "c\n", "d"), (), r"concept 2 is called 'c\\n'"),
        (("a", "b", "", "d"), (), r"concept 2 is called ''"),
        ("abcd", (Concepts("more", tuple("abcd")),), r"'more': 'concepts' names concepts already"),
        (
            "abcd",
            (Unflatten("image", (1, 2, 2)), Flatten("flat")),
            r"'image': its type, Unflatten, cannot follow the concepts of 'concepts'",
        ),
        ("abcd", (Steps("steps", 2, "direct"),), r"'steps': its type, Steps, cannot follow"),
    ],
)
def test_concepts_that_cannot_be_are_refused(names, after, message):
    with pytest.raises(BadInputError, match=message):
        network_of(*after, names=names)


def test_concepts_are_bits():
    encode = random_encode(np.random.default_rng(0), 5, 10, 4, False)
    sums = Dense("sums", np.ones((2, 10), np.int8), None)
    with pytest.raises(BadInputError, match=r"'concepts': it is fed 2 integers -10..10, but conc"):
        Network("network", (encode, sums, Concepts("concepts", ("a", "b"))))
