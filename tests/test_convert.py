from pathlib import Path

import numpy as np
import pytest

from htaflow.flows.convert import convert
from htaflow.flows.rundir import Run, read_result
from htaflow.model.errors import BadInputError
from htaflow.model.netfile import save_network
from htaflow.model.network import ArgMax, Dense, Encode, Network


def small_network(threshold: int = 8) -> Network:
    return Network(
        "small",
        (
            Encode("encode", 3, 4, False, np.arange(3), np.array([threshold, 4, 12])),
            Dense("scores", np.array([[1, -1, 0], [0, 1, 1]])),
            ArgMax("argmax"),
        ),
    )


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "small.safetensors"
    save_network(small_network(), path)
    return path


def test_a_file_becomes_a_run_with_the_network_in_it(tmp_path: Path, file: Path) -> None:
    run = Run(tmp_path / "run")
    interface = convert(file, run.path)
    assert run.network.read_bytes() == file.read_bytes()
    assert "module top(" in run.verilog.read_text()
    assert read_result(run.interface) == interface
    assert interface["digest"] == small_network().digest
    assert interface["beats"] == 1


def test_a_run_is_converted_in_place_with_the_bus_asked_for(tmp_path: Path) -> None:
    run = Run(tmp_path)
    save_network(small_network(), run.network)
    interface = convert(run.path, bus_bits=8)
    assert (interface["bus_bits"], interface["beats"]) == (8, 2)


def test_the_same_inputs_are_not_converted_again(tmp_path: Path, file: Path) -> None:
    run = Run(tmp_path / "run")
    said: list[str] = []
    first = convert(file, run.path)
    written = run.verilog.stat().st_mtime_ns
    assert convert(file, run.path, progress=said.append) == first
    assert said == ["convert: unchanged"]
    assert run.verilog.stat().st_mtime_ns == written


def test_another_bus_edited_verilog_or_a_lost_file_is_converted_again(
    tmp_path: Path, file: Path
) -> None:
    run = Run(tmp_path / "run")
    convert(file, run.path)
    text = run.verilog.read_text()
    run.verilog.write_text(text + "// edited\n")
    convert(file, run.path)
    assert run.verilog.read_text() == text
    run.network.unlink()
    convert(file, run.path)
    assert run.network.is_file()
    assert convert(file, run.path, bus_bits=8)["bus_bits"] == 8


def test_a_run_keeps_to_one_network(tmp_path: Path, file: Path) -> None:
    run = Run(tmp_path / "run")
    convert(file, run.path)
    before = run.network.read_bytes()
    save_network(small_network(threshold=9), file)
    with pytest.raises(BadInputError, match=r"holds a different network.*choose another --out"):
        convert(file, run.path)
    assert run.network.read_bytes() == before


def test_bad_input_leaves_nothing(tmp_path: Path, file: Path) -> None:
    out = tmp_path / "run"
    with pytest.raises(BadInputError, match="bus of 3 bits"):
        convert(file, out, bus_bits=3)
    with pytest.raises(BadInputError, match="--out"):
        convert(file)
    with pytest.raises(BadInputError, match="QONNX"):
        convert(tmp_path / "model.onnx", out)
    with pytest.raises(BadInputError, match="it is a file"):
        convert(file, file)
    file.write_bytes(file.read_bytes()[:-1])
    with pytest.raises(BadInputError, match="no whole safetensors file"):
        convert(file, out)
    assert not out.exists()
