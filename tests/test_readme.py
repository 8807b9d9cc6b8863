"""The README's Python runs as it stands there."""

import re
from pathlib import Path

import numpy as np
import pytest
from conftest import write_run
from networks import random_frames, random_network

from htaflow.flows.convert import convert
from htaflow.model.integer import golden
from htaflow.model.integer.file import load_network
from htaflow.sim.verify import verify_rtl

README = Path(__file__).parent.parent / "README.md"
BLOCKS = re.findall(r"^```python\n(.*?)^```$", README.read_text("utf-8"), re.DOTALL | re.MULTILINE)


def execute(word):
    """Run the only block with ``word`` in it, in the working folder."""
    (block,) = [block for block in BLOCKS if word in block]
    exec(compile(block, str(README), "exec"), {"__name__": "__main__"})


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


def test_every_block_is_python():
    assert len(BLOCKS) == 5
    for block in BLOCKS:
        compile(block, str(README), "exec")


def test_a_snntorch_stack_becomes_hardware():
    execute("from_snntorch")
    run = Path("runs/imported")
    network = load_network(run / "network.safetensors")
    assert network.values["steps"].steps == 8
    given = random_frames(network, np.random.default_rng(1), 20)
    assert golden.run(network, given)["scores"].any(axis=0).all()
    convert(run)
    result = verify_rtl(run, frames=20)
    assert (result["mismatches"], result["problems"]) == (0, [])


def test_a_model_of_ones_own_becomes_hardware(capsys):
    execute("BinaryConv2d")
    assert float(capsys.readouterr().out.split()[-2]) > 75
    run = Path("runs/mine")
    convert(run)
    result = verify_rtl(run, frames=10)
    assert (result["mismatches"], result["problems"]) == (0, [])


@pytest.mark.slow
def test_a_recipe_of_ones_own_is_trained():
    execute("HeavisideNeurons")
    network = load_network(Path("runs/deeper/network.safetensors"))
    assert network.name == "deeper"
    assert [len(layer.weights) for layer in network.layers[1:-2]] == [60] * 5


def test_the_integer_network_alone_gives_a_class(capsys):
    rng = np.random.default_rng(1)
    network = random_network(rng, features=64, ending="class of scores")
    write_run(Path("runs/digits"), network, None, None)
    execute("golden.run")
    expected = golden.run(network, np.zeros((1, 64), int))["class"]
    assert capsys.readouterr().out == f"{expected}\n"


@pytest.mark.slow
def test_each_verb_is_a_function(capsys):
    execute("flows.build")
    fmax, mismatches, closed, page = capsys.readouterr().out.splitlines()[-4:]
    assert float(fmax) > 12
    assert set(mismatches) <= set("[0, ]")
    assert closed == "True"
    assert Path(page).is_file()
