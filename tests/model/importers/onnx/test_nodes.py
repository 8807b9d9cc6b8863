"""Nodes: those that are understood, and what is told of others: all of it at once."""

from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from onnx_graphs import QONNX, GraphWriter

from htaflow.model.importers.onnx.compare import compare
from htaflow.model.importers.onnx.feature import InputScale
from htaflow.model.importers.onnx.importer import check_onnx, from_onnx
from htaflow.model.importers.onnx.nodes import node_table
from htaflow.model.support.errors import BadInputError

DOCS = Path(__file__).resolve().parents[4] / "docs" / "bring-your-own-model.md"


def test_the_table_in_the_documentation_is_that_of_the_code() -> None:
    text = DOCS.read_text("utf-8")
    table = text.partition("<!-- nodes -->")[2].partition("<!-- end of nodes -->")[0]
    assert table.strip() == f"| node | limits |\n|---|---|\n{node_table()}".strip()


def dense(graph: GraphWriter, weights: Any, quantise: bool = True) -> None:
    raw = graph.constant(np.asarray(weights, np.float32).T)
    if quantise:
        raw = graph.quant(raw, 1.0, 4, True)
    graph.then("MatMul", raw)
    graph.shape = (len(weights),)


def imported(graph: GraphWriter, folder: Path, **feature: Any) -> Any:
    found = from_onnx(graph.save(folder / "graph.onnx"), InputScale(**feature))
    values = found.network.input
    frames = np.random.default_rng(0).integers(values.low, values.high + 1, (50, values.count))
    assert compare(found, frames).results == 0
    return found


def test_every_problem_is_told_at_once(tmp_path: Path) -> None:
    graph = GraphWriter((2, 4, 4))
    weights = graph.quant(graph.constant(np.ones((2, 2, 2, 2))), 1.0, 2, True)
    graph.then("Conv", weights, kernel_shape=[2, 2], dilations=[2, 2])
    graph.then("Elu")
    graph.then("Flatten", axis=1)
    first = graph.tensor
    dense(graph, np.ones((3, 8)) * np.linspace(0.1, 0.77, 8), quantise=False)
    graph.tensor = graph.node("Add", first, first)
    problems = check_onnx(graph.save(tmp_path / "graph.onnx"))
    told = [str(problem) for problem in problems]
    assert any("(Conv): its windows have gaps (dilation); use dilation 1" in one for one in told)
    assert any("(Elu): the operator Elu is not supported" in one for one in told)
    with pytest.raises(BadInputError, match="2 problems"):
        from_onnx(tmp_path / "graph.onnx")


def test_an_activation_without_a_quantiser_is_refused(tmp_path: Path) -> None:
    graph = GraphWriter((3,))
    dense(graph, np.eye(3))
    graph.then("Sub", graph.constant(100.0))
    graph.then("Relu")
    dense(graph, np.eye(3))
    (problem,) = check_onnx(graph.save(tmp_path / "graph.onnx"))
    assert "takes an activation that is clipped, but not quantised" in str(problem)


def test_weights_that_are_no_multiples_are_refused(tmp_path: Path) -> None:
    graph = GraphWriter((3,))
    dense(graph, np.random.default_rng(0).normal(size=(2, 3)), quantise=False)
    (problem,) = check_onnx(graph.save(tmp_path / "graph.onnx"))
    assert "its weights are no whole multiples of a scale" in str(problem)


@pytest.mark.parametrize(
    ("content", "message"),
    [(b"", "neither inputs"), (b"\x08\x07garbage", "not a valid"), (None, "no such file")],
)
def test_what_is_no_model_is_refused_in_words(
    content: bytes | None, message: str, tmp_path: Path
) -> None:
    path = tmp_path / "model.onnx"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(BadInputError):
        from_onnx(path)
    assert check_onnx(path)


def test_pixels_enter_as_they_are(tmp_path: Path) -> None:
    graph = GraphWriter((4,))
    graph.then("Mul", graph.constant(2.0))
    graph.then("Sub", graph.constant(1.0))
    graph.tensor = graph.quant(graph.tensor, 2.0**-7, 8, True)
    dense(graph, [[1, -1, 2, 0], [0, 1, 1, 1]])
    found = imported(graph, tmp_path, scale=Fraction(1, 256))
    assert [layer.type for layer in found.network.layers[:2]] == ["Quantise", "Dense"]


def test_one_comparison_a_feature_is_an_encoder(tmp_path: Path) -> None:
    graph = GraphWriter((4,))
    graph.then("Sub", graph.constant(0.5))
    graph.then("BipolarQuant", graph.constant(1.0), domain=QONNX)
    dense(graph, [[1, -1, 1, 1], [-1, 1, 1, 1]])
    found = imported(graph, tmp_path, scale=Fraction(1, 255))
    first = found.network.layers[0]
    assert first.type == "Encode"
    assert first.threshold.tolist() == [128] * 4
    assert found.network.layers[1].inputs == "bipolar"


def test_padding_of_zero_between_levels_takes_one_more_level(tmp_path: Path) -> None:
    graph = GraphWriter((1, 3, 3))
    graph.then("Sub", graph.constant(0.5))
    graph.then("BipolarQuant", graph.constant(1.0), domain=QONNX)
    weights = graph.node(
        "BipolarQuant",
        graph.constant(np.random.default_rng(0).normal(size=(2, 1, 3, 3))),
        graph.constant(1.0),
        domain=QONNX,
    )
    graph.then("Conv", weights, kernel_shape=[3, 3], pads=[1, 1, 1, 1])
    graph.then("BipolarQuant", graph.constant(1.0), domain=QONNX)
    graph.then("Flatten", axis=1)
    graph.shape = (18,)
    dense(graph, np.eye(2, 18) + 1)
    found = imported(graph, tmp_path, scale=Fraction(1, 255))
    types = [layer.type for layer in found.network.layers]
    assert types == ["Encode", "Threshold", "Unflatten", "Conv2d", "Flatten", "Dense", "ArgMax"]
    assert found.network.layers[3].pad_bit == 1
    assert found.network.values["level1"].high == 2
    assert found.network.values["conv1"].is_bits


def test_a_neuron_of_negative_scale_is_turned_round(tmp_path: Path) -> None:
    graph = GraphWriter((4,))
    dense(graph, [[1, 2, -1, 0], [1, 1, 1, 1]])
    graph.then("Mul", graph.constant([-1.0, 1.0]))
    graph.then("Relu")
    graph.tensor = graph.quant(graph.tensor, 3.0, 3, False)
    dense(graph, [[1, 2], [3, -1]])
    found = imported(graph, tmp_path, bits=4)
    assert found.network.layers[1].weights[0].tolist() == [-1, -2, 1, 0]


def test_scores_with_biases_keep_their_order(tmp_path: Path) -> None:
    graph = GraphWriter((4,))
    dense(graph, [[1, 2, -1, 0], [1, 1, 1, 1], [0, -1, 1, 2]])
    graph.then("Add", graph.constant([0.5, -0.25, 0.3]))
    found = imported(graph, tmp_path, bits=3)
    assert [layer.type for layer in found.network.layers[-2:]] == ["Scale", "ArgMax"]


def test_the_first_quantiser_says_what_features_are(tmp_path: Path) -> None:
    graph = GraphWriter((4,))
    graph.tensor = graph.quant(graph.tensor, 0.25, 4, True)
    dense(graph, [[1, 2, -1, 0], [1, 1, 1, 1]])
    found = from_onnx(graph.save(tmp_path / "graph.onnx"))
    assert found.feature == InputScale(Fraction(1, 4), Fraction(0), 4, True)
