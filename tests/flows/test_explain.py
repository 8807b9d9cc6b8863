"""Explanations: what concepts are, and how those that the hardware gave add up to its decision."""

import base64
import json
import os
import shlex
import struct
import subprocess
import sys
import zlib

import numpy as np
import pytest
from concept_networks import BIPOLAR, DECIDING, NAMES, VOTING, network_of, scores
from conftest import write_run
from networks import random_dense, random_encode, random_frames

from htaflow.flows import summary
from htaflow.flows.cli import main as cli
from htaflow.flows.explain import describe, explain
from htaflow.flows.report.concepts import collect_concepts, draw_concepts
from htaflow.flows.report.png import strip
from htaflow.flows.report.report import report
from htaflow.hw.verilog import generate
from htaflow.model.integer import golden
from htaflow.model.integer.decision import find_head
from htaflow.model.integer.exemplars import SHOWN, find_exemplars, load_exemplars, save_exemplars
from htaflow.model.integer.network import ArgMax, Dense, Network
from htaflow.model.run_directory import Run
from htaflow.model.support.errors import BadInputError, MismatchError


@pytest.fixture
def run(tmp_path):
    return write_run(tmp_path / "run", DECIDING, 30, None)


@pytest.mark.parametrize("network", [DECIDING, BIPOLAR, VOTING])
def test_what_concepts_add_is_the_scores(network):
    result = golden.run(network, random_frames(network, np.random.default_rng(3), 40))
    head = find_head(network)
    for bits, sums in zip(result["concepts"], result["scores"], strict=True):
        assert np.array_equal(head.contributions(bits).sum(axis=1), sums)


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
    assert sum(concept["contribution"] for concept in result["concepts"]) == result["margin"]
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
    save_exemplars(found, DECIDING, tmp_path / "concepts.npz")
    again = load_exemplars(tmp_path / "concepts.npz", DECIDING)
    assert all(np.array_equal(getattr(found, name), value) for name, value in vars(again).items())
    assert found.searched == 60
    assert load_exemplars(tmp_path / "concepts.npz", BIPOLAR) is None  # it is another network's


def test_exemplars_of_few_frames_and_of_none(tmp_path):
    found = find_exemplars(DECIDING, random_frames(DECIDING, np.random.default_rng(5), 2))
    assert found.most.shape == (4, 2)
    assert load_exemplars(tmp_path / "concepts.npz", DECIDING) is None


@pytest.mark.parametrize(
    "damage",
    [
        {"most": np.full((4, 5), 99)},
        {"most": np.zeros((4, 5))},
        {"most": np.zeros((4, 3000), np.int64)},
        {"share": np.array(["a", "b", "c", "d"])},
        {"share": np.array([0, 1, 2, np.nan])},
        {"frames": np.full((9, 9), 1 << 40)},
        {"frames": np.zeros((9, 9), complex)},
        {"searched": np.zeros(3, np.int64)},
        None,
    ],
    ids=str,
)
def test_damaged_exemplars_are_refused(damage, run):
    found = find_exemplars(DECIDING, random_frames(DECIDING, np.random.default_rng(5), 9))
    path = run / "concepts.npz"
    if damage is None:
        path.write_text("no arrays")
    else:
        np.savez(path, **(vars(found) | {"network": DECIDING.digest} | damage))
    with pytest.raises(BadInputError, match=r"concepts\.npz"):
        report(run)


def pixels(address):
    """Return the grey values, [height, width], of a picture in a page."""
    data = base64.b64decode(address.removeprefix("data:image/png;base64,"))
    assert data.startswith(b"\x89PNG")
    width, height = struct.unpack(">II", data[16:24])
    body = data[data.index(b"IDAT") + 4 :]
    rows = np.frombuffer(zlib.decompressobj().decompress(body), np.uint8)
    return rows.reshape(height, width + 1)[:, 1:]


def test_a_strip_shows_the_frames():
    frames = np.array([[0, 15, 5, 10], [15, 0, 0, 0]])
    expected = [[0, 255, 128, 255, 0], [85, 170, 128, 0, 0]]
    assert pixels(strip(frames, 0, 15)).tolist() == expected
    assert pixels(strip(frames - 8, -8, 7)).tolist() == expected
    assert pixels(strip(frames[:, :2] * 0, 0, 0)).tolist() == [[0, 128, 0], [0, 128, 0]]


def test_pictures_are_as_bright_as_their_frames(run):
    """The type of a feature reaches to 15; these frames do to 6, and so do some of each picture."""
    with np.load(run / "test.npz") as arrays:
        np.savez(run / "test.npz", x=arrays["x"] % 7, y=arrays["y"])
    frames = Run(run).load_test()[0]
    found = find_exemplars(DECIDING, frames // 2)  # darker, and the same grey means the same
    save_exemplars(found, DECIDING, run / "concepts.npz")
    explain(run, 3)
    pictures = draw_concepts(Run(run), DECIDING, collect_concepts(Run(run), DECIDING))
    picture = pixels(pictures["frames"][3])
    assert np.array_equal(picture, frames[3].reshape(3, 3) * 255 // 6)
    first = found.frames[found.most[0, 0]]
    assert np.array_equal(pixels(pictures["most"][0])[:, :3], first.reshape(3, 3) * 255 // 6)


def test_the_report_shows_concepts_and_explained_frames(run, capsys):
    frames = random_frames(DECIDING, np.random.default_rng(5), 60)
    save_exemplars(find_exemplars(DECIDING, frames), DECIDING, run / "concepts.npz")
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
    name = shlex.quote(str(run))
    assert facts["rerun"][-2:] == [f"htaflow explain {name} --frame 3", f"htaflow report {name}"]
    assert "Test frame 3: the hardware says" in page
    assert page.count("data:image/png") == 2 * len(NAMES) + 1


@pytest.mark.parametrize(
    "damage",
    [
        {"frame": "x"},
        {"frame": 99},
        {"class": 2.5},
        {"class": None},
        {"scores": [1]},
        {"scores": None},
        {"scores": ["a", "b", "c"]},
        {"concepts": []},
        {"concepts": [2, 0, 0, 0]},
        {"concepts": "abc"},
    ],
    ids=str,
)
def test_a_damaged_explanation_is_named_and_can_be_made_again(damage, run):
    whole = explain(run, 3)
    path = Run(run).explanation(3)
    path.write_text(json.dumps(json.loads(path.read_text()) | damage))
    with pytest.raises(BadInputError, match=r"frame-3\.json: it is damaged; delete it, or run"):
        report(run)
    assert explain(run, 3) == whole
    report(run)


def test_an_explanation_of_other_hardware_is_left_out_and_missed(run):
    explain(run, 3)
    verilog = run / "rtl" / "top.v"
    verilog.write_text(verilog.read_text() + "\n// changed\n")
    report(run)
    facts = json.loads(Run(run).facts.read_text())
    assert facts["concepts"]["explained"] == []
    (missing,) = (part for part in facts["missing"] if part["part"] == "explanation")
    assert missing["why"] == "made from a different network or hardware"


def test_labels_and_names_are_those_that_the_run_has_now(run):
    explain(run, 3)
    with np.load(run / "test.npz") as arrays:
        frames, labels = arrays["x"], arrays["y"]
    labels[3] = 2
    np.savez(run / "test.npz", x=frames, y=labels)
    (run / "train.json").write_text(
        json.dumps({"network": DECIDING.digest, "classes": ["ant", "bee", "cat"]})
    )
    again = explain(run, 3)
    assert (again["label"], again["classes"]) == (2, ["ant", "bee", "cat"])
    labels[3] = 55
    np.savez(run / "test.npz", x=frames, y=labels)
    with pytest.raises(BadInputError, match=r"test\.npz: a label is outside 0\.\.2"):
        explain(run, 3)


def test_a_tie_says_who_wins_it():
    result = describe(VOTING, {"frame": 0, "class": 0, "scores": [1, 1], "concepts": [1, 0, 0, 1]},
        1, ["a", "b"])  # fmt: skip
    assert "the hardware says a (score 1, of equal ones the first), then b (1); it is b" in (
        summary.decision_line(result)
    )


def test_a_concept_that_is_on_is_named_whatever_it_adds(tmp_path):
    weights = np.array([[3, 0, 1, 0], [1, 0, 2, 0], [0, 0, -1, 0]])  # the second decides nothing
    network = network_of(Dense("scores", weights, None, "unipolar"), ArgMax("argmax"))
    run = write_run(tmp_path / "run", network, 30, None)
    on = golden.run(network, Run(run).load_test()[0])["concepts"]
    frame = int(np.flatnonzero(on[:, 1] & (1 - on[:, 3]))[0])
    result = explain(run, frame)
    rows = {name: (state, added) for name, state, added in summary.explain_rows(result)}
    assert rows[NAMES[1]] == ("on", "+0")
    assert NAMES[3] not in rows  # off, and adds nothing
    report(run)
    told = Run(run).page.read_text().split('class="explained"')[1].split("</article>")[0]
    assert "&lt;b&gt;tall&lt;/b&gt;" in told
    assert NAMES[3] not in told


def test_a_name_that_the_terminal_lacks_is_no_traceback(run):
    environment = os.environ | {"PYTHONIOENCODING": "ascii"}
    command = [sys.executable, "-m", "htaflow.flows.cli", "explain", str(run)]
    done = subprocess.run(command, capture_output=True, text=True, env=environment, check=False)
    assert (done.returncode, done.stdout[:7]) == (0, "frame 0")


def test_the_pipeline_cannot_name_concepts():
    with pytest.raises(BadInputError, match="which only names the bits of 'hidden'; name that"):
        generate(DECIDING, pipeline=["concepts"])
