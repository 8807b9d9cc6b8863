"""Every family answers every question; a bitstream's families answer those of bitstreams too."""

import pkgutil
import re

import pytest

from htaflow.flows import families
from htaflow.flows.boards.board import known_boards, load_board
from htaflow.flows.families import BUILT, FAMILIES, find_family, place_and_route
from htaflow.flows.recovery.bitstream import reading_versions
from htaflow.flows.tools.cell_models import cell_models
from htaflow.flows.tools.tools import SPECS
from htaflow.hw.logic.target import find_target
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


def test_an_unknown_family_is_named_with_the_nearest():
    with pytest.raises(BadInputError, match=r"there is no family 'ecp6'.*ecp5"):
        find_family("ecp6")
