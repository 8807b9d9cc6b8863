"""A netlist or a bitstream that is not what it was made from is traced to a layer and a neuron."""

import json
import re
import shutil
from pathlib import Path

import numpy as np
import pytest
from networks import random_network

from htaflow.flows.bisect import bisect
from htaflow.flows.boards.board import load_board
from htaflow.flows.build.build import build
from htaflow.flows.cli.main import main
from htaflow.flows.convert import convert
from htaflow.flows.fault_location import SuspectNeuron, _owners, blame_bitstream, blame_netlist
from htaflow.flows.proof.gates import GateError
from htaflow.flows.recovery.levelized_verilog import to_ordered_verilog
from htaflow.flows.recovery.netlist_cells import netlist_of, read_module
from htaflow.flows.verify import verify
from htaflow.model.integer.file import save_network
from htaflow.model.support.errors import BadInputError

FLIP_FLOP = r"\.D\(([^)]*)\),\s*\.E[^;]*\.Q\(\\core\.layers\.hidden1__output__payload \[(\d+)\]"
"""What a flip-flop of layer hidden1 takes, and of which neuron it is, in a netlist."""

TABLE = r"\.LUT_INIT\(16'h([0-9a-f]+)\)[^;]*\.O\(DATA\)"
"""The look-up table that makes it."""


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a run with a netlist for the iCE40, and a bitstream."""
    run = tmp_path_factory.mktemp("blame") / "run"
    network = random_network(np.random.default_rng(5), hidden=(8, 6), ending="class of votes")
    save_network(network, run / "network.safetensors")
    convert(run)
    build(run, "icebreaker")
    verify(run, level="netlist", family="ice40", frames=40)
    return run


@pytest.fixture
def run(built: Path, tmp_path: Path) -> Path:
    """Return a copy of the run, to be spoilt."""
    return Path(shutil.copytree(built, tmp_path / "run"))


def spoil(netlist: Path) -> SuspectNeuron:
    """Invert the look-up table of a neuron, which is returned."""
    text = netlist.read_text()
    for flip_flop in re.finditer(FLIP_FLOP, text):
        table = re.search(TABLE.replace("DATA", re.escape(flip_flop[1])), text)
        if table is not None:
            break
    assert table is not None
    wrong = f"{int(table[1], 16) ^ 0xFFFF:04x}"
    netlist.write_text(text[: table.start(1)] + wrong + text[table.end(1) :])
    return SuspectNeuron("hidden1", "neuron", int(flip_flop[2]))


def test_the_neuron_that_a_netlist_has_otherwise_is_named(built: Path) -> None:
    verilog = (built / "rtl" / "top.v").read_text()
    netlist = (built / "verify" / "netlist-ice40" / "netlist.v").read_text()
    interface = json.loads((built / "rtl" / "top.json").read_text())
    assert blame_netlist(verilog, netlist, "ice40", interface) is None
    wrong = re.sub(r"wire hidden1_n5 = ([^;]*);", r"wire hidden1_n5 = ~(\1);", verilog)
    assert wrong != verilog
    assert blame_netlist(wrong, netlist, "ice40", interface) == SuspectNeuron(
        "hidden1", "neuron", 5
    )
    with pytest.raises(GateError, match="cells of gowin"):
        blame_netlist(verilog, netlist, "gowin", interface)


def test_what_a_bitstream_has_otherwise_is_named(run: Path) -> None:
    folder = run / "boards" / "icebreaker"
    board = load_board("icebreaker")
    interface = json.loads((folder / "top.json").read_text())
    bitstream, netlist = folder / "top.bin", folder / "netlist.v"
    assert blame_bitstream(bitstream, netlist, board, interface, run) is None
    neuron = spoil(netlist)
    assert blame_bitstream(bitstream, netlist, board, interface, run) == neuron
    assert not list(run.glob(".blame*"))


def test_bisect_goes_on_to_the_netlist(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    level = ["--level", "netlist", "--family", "ice40", "--frames", "40"]
    assert main(["bisect", str(run), *level]) == 0
    assert "golden and netlist-ice40: no difference in 40 frames" in capsys.readouterr().out
    folder = run / "verify" / "netlist-ice40"
    neuron = spoil(folder / "netlist.v")
    cells = netlist_of(read_module(folder / "netlist.v", folder, "top")).simplified()
    (folder / "ordered.v").write_text(to_ordered_verilog(cells, "top"))
    assert main(["bisect", str(run), *level]) == 1
    shown = capsys.readouterr().out
    assert "golden and rtl: no difference" in shown
    assert "golden and netlist-ice40: they part: full_rate: frame" in shown
    assert f"not what it was made from: {neuron}" in shown
    parting = bisect(run, level="netlist", family="ice40", frames=40)["parting"]
    assert parting["cycle"] is not None
    assert (folder / "mismatch.vcd").stat().st_size > 0


def test_a_bit_of_a_register_is_a_neuron_a_channel_or_a_score() -> None:
    stages = [
        {"name": "conv", "probe": "a", "count": 2 * 9, "width": 1},  # nine pixels, one at a time
        {"name": "vote", "probe": "b", "count": 3, "width": 2},
        {"name": "argmax", "probe": "c", "count": 1, "width": 2},
    ]
    signals = {"a": [10, 11], "b": list(range(20, 26)), "c": list(range(30, 38))}
    owners = _owners({"stages": stages}, signals)
    assert str(owners[11]) == "layer conv, channel 1"
    assert str(owners[23]) == "layer vote, neuron 1"
    assert str(owners[31]) == "layer argmax, neuron 0"
    assert str(owners[37]) == "layer argmax, score 2"


def test_bisect_wants_its_builds_before_it_begins(run: Path) -> None:
    shutil.rmtree(run / "boards")
    shutil.rmtree(run / "verify")
    with pytest.raises(BadInputError, match="no board was built"):
        bisect(run, level="all")
    assert not (run / "verify").exists()


def test_a_difference_is_told_even_if_no_neuron_can_be_named(run: Path) -> None:
    folder = run / "verify" / "netlist-ice40"
    spoil(folder / "netlist.v")
    cells = netlist_of(read_module(folder / "netlist.v", folder, "top")).simplified()
    (folder / "ordered.v").write_text(to_ordered_verilog(cells, "top"))
    (folder / "netlist.v").unlink()
    said: list[str] = []
    found = bisect(run, level="netlist", family="ice40", frames=40, progress=said.append)
    assert found["parting"]["frame"] is not None
    assert found["parting"]["blamed"] is None
    assert any("no neuron can be named" in line for line in said)
