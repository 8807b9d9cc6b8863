"""A netlist or a bitstream that is not what it was made from is traced to a layer and a neuron."""

import json
import re
import shutil
from pathlib import Path

import numpy as np
import pytest
from networks import random_network

from htaflow.flows.bisect import bisect
from htaflow.flows.blame import Neuron, blame_bitstream, blame_netlist
from htaflow.flows.board import load_board
from htaflow.flows.build import build
from htaflow.flows.cli import main
from htaflow.flows.convert import convert
from htaflow.flows.levels import verify
from htaflow.flows.proof.gates import GateError
from htaflow.flows.recovery.netlist_cells import netlist_of, read_design
from htaflow.flows.recovery.ordered import to_ordered_verilog
from htaflow.model.netfile import save_network

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


def spoil(netlist: Path) -> Neuron:
    """Invert the look-up table of a neuron, which is returned."""
    text = netlist.read_text()
    for flip_flop in re.finditer(FLIP_FLOP, text):
        table = re.search(TABLE.replace("DATA", re.escape(flip_flop[1])), text)
        if table is not None:
            break
    assert table is not None
    wrong = f"{int(table[1], 16) ^ 0xFFFF:04x}"
    netlist.write_text(text[: table.start(1)] + wrong + text[table.end(1) :])
    return Neuron("hidden1", int(flip_flop[2]))


def test_the_neuron_that_a_netlist_has_otherwise_is_named(built: Path) -> None:
    verilog = (built / "rtl" / "top.v").read_text()
    netlist = (built / "verify" / "netlist-ice40" / "netlist.v").read_text()
    interface = json.loads((built / "rtl" / "top.json").read_text())
    assert blame_netlist(verilog, netlist, "ice40", interface) is None
    wrong = re.sub(r"wire hidden1_n5 = ([^;]*);", r"wire hidden1_n5 = ~(\1);", verilog)
    assert wrong != verilog
    assert blame_netlist(wrong, netlist, "ice40", interface) == Neuron("hidden1", 5)
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
    cells = netlist_of(read_design(folder / "netlist.v", folder), "top").simplified()
    (folder / "ordered.v").write_text(to_ordered_verilog(cells, "top"))
    assert main(["bisect", str(run), *level]) == 1
    shown = capsys.readouterr().out
    assert "golden and rtl: no difference" in shown
    assert "golden and netlist-ice40: they part: full_rate: frame" in shown
    assert f"what differs is layer hidden1, neuron {neuron.number}" in shown
    parting = bisect(run, level="netlist", family="ice40", frames=40)["parting"]
    assert parting["cycle"] is not None
    assert (folder / "mismatch.vcd").stat().st_size > 0
