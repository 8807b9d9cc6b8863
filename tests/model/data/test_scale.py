"""Features with fractions: scaled by the training data, exactly back again, kept in the run."""

import dataclasses
import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from htaflow.flows.cli import main as cli
from htaflow.flows.report.report import report
from htaflow.model.data.dataset import make_dataset
from htaflow.model.data.features import Features
from htaflow.model.data.load import load
from htaflow.model.data.options import DataOptions
from htaflow.model.data.scale import LARGEST, Scale, fit_scale
from htaflow.model.run_directory import Run
from htaflow.model.support.errors import BadInputError
from htaflow.model.training import zoo
from htaflow.model.training.recipe import ConceptNeurons
from htaflow.model.training.train import train

NUMBERS = st.floats(-LARGEST / 2, LARGEST / 2)


@given(st.lists(NUMBERS, min_size=1, max_size=5), st.integers(1, 16))
def test_every_level_is_its_value_and_its_value_is_the_level(column, bits):
    x = np.array(column)[:, None]
    scale = fit_scale(x, bits)
    levels = np.arange(scale.high + 1)[:, None]
    assert np.array_equal(scale.encode(scale.decode(levels)), levels)
    assert np.isfinite([scale.offset, scale.step]).all()
    encoded = scale.encode(x)
    assert encoded.min() >= 0
    if x.max() > x.min():
        error = np.abs(scale.decode(encoded) - x).max()
        assert error <= 0.5000001 * scale.step[0] + 4 * np.spacing(np.abs(x).max())
    again = json.loads(json.dumps([scale.offset.tolist(), scale.step.tolist()]))
    other = Scale(bits, *map(np.array, again))
    assert np.array_equal(other.encode(x), encoded)


def test_the_training_data_alone_say_the_range_and_what_is_outside_is_clipped():
    train_set = np.array([[0.5, 10], [1.5, 12]]), np.array([0, 1])
    test_set = np.array([[9.0, 11], [-9.0, 10], [1.0, 12]]), np.array([0, 1, 0])
    said: list[str] = []
    data = make_dataset("d", "d", train_set, test_set, scale=4, progress=said.append)
    assert data.x_train.tolist() == [[0, 0], [15, 2]]  # whole numbers are moved only
    assert data.x_test.tolist() == [[15, 1], [0, 0], [8, 2]]
    assert (data.feature_bits, data.signed) == (4, False)
    assert "of 6 test values, 2 lie outside and are clipped" in said[0]
    assert data.known.values(data.x_train[1]) == [1.5, 12.0]


def test_the_pixels_of_a_channel_share_a_scale(rng):
    x = rng.random((10, 2, 3, 3)).astype(np.float32)
    x[:, 1] *= 50
    known = Features(shape=(2, 3, 3))
    pair = x, np.arange(10) % 2
    scale = make_dataset("d", "d", pair, pair, known=known, scale=8).known.scale
    assert scale is not None
    assert [len(set(scale.step[part])) for part in (slice(9), slice(9, 18))] == [1, 1]
    assert scale.step[9] > 10 * scale.step[0]


@pytest.mark.parametrize("value", [np.nan, np.inf, 1e40])
def test_what_cannot_be_scaled_is_refused(value):
    pair = np.array([[0.5], [value]]), np.array([0, 1])
    with pytest.raises(BadInputError, match="frame 1, feature 0 is"):
        make_dataset("d", "d", pair, pair, scale=8)
    with pytest.raises(BadInputError, match="not finite"):
        fit_scale(np.array([[0.0], [1.0]]), 8).encode([[np.nan]])


@pytest.mark.parametrize("kind", ["csv", "npz"])
def test_tables_and_arrays_of_fractions_are_scaled_if_asked(tmp_path, kind):
    x, path = np.arange(24).reshape(12, 2) / 8, tmp_path / f"d.{kind}"
    if kind == "npz":
        np.savez(path, x=x, y=np.arange(12) % 2)
    else:
        path.write_text("a,b,label\n" + "".join(f"{a},{b},{n % 2}\n" for n, (a, b) in enumerate(x)))
    with pytest.raises(BadInputError, match=r"add --scale 8 .*scale and round them"):
        load(path)
    data = load(path, options=DataOptions(scale=8))
    scale = data.known.scale
    assert scale is not None
    assert np.array_equal(scale.encode(x[[0, 1, 2, 3]]), data.x_train[:4])
    assert data.x_train.max() == 255
    assert data.feature_bits == 8


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """A run with concepts, trained on a table with fractions."""
    folder = tmp_path_factory.mktemp("scaled")
    rng = np.random.default_rng(1)
    x = rng.normal(size=(160, 3)) * (0.01, 1, 100)
    names = np.where(x[:, 0] * 100 + x[:, 1] > 0, "above", "below")
    lines = [",".join(map(repr, row.tolist())) for row in x]
    rows = [f"{line},{name}" for line, name in zip(lines, names, strict=True)]
    (folder / "d.csv").write_text("\n".join(["acid,<b>sugar</b>,iron,label", *rows]))
    recipe = dataclasses.replace(
        zoo.ZOO["digits-icbm"],
        name="tiny-scaled",
        hidden=(ConceptNeurons(6, 4, 4, None),),
        epochs=2,
    )
    train(recipe, folder / "d.csv", folder / "run", options=DataOptions(scale=6))
    return folder / "run", recipe


def test_the_run_keeps_names_and_units(run):
    here, recipe = run
    network = Run(here).load_network()
    known = Run(here).load_features(network)
    assert known.names == ("acid", "<b>sugar</b>", "iron")
    data = load(here.parent / "d.csv", options=DataOptions(scale=6))
    assert known.scale is not None and data.known.scale is not None
    assert np.array_equal(known.scale.step, data.known.scale.step)
    assert np.array_equal(known.scale.offset, data.known.scale.offset)
    frames = Run(here).load_test(network)[0]
    assert np.array_equal(frames, data.x_test)
    assert frames.max() <= 63
    (here / "features.json").write_text("{")
    with pytest.raises(BadInputError, match=r"features.json: it is no JSON"):
        Run(here).load_features(network)
    data_path, options = here.parent / "d.csv", DataOptions(scale=6)
    said: list[str] = []
    train(recipe, data_path, here, options=options, progress=said.append)
    assert said[-1] == "train: unchanged"
    assert Run(here).load_features(network).names == known.names
    with pytest.raises(BadInputError, match="another training: its data_options is"):
        train(recipe, data_path, here, options=DataOptions(scale=7))


@pytest.mark.parametrize(
    ("change", "match"),
    [
        ({"names": ["a"]}, "it names 1 features of 3"),
        ({"image": {"channels": 1, "height": 2, "width": 2}}, "has not 3 features"),
        ({"scale": {"bits": 6, "offset": [0.0], "step": [1.0]}}, "its scale is not one of 3"),
        (
            {"scale": {"bits": 6, "offset": [0.0] * 3, "step": [1.0, 0.0, 1.0]}},
            "its scale is not one",
        ),
        ({"scale": {"bits": 99, "offset": [0.0] * 3, "step": [1.0] * 3}}, "has 99 bits"),
        ({"scale": {"bits": 6}}, "lacks 'scale.offset'|has the wrong type"),
    ],
)
def test_damaged_units_are_refused(run, tmp_path, change, match):
    here, _ = run
    network = Run(here).load_network()
    facts = json.loads((here / "features.json").read_text())
    (tmp_path / "features.json").write_text(json.dumps(facts | change))
    with pytest.raises(BadInputError, match=match):
        Run(tmp_path).load_features(network)
    (tmp_path / "features.json").write_text(json.dumps(facts | {"network": "0" * 64}))
    assert Run(tmp_path).load_features(network).names is None


def test_explain_and_report_speak_the_users_units(run, capsys):
    here, _ = run
    assert cli.main(["convert", str(here)]) == 0
    assert cli.main(["explain", str(here), "--frame", "3"]) == 0
    told = capsys.readouterr().out
    data = load(here.parent / "d.csv", options=DataOptions(scale=6))
    acid, sugar, iron = data.known.values(data.x_test[3])
    assert f"features: acid {acid:.6g}, <b>sugar</b> {sugar:.6g}, iron {iron:.6g}" in told
    page = report(here).read_text()
    assert "<h2>Features</h2>" in page
    assert "<td>&lt;b&gt;sugar&lt;/b&gt;</td>" in page
    assert f"acid {acid:.6g}" in page
    facts = json.loads((here / "report" / "report.json").read_text())
    assert facts["features"]["bits"] == 6
    assert facts["features"]["listed"][2]["name"] == "iron"
