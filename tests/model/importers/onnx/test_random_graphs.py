"""Random graphs of every supported operator: the imported network computes what they do."""

from fractions import Fraction
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from networks import Choices, DrawnChoices
from onnx_graphs import random_graph

from htaflow.model.importers.onnx.compare import compare
from htaflow.model.importers.onnx.feature import InputScale
from htaflow.model.importers.onnx.importer import from_onnx
from htaflow.model.support.errors import BadInputError

UNIT = InputScale(Fraction(1, 256))
REFUSED = (
    "takes the largest of sums|pools what|of more than 8 bits|none of the values that its input has"
    "|between two of its input's levels"
)
"""What a random graph may be that cannot be represented."""


def check(choices: Choices, folder: Path) -> bool:
    """Import and compare one graph; return whether it could be represented."""
    path = random_graph(choices).save(folder / "graph.onnx")
    try:
        imported = from_onnx(path, UNIT)
    except BadInputError as error:
        import re

        assert re.search(REFUSED, str(error)), error
        return False
    values = imported.network.input
    frames = choices.rng.integers(values.low, values.high + 1, (40, values.count))
    found = compare(imported, frames)
    assert found.is_equal, found.first
    return True


@st.composite
def drawn(draw: st.DrawFn) -> Choices:
    return DrawnChoices(draw)


@settings(max_examples=40, suppress_health_check=[HealthCheck.too_slow], deadline=None)
@given(choices=drawn())
def test_an_import_computes_what_the_graph_does(
    choices: Choices, tmp_path_factory: pytest.TempPathFactory
) -> None:
    check(choices, tmp_path_factory.mktemp("graph"))
