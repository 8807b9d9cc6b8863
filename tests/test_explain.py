"""Explanations: what concepts are, and how those that the hardware gave add up to its decision."""

import base64
import json
import struct
import zlib

import numpy as np
import pytest
from conftest import write_run
from networks import random_dense, random_encode, random_frames

from htaflow.flows import cli
from htaflow.flows.explain import explain
from htaflow.flows.picture import strip
from htaflow.flows.report import report
from htaflow.flows.rundir import Run
from htaflow.model import golden
from htaflow.model.decision import find_head
from htaflow.model.errors import BadInputError, MismatchError
from htaflow.model.exemplars import SHOWN, find_exemplars, load_exemplars, save_exemplars
from htaflow.model.network import ArgMax, Concepts, GroupSum, Network, Values

NAMES = ("round", "<b>tall</b>", "dark & open", "x")


def network_of(*after, name="network"):
    """Four concepts, and what follows them."""
    encode = random_encode(np.random.default_rng(0), 9, 20, 4, False)
    hidden = random_dense(np.random.default_rng(1), "hidden", 20, 4, fan_in=9)
    return Network(name, (encode, hidden, Concepts("concepts", NAMES), *after))


def scores(**options):
    """Three classes' sums of four concepts."""
    rng = np.random.default_rng(2)
    return random_dense(rng, "scores", 4, 3, thresholds=False, weight_bits=4, **options)


DECIDING = network_of(scores(unipolar=True), ArgMax("argmax"))
BIPOLAR = network_of(scores(), ArgMax("argmax"))
VOTING = network_of(GroupSum("vote", 2), ArgMax("argmax"))


@pytest.fixture
def run(tmp_path):
    return write_run(tmp_path / "run", DECIDING, 30, None)


@pytest.mark.parametrize("network", [DECIDING, BIPOLAR, VOTING])
def test_what_concepts_add_is_the_scores(network):
    result = golden.run(network, random_frames(network, np.random.default_rng(3), 40))
    head = find_head(network)
    for bits, sums in zip(result["concepts"], result["scores"], strict=True):
        assert np.array_equal(head.parts(bits).sum(axis=1), sums)


def test_an_explanation_is_what_the_hardware_gave(run):
    result = explain(run, 7)
    frames = Run(run).load_test()[0]
    expected = {name: values[7] for name, values in golden.run(DECIDING, frames).items()}
    assert result["class"] == expected["class"][0]
    assert result["scores"] == expected["scores"].tolist()
    assert [concept["on"] for concept in result["concepts"]] == expected["concepts"].tolist()
    assert [concept["name"] for concept in result["concepts"]] == list(NAMES)
    others = [s for c, s in enumerate(result["scores"]) if c != result["class"]]
    assert result["margin"] == result["scores"][result["class"]] - max(others)
    assert sum(concept["toward"] for concept in result["concepts"]) == result["margin"]
    assert json.loads(Run(run).explanation(7).read_text()) == result
    told = []
    assert explain(run, 7, progress=told.append) == result
    assert told == ["explain: unchanged"]


def test_hardware_that_is_wrong_explains_nothing(run):
    verilog = run / "rtl" / "top.v"
    text = verilog.read_text()
    broken = text.replace("__carried <= ", "__carried <= ~", 1)
    assert broken != text
    verilog.write_text(broken)
    with pytest.raises(MismatchError, match=r"hardware and golden differ .*'htaflow verify"):
        explain(run, 0)
    assert not Run(run).explanations


@pytest.mark.parametrize(
    ("frame", "spoil", "message"),
    [
        (30, None, r"there is no frame 30; use 0 to 29"),
        (0, "test.npz", r"it holds no test set"),
        (0, "rtl/top.v", r"top\.v: there is no such file; run 'htaflow convert"),
    ],
)
def test_what_cannot_be_explained_is_refused(run, frame, spoil, message):
    if spoil:
        (run / spoil).unlink()
    with pytest.raises(BadInputError, match=message):
        explain(run, frame)


@pytest.mark.parametrize(
    ("layers", "message"),
    [
        ((scores(),), "its scores are no single sum of the concepts of 'concepts'"),
        (
            (random_dense(np.random.default_rng(3), "more", 4, 4), scores(), ArgMax("argmax")),
            "its scores are no single sum of the concepts of 'concepts'",
        ),
        ((), "its scores are no single sum"),
    ],
)
def test_a_network_that_weighs_no_concepts_cannot_be_explained(layers, message):
    with pytest.raises(BadInputError, match=message):
        find_head(network_of(*layers))


def test_a_network_without_concepts_cannot_be_explained(tmp_path, rng):
    plain = Network("plain", (random_encode(rng, 3, 4, 4, False), scores(), ArgMax("argmax")))
    with pytest.raises(BadInputError, match="has no concepts; train one that has, such as digits-"):
        explain(write_run(tmp_path, plain, 5, None))


def test_exemplars_are_the_frames_with_the_largest_and_smallest_sums(tmp_path):
    frames = random_frames(DECIDING, np.random.default_rng(5), 60)
    found = find_exemplars(DECIDING, frames)
    hidden = DECIDING.layers[1]
    bits = golden.trace(DECIDING, frames)["encode"].astype(int)
    sums = (2 * bits - 1) @ hidden.weights.T.astype(int)
    assert found.most.shape == found.least.shape == (4, SHOWN)
    for concept in range(4):
        ordered = np.sort(sums[:, concept])
        seen = {}
        for kind, places in (("most", found.most), ("least", found.least)):
            of = [np.flatnonzero((frames == found.frames[at]).all(1))[0] for at in places[concept]]
            seen[kind] = sums[of, concept].tolist()
        assert seen["most"] == ordered[::-1][:SHOWN].tolist()
        assert seen["least"] == ordered[:SHOWN].tolist()
    on = golden.run(DECIDING, frames)["concepts"]
    assert np.allclose(found.share, on.mean(axis=0))
    save_exemplars(found, tmp_path / "concepts.npz")
    again = load_exemplars(tmp_path / "concepts.npz", DECIDING)
    assert all(np.array_equal(getattr(found, name), value) for name, value in vars(again).items())


def test_exemplars_of_few_frames_and_of_none(tmp_path):
    found = find_exemplars(DECIDING, random_frames(DECIDING, np.random.default_rng(5), 2))
    assert found.most.shape == (4, 2)
    assert load_exemplars(tmp_path / "concepts.npz", DECIDING) is None


@pytest.mark.parametrize("what", ["text", "other", "places"])
def test_damaged_exemplars_are_refused(what, run):
    found = find_exemplars(DECIDING, random_frames(DECIDING, np.random.default_rng(5), 9))
    path = run / "concepts.npz"
    if what == "text":
        path.write_text("no arrays")
    elif what == "other":
        np.savez(path, frames=found.frames)
    else:
        np.savez(path, **(vars(found) | {"most": found.most + len(found.frames)}))
    with pytest.raises(BadInputError, match=r"concepts\.npz"):
        report(run)


def test_a_strip_shows_the_frames():
    frames = np.array([[0, 15, 5, 10], [15, 0, 0, 0]])
    address = strip(frames, Values((4,), 0, 15))
    data = base64.b64decode(address.removeprefix("data:image/png;base64,"))
    assert data.startswith(b"\x89PNG")
    width, height = struct.unpack(">II", data[16:24])
    body = data[data.index(b"IDAT") + 4 :]
    rows = np.frombuffer(zlib.decompressobj().decompress(body), np.uint8).reshape(height, width + 1)
    assert rows[:, 1:].tolist() == [[0, 255, 128, 255, 0], [85, 170, 128, 0, 0]]


def test_the_report_shows_concepts_and_explained_frames(run, capsys):
    frames = random_frames(DECIDING, np.random.default_rng(5), 60)
    save_exemplars(find_exemplars(DECIDING, frames), run / "concepts.npz")
    page = report(run).read_text()
    facts = json.loads(Run(run).facts.read_text())
    assert [part["part"] for part in facts["missing"] if part["part"] == "explanation"]
    assert "<b>tall" not in page and "&lt;b&gt;tall&lt;/b&gt;" in page
    assert cli.main(["explain", str(run), "--frame", "3"]) == 0
    printed = capsys.readouterr().out
    assert printed.startswith("frame 3: the hardware says ") and "\nsum " in printed
    page = report(run).read_text()
    facts = json.loads(Run(run).facts.read_text())
    assert not [part["part"] for part in facts["missing"] if part["part"] == "explanation"]
    assert facts["concepts"]["weights"] == DECIDING.layers[-2].weights.T.tolist()
    assert [result["frame"] for result in facts["concepts"]["explained"]] == [3]
    assert "Test frame 3: the hardware says" in page
    assert page.count("data:image/png") == 2 * len(NAMES) + 1


def test_a_damaged_explanation_is_named(run):
    explain(run, 3)
    Run(run).explanation(3).write_text('{"frame": 3}')
    with pytest.raises(BadInputError, match=r"frame-3\.json: it lacks 'label'"):
        report(run)
