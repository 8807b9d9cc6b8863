from pathlib import Path

import numpy as np
import pytest
from network_files import small_network, write_raw

from htaflow.flows.check import check
from htaflow.model.integer.file import save_network


def test_a_valid_network_has_no_problems_as_file_and_as_run(tmp_path: Path) -> None:
    file = tmp_path / "network.safetensors"
    save_network(small_network(), file)
    assert check(file) == []
    assert check(tmp_path) == []


def test_every_problem_of_a_layer_is_found_at_once(tmp_path: Path) -> None:
    file = tmp_path / "bad.safetensors"
    write_raw(
        file,
        **{"1.weights": np.array([[200, -1, 0], [0, 0, 0]]), "1.thresholds": np.array([0, 99])},
    )
    found = [str(problem) for problem in check(file)]
    assert any("weight 200 at input 0 is not in -128..127" in problem for problem in found)
    assert any("neuron 1: fan-in 0" in problem for problem in found)
    assert any("neuron 1: threshold 99 is out of range" in problem for problem in found)
    assert all("layer 1 'hidden'" in problem for problem in found)


def test_a_damaged_file_is_one_problem(tmp_path: Path) -> None:
    file = tmp_path / "network.safetensors"
    save_network(small_network(), file)
    whole = file.read_bytes()
    for damaged in (b"", whole[:7], whole[:-1], b"\xff" * 64):
        file.write_bytes(damaged)
        assert len(check(file)) == 1


@pytest.mark.parametrize("name", ["absent.safetensors", "folder"])
def test_no_such_network(tmp_path: Path, name: str) -> None:
    (tmp_path / "folder").mkdir()
    (problem,) = check(tmp_path / name)
    assert problem.fix


def test_a_model_that_is_not_there_is_said(tmp_path: Path) -> None:
    (problem,) = check(tmp_path / "model.onnx")
    assert problem.what == "there is no such file"
