# amaranth: UnusedElaboratable=no
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from networks import random_image_network, random_network, random_spiking_network

from htaflow.flows.convert import convert
from htaflow.hw.network import NetworkCore
from htaflow.model.integer import golden
from htaflow.model.integer.file import save_network
from htaflow.model.integer.network import ArgMax, Dense, Encode, Network
from htaflow.model.run_directory import Run, read_result
from htaflow.model.support.errors import BadInputError
from htaflow.model.support.results import Object


def scoring_network(threshold: int = 8) -> Network:
    return Network(
        "small",
        (
            Encode("encode", 3, 4, False, np.arange(3), np.array([threshold, 4, 12])),
            Dense("scores", np.array([[1, -1, 0], [0, 1, 1]])),
            ArgMax("argmax"),
        ),
    )


def wide_network() -> Network:
    return random_network(np.random.default_rng(1), features=200, feature_bits=8)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "small.safetensors"
    save_network(scoring_network(), path)
    return path


def test_a_file_becomes_a_run_with_the_network_in_it(tmp_path: Path, file: Path) -> None:
    run = Run(tmp_path / "run")
    interface = convert(file, run.path)
    assert run.network.read_bytes() == file.read_bytes()
    assert "module top(" in run.verilog.read_text()
    assert read_result(run.interface, Object) == interface
    assert interface["digest"] == scoring_network().digest
    assert interface["beats"] == 1


def test_a_run_is_converted_in_place_with_the_bus_asked_for(tmp_path: Path) -> None:
    run = Run(tmp_path)
    save_network(scoring_network(), run.network)
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


@pytest.mark.parametrize(
    ("folder", "again"), [("training", False), ("nn", False), ("integer", True)]
)
def test_only_code_that_decides_the_verilog_makes_it_anew(
    tmp_path: Path, file: Path, monkeypatch: pytest.MonkeyPatch, folder: str, again: bool
) -> None:
    convert(file, tmp_path / "run")
    edited, read = Path(golden.__file__).parents[2] / folder, Path.read_bytes

    def read_edited(path: Path) -> bytes:
        return read(path) + b"#" * path.is_relative_to(edited)

    monkeypatch.setattr(Path, "read_bytes", read_edited)
    said: list[str] = []
    convert(file, tmp_path / "run", progress=said.append)
    assert (said[0] != "convert: unchanged") == again


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


def test_a_bus_wider_than_common_ip_takes_is_told_with_one_to_use_and_its_cycles(
    tmp_path: Path,
) -> None:
    run = Run(tmp_path)
    save_network(wide_network(), run.network)
    said: list[str] = []
    wide = convert(run.path, progress=said.append)
    assert wide["bus_bits"] == 1600
    told = said[-1]
    assert "s_axis_tdata has 1600 bits" in told and "--bus 512 " in told
    header = " ".join(run.verilog.read_text()[:4000].replace("\n//", "").split())
    assert told.removeprefix("convert: ") in header
    assert "Not a power of two" not in header
    convert(run.path, progress=said.append)
    assert said[-2:] == ["convert: unchanged", told]

    said.clear()
    narrow = convert(run.path, bus_bits=512, progress=said.append)
    facts = {name: narrow[name] for name in wide["narrower_bus"]}
    assert facts == wide["narrower_bus"]
    assert facts["beats"] == facts["interval_cycles"] == 4
    for name, unit in (("beats", "beats"), ("latency_cycles", "cycles instead of")):
        assert f"{facts[name]} {unit}" in told
    assert narrow["narrower_bus"] is None
    assert not any("tdata" in line for line in said)
    assert "DMA" not in run.verilog.read_text()[:4000].split("m_axis_tdata, numbers")[0]


def test_a_bus_that_was_chosen_is_nobodys_business(tmp_path: Path) -> None:
    run = Run(tmp_path)
    save_network(wide_network(), run.network)
    said: list[str] = []
    convert(run.path, bus_bits=1024, progress=said.append)
    assert not any("tdata" in line for line in said)


def test_a_width_that_is_no_power_of_two_is_told_in_the_header_alone(tmp_path: Path) -> None:
    run = Run(tmp_path)
    save_network(random_network(np.random.default_rng(1), features=6, feature_bits=4), run.network)
    said: list[str] = []
    convert(run.path, progress=said.append)
    header = run.verilog.read_text()[:4000]
    assert (
        "// Not a power of two bytes wide, as DMA engines want it: s_axis_tdata (3 bytes)" in header
    )
    assert not any("power of two" in line for line in said)


def test_a_result_wider_than_common_ip_takes_is_told(tmp_path: Path) -> None:
    run = Run(tmp_path)
    network = random_network(np.random.default_rng(1), ending="bits", hidden=(8, 600))
    save_network(network, run.network)
    said: list[str] = []
    convert(run.path, progress=said.append)
    assert "m_axis_tdata has 600 bits, and much AXI4-Stream IP ends at 512" in said[-1]


@pytest.mark.parametrize("bus_bits", [8, 16])
@pytest.mark.parametrize("make", [random_network, random_image_network, random_spiking_network])
def test_the_cycles_on_another_bus_are_those_of_the_core_with_it(
    make: Callable[..., Network], bus_bits: int
) -> None:
    for seed in range(4):
        network = make(np.random.default_rng(seed))
        if network.input.count * network.input.width <= bus_bits:
            continue
        other = NetworkCore(network, bus_bits)
        beats, cycles = NetworkCore(network).cycles_on(bus_bits)
        assert beats == other.input_layout.beats
        assert (cycles.latency, cycles.interval) == (other.latency, other.interval)


def test_a_run_keeps_to_one_network(tmp_path: Path, file: Path) -> None:
    run = Run(tmp_path / "run")
    convert(file, run.path)
    before = run.network.read_bytes()
    save_network(scoring_network(threshold=9), file)
    with pytest.raises(BadInputError, match=r"holds a different network.*choose another --out"):
        convert(file, run.path)
    assert run.network.read_bytes() == before


def test_bad_input_leaves_nothing(tmp_path: Path, file: Path) -> None:
    out = tmp_path / "run"
    with pytest.raises(BadInputError, match="bus of 3 bits"):
        convert(file, out, bus_bits=3)
    with pytest.raises(BadInputError, match="--out"):
        convert(file)
    with pytest.raises(BadInputError, match="there is no such file"):
        convert(tmp_path / "model.onnx", out)
    with pytest.raises(BadInputError, match="it is a file"):
        convert(file, file)
    file.write_bytes(file.read_bytes()[:-1])
    with pytest.raises(BadInputError, match="not a valid safetensors file"):
        convert(file, out)
    assert not out.exists()
