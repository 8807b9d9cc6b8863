"""One network gives the same Verilog in every process, folder and order of Python's sets."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

HELPERS = Path(__file__).parents[1] / "helpers"

# Prints digests of all that hardware generation gives for networks of every kind.
GENERATE = """
import sys
sys.path.insert(0, sys.argv[1])
from pathlib import Path
import numpy as np
import networks
from chains import random_chain
from htaflow.flows.boards.board import load_board
from htaflow.flows.build.design import board_design
from htaflow.flows.convert import convert
from htaflow.hw.logic.target import find_target
from htaflow.hw.verilog import generate
from htaflow.model.support.files import digest
from htaflow.model.integer.file import save_network

made = [
    networks.random_network(np.random.default_rng(1), hidden=(30, 20), fan_in=5, classes=3),
    networks.random_network(np.random.default_rng(2), hidden=(12,), fan_in=9, weight_bits=4),
    networks.random_image_network(np.random.default_rng(3)),
    networks.random_spiking_network(np.random.default_rng(4)),
    random_chain(np.random.default_rng(5))[0],
]
for number, network in enumerate(made):
    for target in ("portable", "ice40", "ecp5")[:: 1 if number == 0 else 3]:
        design = generate(network, target=find_target(target), depth=None if number else 3)
        print(number, target, digest(design.text, repr(design.interface)))
save_network(made[0], Path("run/network.safetensors"))
print(digest(Path("run/network.safetensors").read_bytes()))
convert(Path("run"))
print(digest(Path("run/rtl/top.v").read_bytes()), Path("run/rtl/top.json").read_text())
for board, clock in (("icebreaker", None), ("ulx3s-25f", 60)):
    print(digest(board_design(made[0], load_board(board).with_clock(clock), None, None)[0]))
"""


def generated(folder: Path, seed: str, zone: str) -> str:
    folder.mkdir()
    done = subprocess.run(
        [sys.executable, "-c", GENERATE, HELPERS],
        cwd=folder,
        env={**os.environ, "PYTHONHASHSEED": seed, "TZ": zone},
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.parametrize(
    "seeds", [("0", "1"), pytest.param(("2", "random", "random"), marks=pytest.mark.slow)]
)
def test_the_same_network_gives_the_same_verilog_in_another_process_and_folder(
    tmp_path: Path, seeds: tuple[str, ...]
) -> None:
    """Between the two time zones it is never the same day."""
    first = generated(tmp_path / "one", "0", "Etc/GMT+12")
    for number, seed in enumerate(seeds[1:]):
        assert generated(tmp_path / f"a folder {number}", seed, "Etc/GMT-14") == first
