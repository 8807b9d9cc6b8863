"""Network files."""

import functools
import re
import zlib
from pathlib import Path

import networks
import numpy as np

from fuzz.guard import bounded_memory
from fuzz.targets.target import MAX_MESSAGE, scratch, told
from htaflow.flows.report.svg import draw_network
from htaflow.hw.verilog import generate
from htaflow.model.integer import golden
from htaflow.model.integer.file import check_file, load_network, save_network
from htaflow.model.integer.network import (
    ArgMax,
    Concepts,
    Dense,
    Encode,
    GroupSum,
    Lookup,
    MaxPool2d,
    Network,
    Quantise,
    Unflatten,
)
from htaflow.model.integer.network import Flatten as FlattenLayer
from htaflow.model.support.errors import BadInputError


@functools.cache
def concept_network() -> Network:
    """A small network with concepts, of which everything about a run can be told."""
    rng = np.random.default_rng(5)
    names = ("round", "open", "tall", "has a bar", "dark", "slanted")
    return Network(
        "concepts",
        (
            networks.random_encode(rng, 4, 12, 3, False),
            networks.random_dense(rng, "hidden", 12, 6, fan_in=4),
            Concepts("named", names),
            networks.random_dense(rng, "head", 6, 3, fan_in=3, thresholds=False),
            ArgMax("argmax"),
        ),
    )


@functools.cache
def network_seeds() -> list[bytes]:
    rng = np.random.default_rng(1)
    found = [
        networks.random_network(rng, hidden=(6,), lookups=0.5),
        networks.random_network(rng, kept_bits=3, weight_bits=4, ending="class of scores"),
        networks.random_spiking_network(rng, hidden=(5, 4)),
        networks.random_image_network(rng, shape=(2, 4, 3), windows=2),
        concept_network(),
        Network("least", (Quantise("q", 2, 8, True, 3),)),
        Network(
            "pool",
            (
                Encode("encode", 2, 4, False, np.arange(8) % 2, np.arange(8)),
                Unflatten("image", (2, 2, 2)),
                MaxPool2d("pool", (2, 2), stride=(1, 1), padding=(1, 1)),
                FlattenLayer("flat"),
                Lookup(
                    "tables", np.array([[0, 3], [5, 9]]), np.array([[0, 1, 1, 0], [1, 0, 0, 1]])
                ),
                GroupSum("vote", 2),
            ),
        ),
        Network(
            "sums",
            (
                Quantise("q", 3, 4, False, 2),
                Dense("a", np.array([[3, 0, 1], [1, 1, 1]]), None, "unipolar"),
                Dense("b", np.array([[1, 2]]), np.array([7]), "unipolar"),
            ),
        ),
    ]
    return [_saved(network) for network in found]


def _saved(network: Network) -> bytes:
    with scratch() as folder:
        save_network(network, folder / "n")
        return (folder / "n").read_bytes()


def check_network(data: bytes, folder: Path) -> bool:
    """A network file: refused by ``check`` and by loading alike, or good for all that follows."""
    path = folder / "n.safetensors"
    path.write_bytes(data)
    with bounded_memory():
        problems = check_file(path)
        for problem in problems:
            assert len(str(problem)) <= MAX_MESSAGE, str(problem)[:200]
        try:
            network = load_network(path)
        except BadInputError as error:
            told(error)
            assert problems, "check finds nothing wrong with it"
            return False
        assert not problems, "check finds something wrong, loading does not"
        examine(network)
    if zlib.crc32(data) % 512 == 0:
        check_verilog(network)
    return True


def examine(network: Network) -> None:
    """Do with an accepted network what the verbs do, and check that the numbers are as stated."""
    copy = Network(network.name, network.layers)
    assert copy.digest == network.digest
    assert len(network.used_bits) <= network.values[network.encode.name].count * 16
    draw_network(network)
    size = max(values.count * (values.steps or 1) for values in network.values.values())
    if size * network.input.count > 1 << 22:
        return
    frames = networks.random_frames(network, np.random.default_rng(1), 3)
    traced = golden.trace(network, frames)
    for name, values in network.values.items():
        got = traced[name]
        lead = (3,) if values.steps is None else (3, values.steps)
        assert got.shape == (*lead, *values.shape), (name, got.shape, values)
        assert values.low <= int(got.min()) <= int(got.max()) <= values.high, (name, values)
    for name, got in golden.run(network, frames).items():
        assert np.array_equal(got, traced[network.output_layers[name]]), name


_WORD = re.compile(r"[A-Za-z_$][A-Za-z0-9_$]*")


def check_verilog(network: Network) -> None:
    """Generate a small network's Verilog, which must be clean text, or be refused."""
    wires = sum(
        int(np.count_nonzero(t)) for layer in network.layers for t in layer.tensors.values()
    )
    size = max(values.count * values.width for values in network.values.values())
    if wires > 5000 or size > 5000:
        return
    try:
        text = generate(network).text
    except BadInputError as error:
        told(error)
        return
    assert text.isascii()
    assert text.count("\nmodule top(") + text.startswith("module top(") == 1
