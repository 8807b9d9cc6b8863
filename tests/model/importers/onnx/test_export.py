"""Exported graphs: their execution gives golden's numbers, and they import as they were."""

from pathlib import Path

import numpy as np
import pytest
from networks import (
    random_frames,
    random_image_network,
    random_level_network,
    random_network,
    random_spiking_network,
)

from htaflow.model.importers.onnx.execute import Execution
from htaflow.model.importers.onnx.export import export_qonnx
from htaflow.model.importers.onnx.feature import InputScale
from htaflow.model.importers.onnx.graph import read_graph
from htaflow.model.importers.onnx.importer import from_onnx
from htaflow.model.integer.golden import run
from htaflow.model.integer.network import LookupConv2d, Network
from htaflow.model.support.errors import BadInputError

Array = np.ndarray


def networks(seed: int) -> Network:
    rng = np.random.default_rng(seed)
    kinds = (
        lambda: random_network(rng, ending="class of scores", signed=seed % 2 == 0),
        lambda: random_network(rng, kept_bits=3, weight_bits=4, ending="class of scores"),
        lambda: random_level_network(rng),
        lambda: random_network(rng, hidden=(6, 5), ending="class of votes"),
    )
    return kinds[seed % len(kinds)]()


@pytest.mark.parametrize("seed", range(12))
def test_the_execution_of_an_export_is_golden(seed: int, tmp_path: Path) -> None:
    network = networks(seed)
    export_qonnx(network, tmp_path / "net.onnx")
    frames = random_frames(network, np.random.default_rng(seed), 60)
    graph = read_graph(tmp_path / "net.onnx")
    (got,) = Execution(graph).run(frames.astype(np.float32)).values()
    assert got.tolist() == run(network, frames)["scores"].tolist()


@pytest.mark.parametrize("seed", range(12))
def test_an_export_imports_to_the_same_numbers(seed: int, tmp_path: Path) -> None:
    network = networks(seed)
    export_qonnx(network, tmp_path / "net.onnx")
    encode = network.encode
    feature = InputScale(bits=encode.feature_bits, signed=encode.signed)
    again = from_onnx(tmp_path / "net.onnx", feature).network
    frames = random_frames(network, np.random.default_rng(seed), 60)
    one, other = run(network, frames), run(again, frames)
    assert one["class"].tolist() == other["class"].tolist()
    if again.layers[-2].type != "Scale":
        assert one["scores"].tolist() == other["scores"].tolist()


def test_binary_layers_come_back_as_they_were(tmp_path: Path) -> None:
    network = random_network(np.random.default_rng(3), hidden=(7, 5), ending="class of scores")
    export_qonnx(network, tmp_path / "net.onnx")
    feature = InputScale(bits=network.encode.feature_bits)
    again = from_onnx(tmp_path / "net.onnx", feature, name=network.name).network
    assert [layer.type for layer in again.layers] == [layer.type for layer in network.layers]
    for one, other in zip(network.layers, again.layers, strict=True):
        for name, tensor in one.tensors.items():
            assert tensor.tolist() == other.tensors[name].tolist(), (one.name, name)


def test_what_has_no_form_is_named(tmp_path: Path) -> None:
    with pytest.raises(BadInputError, match=r"a Steps has no form in QONNX; layer .* Spiking"):
        export_qonnx(random_spiking_network(np.random.default_rng(0)), tmp_path / "net.onnx")
    seeds = (random_image_network(np.random.default_rng(seed)) for seed in range(40))
    tables = next(n for n in seeds if any(isinstance(x, LookupConv2d) for x in n.layers))
    with pytest.raises(BadInputError, match="a LookupConv2d has no form in QONNX"):
        export_qonnx(tables, tmp_path / "net.onnx")
    assert not (tmp_path / "net.onnx").exists()
