import json
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import save_file

from htaflow.model.integer.file import check_file, load_network, save_network
from htaflow.model.integer.network import ArgMax, Dense, Encode, GroupSum, Network
from htaflow.model.support.errors import BadInputError


@pytest.fixture
def network() -> Network:
    return Network(
        "net",
        (
            Encode("encode", 4, 4, False, np.arange(4), np.full(4, 8)),
            Dense("hidden", np.array([[1, 0, -1, 1], [0, 1, 0, 0]]), np.array([1, -1])),
            GroupSum("vote", 2),
            ArgMax("classify"),
        ),
    )


def test_a_network_comes_back_as_it_was(network: Network, tmp_path: Path) -> None:
    path = tmp_path / "network.safetensors"
    save_network(network, path)
    loaded = load_network(path)
    assert loaded.digest == network.digest
    assert [layer.name for layer in loaded.layers] == [layer.name for layer in network.layers]
    first = path.read_bytes()
    save_network(loaded, path)
    assert path.read_bytes() == first
    assert list(tmp_path.iterdir()) == [path]


def test_every_truncation_is_refused(network: Network, tmp_path: Path) -> None:
    path = tmp_path / "network.safetensors"
    save_network(network, path)
    whole = path.read_bytes()
    for length in range(0, len(whole), 7):
        path.write_bytes(whole[:length])
        with pytest.raises(BadInputError, match=r"network\.safetensors"):
            load_network(path)


def test_flipped_bytes_never_raise_anything_but_bad_input(network: Network, tmp_path: Path) -> None:
    path = tmp_path / "network.safetensors"
    save_network(network, path)
    whole = path.read_bytes()
    rng = np.random.default_rng(0)
    for _ in range(300):
        broken = bytearray(whole)
        broken[rng.integers(len(whole))] ^= 1 << rng.integers(8)
        path.write_bytes(broken)
        if not check_file(path):
            load_network(path)


def header(**changes: object) -> dict[str, str]:
    value = {
        "format": 1,
        "name": "net",
        "layers": [
            {"type": "Encode", "name": "e", "features": 2, "feature_bits": 4, "signed": False},
            {"type": "Dense", "name": "d", "inputs": "bipolar"},
        ],
    } | changes
    return {"htaflow": json.dumps(value)}


TENSORS = {
    "0.source": np.arange(2),
    "0.threshold": np.array([8, 8]),
    "1.weights": np.array([[1, -1]]),
    "1.thresholds": np.array([0]),
}


def test_the_file_described_in_the_documentation_loads(tmp_path: Path) -> None:
    path = tmp_path / "n.safetensors"
    save_file(TENSORS, path, metadata=header())
    assert load_network(path).name == "net"


@pytest.mark.parametrize(
    ("tensors", "metadata", "message"),
    [
        ({}, None, "no 'htaflow' entry"),
        ({}, {"htaflow": "{"}, "is no JSON"),
        ({}, {"htaflow": "[" * 100_000}, "is no JSON"),
        ({}, header(format=3), "its format is neither 1 nor 2"),
        ({}, header(layers=3), "lacks 'name' or 'layers'"),
        ({}, header(layers=[3]), "layer 0: its header entry has no type"),
        ({}, header(layers=[{"type": "Dence"}]), "unknown type 'Dence'; did you mean 'Dense'?"),
        ({}, {}, "no 'htaflow' entry"),
        ({"2.x": np.zeros(1, int)}, None, "'2.x' belongs to no layer"),
        ({"1.bias": np.zeros(1, int)}, None, "unknown field 'bias' of Dense"),
        ({"1.weights": np.array([[0.5, 1]])}, None, "'weights' of Dense has the wrong type"),
        ({"1.weights": np.array([[700, 1]])}, None, "weight 700 at input 0 is not in -128"),
        ({"1.thresholds": np.array([99])}, None, "threshold 99 is out of range"),
        ({"1.weights": np.array([[0, 0]])}, None, "fan-in 0"),
        ({"0.source": np.array([[0, 1]])}, None, "two lists of the same length"),
    ],
)
def test_bad_content_is_named(
    tensors: dict[str, np.ndarray],
    metadata: dict[str, str] | None,
    message: str,
    tmp_path: Path,
) -> None:
    path = tmp_path / "n.safetensors"
    if tensors:
        save_file(TENSORS | tensors, path, metadata=header())
    else:
        save_file({"x": np.zeros(1)}, path, metadata=metadata)
    (problem, *_) = check_file(path)
    assert message in str(problem)
    with pytest.raises(BadInputError):
        load_network(path)


def test_a_missing_tensor_is_named(tmp_path: Path) -> None:
    path = tmp_path / "n.safetensors"
    tensors = {key: value for key, value in TENSORS.items() if key != "1.weights"}
    save_file(tensors, path, metadata=header())
    with pytest.raises(BadInputError, match="Dense lacks its field 'weights'"):
        load_network(path)


@pytest.mark.parametrize(("make", "message"), [(False, "no such file"), (True, "is a folder")])
def test_what_is_no_file_is_refused(make: bool, message: str, tmp_path: Path) -> None:
    path = tmp_path / "thing"
    if make:
        path.mkdir()
    with pytest.raises(BadInputError, match=message):
        load_network(path)
