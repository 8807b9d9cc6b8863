"""Random graphs of every supported operator: the imported network computes what they do."""

import re
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from networks import Choices, DrawnChoices
from onnx_graphs import random_graph

from htaflow.model.importers.onnx.compare import compare, in_units
from htaflow.model.importers.onnx.execute import Execution
from htaflow.model.importers.onnx.feature import InputScale
from htaflow.model.importers.onnx.graph import read_graph
from htaflow.model.importers.onnx.importer import from_onnx
from htaflow.model.integer.problems import find_problems
from htaflow.model.support.errors import BadInputError

UNIT = InputScale(Fraction(1, 256))
REFUSED = (
    "takes the largest of sums|pools what|of more than 8 bits|none of the values that its input has"
    "|between two of its input's levels|has the same score for every frame|with scales of their own"
)
"""What a random graph may be that cannot be represented."""


def check(choices: Choices, folder: Path) -> None:
    """Import and compare one graph, if it can be represented."""
    path = random_graph(choices).save(folder / "graph.onnx")
    try:
        imported = from_onnx(path, UNIT)
    except BadInputError as error:
        assert re.search(REFUSED, str(error)), error
        return
    network = imported.network
    assert find_problems(network.name, network.layers) == []
    values = network.input
    frames = choices.rng.integers(values.low, values.high + 1, (40, values.count))
    found = compare(imported, frames)
    assert found.is_equal, found.first


@st.composite
def drawn(draw: st.DrawFn) -> Choices:
    return DrawnChoices(draw)


SLOW = [HealthCheck.too_slow, HealthCheck.data_too_large]


@settings(max_examples=60, suppress_health_check=SLOW)
@given(choices=drawn())
def test_an_import_computes_what_the_graph_does(
    choices: Choices, tmp_path_factory: pytest.TempPathFactory
) -> None:
    check(choices, tmp_path_factory.mktemp("graph"))


@pytest.mark.slow
@settings(max_examples=1500, suppress_health_check=SLOW)
@given(choices=drawn())
def test_many_imports_compute_what_the_graph_does(
    choices: Choices, tmp_path_factory: pytest.TempPathFactory
) -> None:
    check(choices, tmp_path_factory.mktemp("graph"))


@pytest.mark.parametrize("seed", range(6))
def test_the_execution_is_that_of_qonnx(seed: int, tmp_path: Path) -> None:
    """Written with standard operators, a graph yields what qonnx makes of its own."""
    execute_onnx = pytest.importorskip("qonnx.core.onnx_exec").execute_onnx
    choices = Choices(np.random.default_rng(seed))
    graph = read_graph(random_graph(choices).save(tmp_path / "graph.onnx"))
    shape = graph.shapes[graph.input][1:]
    frames = choices.rng.integers(0, 256, (5, int(np.prod(shape)))).astype(np.float32) / 256
    got = Execution(graph).run(frames)[graph.output]
    for frame, mine in zip(frames, got, strict=True):
        fed = {graph.input: frame.reshape(1, *shape)}
        theirs = execute_onnx(graph.model, fed)[graph.output].reshape(-1)
        assert np.allclose(mine, theirs, rtol=1e-5, atol=1e-5)


def test_frames_are_told_in_the_units_of_the_graph(tmp_path: Path) -> None:
    choices = Choices(np.random.default_rng(1))
    imported = from_onnx(random_graph(choices).save(tmp_path / "graph.onnx"), UNIT)
    frames = np.full((1, imported.network.input.count), 128)
    assert (in_units(imported, frames) == 0.5).all()
