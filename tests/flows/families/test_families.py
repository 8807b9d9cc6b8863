"""Every family answers every question; a bitstream's families answer those of bitstreams too."""

import argparse
import pkgutil
import re

import pytest

from htaflow.flows import families
from htaflow.flows.boards.board import known_boards, load_board
from htaflow.flows.cli.options import add_simulated
from htaflow.flows.families import BUILT, DEFAULT, FAMILIES, find_family, place_and_route
from htaflow.flows.recovery.bitstream import reading_versions, recover
from htaflow.flows.recovery.netlist_cells import ADD_CELL
from htaflow.flows.recovery.readers import READERS
from htaflow.flows.tools.cell_models import cell_models
from htaflow.flows.tools.tools import SPECS
from htaflow.hw.logic.target import TARGETS, find_target
from htaflow.model.support.errors import BadInputError


def test_a_family_is_a_file():
    files = {module.name for module in pkgutil.iter_modules(families.__path__)} - {"family"}
    assert files == set(FAMILIES)
    assert all(name == family.name for name, family in FAMILIES.items())


@pytest.mark.parametrize("name", FAMILIES)
def test_every_family_has_synthesis_and_cells(name):
    family = FAMILIES[name]
    assert family.synthesis.startswith("synth_")
    assert family.title.startswith(("a ", "an "))
    assert f"module {family.carry}" in cell_models(name)
    assert name in ADD_CELL


@pytest.mark.parametrize("name", BUILT)
def test_every_family_with_bitstreams_has_all_that_they_take(name):
    built = place_and_route(name)
    assert find_target(name).cell
    assert built.tool in SPECS
    assert built.packer in SPECS
    assert {"BRAM", "IO"} < set(built.cells)
    assert built.logic_cells
    assert {built.routed, built.bitstream} <= set(built.packing)
    for pattern in (built.routed_ending, built.bitstream_ending, built.global_clock):
        re.compile(pattern)
    boards = [board for board in map(load_board, known_boards()) if board.family == name]
    assert boards
    for board in boards:
        assert board.device in built.logic_cells
        assert all(f"{pin.at}" in board.constraints for pin in board.pins.values())
        assert reading_versions(board)
    assert set(READERS[name].tools) <= set(SPECS)


@pytest.mark.parametrize("name", [name for name in FAMILIES if name in TARGETS])
def test_the_cells_that_a_proof_reads_are_those_that_logic_is_stated_in(name):
    target, lookups = TARGETS[name], FAMILIES[name].lookups
    assert lookups == {
        target.cell.format(n=size): (target.parameter, target.pins[:size], target.output)
        for size in target.sizes
    }


def test_the_command_line_knows_every_family():
    parser = argparse.ArgumentParser()
    add_simulated(parser)
    (option,) = [action for action in parser._actions if action.dest == "family"]
    assert set(option.choices) == set(FAMILIES)
    assert DEFAULT in FAMILIES


def test_a_bitstream_that_nothing_reads_is_refused(tmp_path, monkeypatch):
    monkeypatch.delitem(READERS, "ice40")
    board = next(board for board in map(load_board, known_boards()) if board.family == "ice40")
    with pytest.raises(BadInputError, match=r"the bitstream of an iCE40 cannot be read yet"):
        recover(tmp_path / "top.bin", board, tmp_path)


def test_an_unknown_family_is_named_with_the_nearest():
    with pytest.raises(BadInputError, match=r"there is no family 'ecp6'.*ecp5"):
        find_family("ecp6")
