"""ONNX models into run directories, by the verbs and from Python."""

import builtins
import json
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from networks import Choices, random_level_network
from onnx_graphs import GraphWriter, random_graph

from htaflow.flows import import_onnx as flow
from htaflow.flows.cli.main import main
from htaflow.flows.convert import convert
from htaflow.flows.export import export
from htaflow.flows.import_onnx import import_onnx
from htaflow.flows.import_options import ImportOptions
from htaflow.model.importers.onnx.importer import from_onnx
from htaflow.model.integer.file import load_network, save_network
from htaflow.model.integer.network import Network
from htaflow.model.support.errors import BadInputError, MismatchError, MissingToolError
from htaflow.sim.verify import verify_rtl


@pytest.fixture
def model(tmp_path: Path) -> Path:
    """A network of 16 pixels, of 4 bits each, and 3 classes."""
    rng = np.random.default_rng(0)
    graph = GraphWriter((16,))
    for inputs, count in ((16, 6), (6, 3)):
        raw = graph.constant(rng.integers(-1, 2, (inputs, count)))
        graph.then("MatMul", graph.quant(raw, 0.5, 2, True))
        if count == 6:
            graph.then("Relu")
            graph.tensor = graph.quant(graph.tensor, 0.25, 2, False)
    return graph.save(tmp_path / "model.onnx")


def data(folder: Path) -> Path:
    """Frames of that size, and labels."""
    rng = np.random.default_rng(1)
    x = rng.integers(0, 16, (60, 16)).astype(np.uint8)
    np.savez(
        folder / "data.npz",
        x_train=x,
        y_train=np.arange(60) % 3,
        x_test=x[:30],
        y_test=np.arange(30) % 3,
    )
    return folder / "data.npz"


OPTIONS = ImportOptions(Fraction(1, 15), bits=4)


def test_a_model_becomes_hardware(model: Path, tmp_path: Path) -> None:
    run = tmp_path / "a run"
    convert(model, run, onnx=OPTIONS)
    result = verify_rtl(run, frames=20)
    assert (result["mismatches"], result["problems"]) == (0, [])
    again = convert(model, run, onnx=OPTIONS)
    assert again["digest"] == load_network(run / "network.safetensors").digest


def test_a_test_set_gives_accuracies_and_is_kept(model: Path, tmp_path: Path) -> None:
    options = ImportOptions(Fraction(1, 15), bits=4, data=str(data(tmp_path)))
    facts = import_onnx(model, tmp_path / "run", options)
    assert facts["accuracy"] is not None
    assert facts["accuracy"]["golden"] == facts["accuracy"]["graph"]
    assert facts["frames"] == 30
    assert np.load(tmp_path / "run" / "test.npz")["x"].shape == (30, 16)


def test_data_that_do_not_suit_are_refused(model: Path, tmp_path: Path) -> None:
    path = str(data(tmp_path))
    with pytest.raises(BadInputError, match="say how many bits they have with --input-bits"):
        import_onnx(model, tmp_path / "run", ImportOptions(Fraction(1), bits=2, data=path))
    with pytest.raises(BadInputError, match="a frame has 64 features, but the model takes 16"):
        import_onnx(model, tmp_path / "run", ImportOptions(Fraction(1), bits=5, data="digits"))
    assert not (tmp_path / "run").exists()


def test_another_network_in_the_run_is_refused(model: Path, tmp_path: Path) -> None:
    (tmp_path / "run").mkdir()
    save_network(
        random_level_network(np.random.default_rng(0)), tmp_path / "run/network.safetensors"
    )
    with pytest.raises(BadInputError, match="holds a different network, 'levels'"):
        import_onnx(model, tmp_path / "run", OPTIONS)


def test_a_difference_that_no_rounding_explains_ends_the_import(
    model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def wrong(path: Path, feature: Any) -> Any:
        found = from_onnx(path, feature)
        encode, dense, *rest = found.network.layers
        thresholds = dense.thresholds.copy()  # type: ignore[attr-defined]
        thresholds[2, 0] += 1
        network = Network("model", (encode, replace(dense, thresholds=thresholds), *rest))
        return replace(found, network=network)

    monkeypatch.setattr(flow, "from_onnx", wrong)
    message = (
        r"differ in \d+ of 1000 frames: frame \d+, layer dense1, node 'node_matmul_\d+', value 2"
    )
    with pytest.raises(MismatchError, match=message):
        import_onnx(model, tmp_path / "run", OPTIONS)
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize("missing", ["onnx", "qonnx", "onnxruntime"])
def test_a_missing_package_is_named_with_its_install_line(
    missing: str, model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = builtins.__import__

    def hidden(name: str, *rest: Any) -> Any:
        if name.split(".")[0] == missing:
            raise ImportError(f"No module named '{missing}'", name=missing)
        return real(name, *rest)

    monkeypatch.setattr(builtins, "__import__", hidden)
    with pytest.raises(MissingToolError, match=rf"{missing}.*pip install 'htaflow\[onnx\]'"):
        import_onnx(model, tmp_path / "run", OPTIONS)


def test_the_verbs_tell_what_was_compared(
    model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    how = ["--input-scale", "1/15", "--input-bits", "4"]
    assert main(["check", str(model), *how]) == 0
    run = str(tmp_path / "run")
    assert main(["convert", str(model), "--out", run, "--network-only", *how]) == 0
    assert "1000 frames with the model's execution: equal" in capsys.readouterr().out
    assert not (tmp_path / "run" / "rtl").exists()
    assert main(["convert", str(model), "--out", run, *how]) == 0
    assert main(["export", run, "--out", str(tmp_path / "again.onnx")]) == 0
    assert main(["check", str(tmp_path / "again.onnx"), "--input-bits", "4"]) == 0
    assert main(["convert", run, "--input-bits", "4"]) == 2
    assert "--input-bits is for ONNX models" in capsys.readouterr().err
    assert main(["convert", run, "--network-only"]) == 2
    assert main(["check", str(model), "--input-scale", "1/0"]) == 2


def test_problems_are_listed_as_json(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    graph = random_graph(Choices(np.random.default_rng(0)))
    graph.then("Elu")
    path = graph.save(tmp_path / "model.onnx")
    assert main(["check", str(path), "--json"]) == 2
    (problem,) = json.loads(capsys.readouterr().out)["problems"]
    assert "the operator Elu is not supported" in problem["what"]


def test_an_export_that_is_refused_leaves_what_was_there(tmp_path: Path) -> None:
    run = tmp_path / "run"
    run.mkdir()
    save_network(random_level_network(np.random.default_rng(1)), run / "network.safetensors")
    made = export(run)
    before = made.read_bytes()
    assert export(run).read_bytes() == before
    assert [path.name for path in run.iterdir() if path.name.startswith(".")] == []
