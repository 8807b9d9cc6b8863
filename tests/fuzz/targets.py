"""What is fuzzed: for each kind of input, valid examples, a mutation, and what must hold.

``check`` raises if htaflow does anything but accept the input or refuse it with an error for users;
it returns whether the input was accepted. What was accepted must then be good for everything that
follows.
"""

import contextlib
import functools
import gzip
import io
import json
import random
import re
import tempfile
import tomllib
import zipfile
import zlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import Any

import networks
import numpy as np
import numpy.typing as npt
import torch
from PIL import Image

from fuzz import mutate
from fuzz.guard import MEMORY, bounded_memory, tree
from htaflow.flows.boards.board import parse_board
from htaflow.flows.cli import main as cli
from htaflow.flows.explain import hardware_digest
from htaflow.flows.report.svg import draw_network
from htaflow.hw.board.packet import (
    MAX_PAYLOAD,
    PacketError,
    Status,
    encode,
    encode_reply,
    read_reply,
)
from htaflow.hw.verilog import generate
from htaflow.model.data.load import load
from htaflow.model.importers.snntorch import from_snntorch
from htaflow.model.integer import golden
from htaflow.model.integer.exemplars import find_exemplars, load_exemplars, save_exemplars
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
from htaflow.model.run_directory import Run
from htaflow.model.support.errors import BadInputError, HtaflowError
from htaflow.model.training.checkpoint import Progressed, load_checkpoint, save_checkpoint
from htaflow.sim.verify import read_interface

MAX_MESSAGE = 8000
"""Characters of an error, at most: it must fit a terminal, whatever the input says."""


@dataclass(frozen=True)
class Target:
    """One kind of input: ``seeds()`` are valid, ``check(data, folder)`` may write to ``folder``."""

    name: str
    seeds: Callable[[], list[bytes]]
    mutate: Callable[[bytes, random.Random, mutate.Raw], bytes]
    check: Callable[[bytes, Path], bool]


def _told(error: BaseException) -> None:
    """Check the words in which an input was refused."""
    assert isinstance(error, HtaflowError), repr(error)
    text = str(error)
    assert 0 < len(text) <= MAX_MESSAGE, f"{len(text)} characters: {text[:200]}"
    text.encode("utf-8", "backslashreplace")


# --- The network file -----------------------------------------------------------------------------


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
def _network_seeds() -> list[bytes]:
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
    with _scratch() as folder:
        save_network(network, folder / "n")
        return (folder / "n").read_bytes()


@contextlib.contextmanager
def _scratch() -> Any:
    with tempfile.TemporaryDirectory(prefix="htaflow-fuzz-") as name:
        yield Path(name)


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
            _told(error)
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
        _told(error)
        return
    assert text.isascii()
    assert text.count("\nmodule top(") + text.startswith("module top(") == 1


# --- Data -----------------------------------------------------------------------------------------


def _npz(**arrays: npt.NDArray[Any]) -> bytes:
    buffer = io.BytesIO()
    np.savez(buffer, allow_pickle=False, **arrays)
    return buffer.getvalue()


@functools.cache
def _npz_seeds() -> list[bytes]:
    rng = np.random.default_rng(1)
    x, y = rng.integers(0, 8, (8, 4)), np.arange(8) % 3
    network = concept_network()
    with _scratch() as folder:
        save_exemplars(find_exemplars(network, x), network, folder / "e")
        exemplars = (folder / "e").read_bytes()
    text = np.array(["ant", "bee"])[y % 2]
    return [
        _npz(x=x, y=y),
        _npz(x=x.astype(np.float32), y=text),
        _npz(x_train=x, y_train=y, x_test=x[:3].astype(np.uint8), y_test=y[:3]),
        _npz(x=x.reshape(8, 2, 2).astype(np.int8), y=y.astype(np.uint8)),
        exemplars,
    ]


def check_npz(data: bytes, folder: Path) -> bool:
    """An ``.npz`` file: as a user's data, as a test set, and as exemplars."""
    run = Run(folder)
    network = concept_network()
    (folder / "data.npz").write_bytes(data)
    run.test.write_bytes(data)
    accepted = check_data(folder / "data.npz")
    with bounded_memory():
        try:
            test = run.load_test(network)
        except BadInputError as error:
            _told(error)
        else:
            assert test is not None
            with _refusals():
                golden.run(network, test[0])
                accepted = True
        try:
            exemplars = load_exemplars(run.test, network)
        except BadInputError as error:
            _told(error)
        else:
            if exemplars is not None:
                assert exemplars.frames[exemplars.most].shape[2] == network.input.count
                accepted = True
    return accepted


@contextlib.contextmanager
def _refusals() -> Any:
    """Let a refusal pass, after a look at its words."""
    try:
        yield
    except HtaflowError as error:
        _told(error)


def check_data(path: Path) -> bool:
    """Data for training: a dataset whose facts are true, or a refusal."""
    with bounded_memory():
        try:
            data = load(path)
        except BadInputError as error:
            _told(error)
            return False
        low = -(1 << (data.feature_bits - 1)) if data.signed else 0
        high = (1 << (data.feature_bits - data.signed)) - 1
        for x, y in ((data.x_train, data.y_train), (data.x_test, data.y_test)):
            assert x.shape == (len(y), data.features)
            assert low <= int(x.min()) <= int(x.max()) <= high
            assert 0 <= int(y.min()) <= int(y.max()) < len(data.classes)
        json.dumps(list(data.classes))
        assert len(set(data.classes)) == len(data.classes)
    return True


def _csv_seeds() -> list[bytes]:
    rows = [f"{i % 3},{i},{-i * 100}" for i in range(9)]
    return [
        ("label,a,b\n" + "\n".join(rows) + "\n").encode(),
        b'x1;y,"la bel",label\n' + b"".join(b"%d.0,3e1,cat%d\r\n" % (i, i % 2) for i in range(8)),
        b"\xef\xbb\xbflabel,p\n"
        + b"\n".join(b"%s,1" % (b"ab"[i % 2 : i % 2 + 1]) for i in range(9)),
    ]


def check_csv(data: bytes, folder: Path) -> bool:
    """A table."""
    (folder / "data.csv").write_bytes(data)
    return check_data(folder / "data.csv")


def idx(array: npt.NDArray[Any]) -> bytes:
    """Return an array of bytes as an IDX file."""
    header = bytes([0, 0, 8, array.ndim]) + b"".join(n.to_bytes(4, "big") for n in array.shape)
    return header + array.astype(np.uint8).tobytes()


def _idx_seeds() -> list[bytes]:
    images, labels = idx(np.arange(72).reshape(12, 3, 2)), idx(np.arange(12) % 3)
    return [images, labels, gzip.compress(images), gzip.compress(labels)]


def _mutate_idx(data: bytes, rng: random.Random, raw: mutate.Raw) -> bytes:
    packed = data[:2] == b"\x1f\x8b"
    if packed and rng.random() < 0.7:
        try:
            data = zlib.decompressobj(31).decompress(data, mutate.MAX_BYTES)
        except zlib.error:
            return raw(data)
        packed = False
    if not packed and len(data) > 8 and rng.random() < 0.5:
        at = 4 * rng.randrange(1, 4)
        number = rng.choice((0, 1, 2, 3, 12, 0xFFFF, 1 << 28, 1 << 31, (1 << 32) - 1))
        data = data[:at] + number.to_bytes(4, "big") + data[at + 4 :]
    elif rng.random() < 0.3:
        data += bytes(rng.choice((1, 1 << 12)))
    else:
        data = raw(data)
    return gzip.compress(data, 1) if rng.random() < 0.5 else data


def check_idx(data: bytes, folder: Path) -> bool:
    """An IDX file, in the place of the images and of the labels of a folder of four."""
    images, labels = idx(np.arange(72).reshape(12, 3, 2)), idx(np.arange(12) % 3)
    accepted = False
    for bad in ("images-idx3", "labels-idx1"):
        for part in ("train", "t10k"):
            for name, content in (("images-idx3", images), ("labels-idx1", labels)):
                wrong = part == "train" and name == bad
                (folder / f"{part}-{name}-ubyte").write_bytes(data if wrong else content)
        accepted |= check_data(folder)
    return accepted


@functools.cache
def _image_seeds() -> list[bytes]:
    """Class folders of small images of each kind that is read."""
    rng = np.random.default_rng(1)
    pixels = [rng.integers(0, 256, (5, 4, 3)).astype(np.uint8) for _ in range(3)]
    colour = [Image.fromarray(each) for each in pixels]
    kinds = {
        "grey": [image.convert("L") for image in colour],
        "colour": colour,
        "palette": [image.quantize(8) for image in colour],
        "opaque": [image.convert("RGBA") for image in colour],
        "bits": [image.convert("1") for image in colour],
    }
    forms = dict.fromkeys(kinds, ("png", "PNG")) | {"photo": ("jpg", "JPEG")}
    kinds["photo"] = colour
    found = []
    for name, images in kinds.items():
        suffix, form = forms[name]
        buffer = io.BytesIO()
        with zipfile.ZipFile(buffer, "w") as archive:
            for number, image in enumerate([*images, *images]):
                content = io.BytesIO()
                image.save(content, form)
                member = zipfile.ZipInfo(f"{'ab'[number % 2]}/{number}.{suffix}")
                archive.writestr(member, content.getvalue())
        found.append(buffer.getvalue())
    return found


def check_images(data: bytes, folder: Path) -> bool:
    """A ``.zip`` file of class folders of images."""
    (folder / "data.zip").write_bytes(data)
    before = tree(folder)
    accepted = check_data(folder / "data.zip")
    assert tree(folder) == before, "it unpacked something"
    return accepted


# --- Boards ---------------------------------------------------------------------------------------


def _board_seeds() -> list[bytes]:
    folder = resources.files("htaflow.flows.boards")
    names = ("icebreaker", "ulx3s-25f")
    return [folder.joinpath(f"{name}.toml").read_bytes() for name in names]


def _mutate_board(data: bytes, rng: random.Random, raw: mutate.Raw) -> bytes:
    try:
        table = tomllib.loads(data.decode())
    except (ValueError, RecursionError):
        return raw(data)
    if rng.random() < 0.2:
        return raw(data)
    changed = mutate.mutate_value(table, rng)
    if not isinstance(changed, dict):
        return raw(data)
    return mutate.to_toml(changed).encode("utf-8", "surrogatepass")


_CONSTRAINT = re.compile(
    r"set_io (-pullup yes )?[a-z][a-z0-9_]* [A-Z0-9]+|set_frequency clk [0-9.e+-]+|"
    r'LOCATE COMP "[a-z][a-z0-9_]*" SITE "[A-Z0-9]+";|FREQUENCY PORT "clk" [0-9.e+-]+ MHZ;|'
    r'IOBUF PORT "[a-z][a-z0-9_]*" PULLMODE=(UP|DOWN|NONE) IO_TYPE=[A-Za-z0-9][A-Za-z0-9_.-]*;'
)


def check_board(data: bytes, folder: Path) -> bool:
    """A board's description; what it says stands in files for tools."""
    with bounded_memory():
        try:
            board = parse_board(data.decode("utf-8", "replace"), "my.toml")
        except BadInputError as error:
            _told(error)
            return False
        for line in board.constraints.splitlines():
            assert _CONSTRAINT.fullmatch(line), line
        assert len(board.top_pins.constants) <= len(board.pins)
        assert board.title.isprintable(), board.title
        for word in (board.name, board.device, board.package):
            assert re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9_.-]*", word), word
        clocks = (80.0, 1e-9, 1e300) if zlib.crc32(data) % 64 == 0 else (None,)  # a long search
        for mhz in clocks:
            with _refusals():
                assert board.with_clock(mhz).clock_hz > 0
    return True


# --- What steps leave in a run directory ----------------------------------------------------------


@functools.cache
def _result_seeds() -> list[bytes]:
    """Everything that ``report`` reads as JSON, of one run, in one document."""
    network = concept_network()
    design = generate(network)
    frames = networks.random_frames(network, np.random.default_rng(2), 8)
    results = golden.run(network, frames)
    with _scratch() as folder:
        run = Run(folder)
        run.verilog.parent.mkdir()
        run.verilog.write_text("// its content does not matter here\n")
        hardware = hardware_digest(run)
    cycles = {"predicted": 5, "measured": 5, "wrong": 0}
    part = {"frames": 9, "mismatches": 0, "rule_violations": 0}
    epoch = {"epoch": 1, "loss": 2.0, "train_accuracy": 0.5, "test_accuracy": 0.4}
    documents: dict[str, Any] = {
        "train.json": {
            "model": "small",
            "data": "my data.csv",
            "data_options": {"label": "kind", "drop": ["id"], "scale": 3, "many_classes": True},
            "mode": "hard",
            "seed": 3,
            "epochs": 2,
            "network": network.digest,
            "accuracy": {"float": 0.99, "hard": 0.98, "golden": 0.98},
            "test_frames": 8,
            "classes": ["ant", "bee", "cat"],
            "history": [epoch, {**epoch, "epoch": 2, "loss": 1.0}],
            "seconds": 1.5,
            "versions": {"torch": "2.13.0"},
        },
        "features.json": {
            "network": network.digest,
            "features": 4,
            "names": ["wide", "tall", "", "old"],
            "image": {"channels": 1, "height": 2, "width": 2, "source": "nhwc"},
            "scale": {"bits": 3, "offset": [0.0, -1.5, 0.0, 1e3], "step": [1.0, 0.5, 2.0, 1.0]},
        },
        "rtl/top.json": {**design.interface, "depth": 3.5, "inputs": "x"},
        "verify/rtl.json": {
            "level": "rtl",
            "network": network.digest,
            "frames_from": "test set",
            "frames": 8,
            "mismatches": 0,
            "first_mismatch": None,
            "rule_violations": 0,
            "latency_cycles": cycles,
            "interval_cycles": cycles,
            "stalled": {**part, "seed": 0},
            "reset": part,
            "framing": part,
            "problems": [],
            "simulator": "Icarus Verilog version 11.0",
        },
        "boards/icebreaker/report.json": {
            "board": "icebreaker",
            "device": "up5k",
            "package": "sg48",
            "met": True,
            "network": network.digest,
            "oscillator_mhz": 12,
            "clock_mhz": 12.0,
            "fmax_mhz": 24.5,
            "carry": 51,
            **{kind: {"used": 16, "available": 5280} for kind in ("LUT", "FF", "BRAM", "IO")},
            "latency_cycles": 68,
            "interval_cycles": 64,
            "estimated_throughput_fps": 1162.3,
            "throughput_limit": "the line",
            "core_throughput_fps": 187500.0,
            "seed": 1,
            "bitstream": "top.bin",
            "sha256": "6c",
            "seconds": 14.4,
            "pipeline": ["hidden"],
            "depth": None,
            "versions": {"yosys": "0.70"},
            "fmax_by_seed": {"1": 24.5, "2": 20.0},
            "failed_seeds": {"3": "too slow"},
        },
        "explain/frame-2.json": {
            "frame": 2,
            "class": int(results["class"][2, 0]),
            "scores": results["scores"][2].tolist(),
            "concepts": results["concepts"][2].tolist(),
            "network": network.digest,
            "hardware": hardware,
        },
    }
    return [json.dumps(documents).encode()]


@functools.cache
def _run_files() -> dict[str, bytes]:
    """The other files of that run."""
    network = concept_network()
    frames = networks.random_frames(network, np.random.default_rng(2), 8)
    with _scratch() as folder:
        save_network(network, folder / "network.safetensors")
        np.savez(folder / "test.npz", x=frames, y=np.arange(8) % 3)
        save_exemplars(find_exemplars(network, frames), network, folder / "concepts.npz")
        found = {path.name: path.read_bytes() for path in folder.iterdir()}
    return {**found, "rtl/top.v": b"// its content does not matter here\n"}


def check_results(data: bytes, folder: Path) -> bool:
    """A run directory with results that a program or a person has altered: ``report`` says so."""
    try:
        documents = json.loads(data)
    except (ValueError, RecursionError):
        documents = dict.fromkeys(json.loads(_result_seeds()[0]))
        texts = dict.fromkeys(documents, data)
    else:
        if not isinstance(documents, dict):
            return False
        known = json.loads(_result_seeds()[0])
        with contextlib.suppress(RecursionError):
            texts = {
                name: json.dumps(documents[name]).encode() for name in known & documents.keys()
            }
    run = folder / "runs" / "r"
    for name, content in {**_run_files(), **texts}.items():
        path = run / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    before = tree(folder, run)
    code, told = call(["report", str(run)])
    assert tree(folder, run) == before, "it wrote outside the run"
    assert len(told) <= MAX_MESSAGE, told[:200]
    network = concept_network()
    with bounded_memory(), contextlib.suppress(BadInputError):
        read_interface(run, network)
    return code == 0


def call(arguments: list[str], memory: int = MEMORY) -> tuple[int, str]:
    """Run a verb within so much ``memory``; return its exit code and what it said on stderr.

    It must not raise, nor fail without a word.
    """
    out, err = io.StringIO(), io.StringIO()
    with bounded_memory(memory), contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        code = cli.main(arguments)
    assert code in (0, 1, 2), code
    assert code == 0 or (out.getvalue() + err.getvalue()).strip(), "it failed without a word"
    assert "Traceback" not in err.getvalue()
    return code, err.getvalue()


# --- Checkpoints and imports ----------------------------------------------------------------------


_CONFIGURATION = {"recipe": "r", "seed": 0, "epochs": 2, "sizes": [3, 2]}


@functools.cache
def _learner() -> tuple[Any, Any]:
    """A model with everything that a state can hold, and an optimiser that has made a step."""
    torch.manual_seed(0)
    model = torch.nn.Sequential(torch.nn.Linear(3, 2), torch.nn.BatchNorm1d(2))
    optimizer = torch.optim.Adam(model.parameters(), lr=0.01, fused=True)
    model(torch.randn(4, 3)).sum().backward()
    optimizer.step()
    return model, optimizer


@functools.cache
def _checkpoint_seeds() -> list[bytes]:
    epoch = {"epoch": 1, "loss": 2.0, "train_accuracy": 0.5, "test_accuracy": 0.4}
    with _scratch() as folder:
        progressed = Progressed(1, 3.5, [epoch])
        save_checkpoint(folder / "c", _CONFIGURATION, progressed, *_learner())
        return [(folder / "c").read_bytes()]


def check_checkpoint(data: bytes, folder: Path) -> bool:
    """A checkpoint: training goes on from it, or it is refused."""
    path = folder / "checkpoint.safetensors"
    path.write_bytes(data)
    model, _ = _learner()
    optimizer = torch.optim.Adam(model.parameters(), lr=0.01, fused=True)
    with bounded_memory():
        try:
            done = load_checkpoint(path, _CONFIGURATION, model, optimizer)
        except BadInputError as error:
            _told(error)
            return False
        assert done.epochs == len(done.history)
        for entry in done.history:
            assert math_finite(entry["loss"])
            assert isinstance(entry["epoch"], int)
        optimizer.zero_grad()
        model(torch.ones(4, 3)).sum().backward()
        optimizer.step()
    return True


def math_finite(value: Any) -> bool:
    """Whether ``value`` is a number and finite."""
    return isinstance(value, int | float) and bool(np.isfinite(value))


@functools.cache
def _snn_seeds() -> list[bytes]:
    state: dict[str, Any] = {
        "fc1.weight": [[0.5, 0.0, -0.5, 0.5], [0.0, 0.5, 0.5, 0.0], [0.5, 0.5, 0.0, 0.0]],
        "fc1.bias": [0.5, 0.0, 1.0],
        "lif1.beta": 0.5,
        "lif1.threshold": 1.0,
        "lif1.reset_mechanism_val": 0,
        "lif1.graded_spikes_factor": 1.0,
        "fc2.weight": [[0.5, -0.5, 0.0], [0.5, 0.5, 0.5]],
        "lif2.beta": [1.0, 1.0],
        "lif2.threshold": [1.0, 0.5],
        "lif2.reset_mechanism_val": 1,
        "lif2.graded_spikes_factor": 1.0,
    }
    return [json.dumps({"state": state, "steps": 4, "scale": 2}).encode()]


def check_snntorch(data: bytes, folder: Path) -> bool:
    """A state dict of snnTorch's, made of arrays of whatever numbers."""
    try:
        given = json.loads(data)
        state = {str(k): np.asarray(v) for k, v in given["state"].items()}
        steps, scale = given["steps"], given["scale"]
    except (ValueError, KeyError, AttributeError, TypeError, RecursionError, OverflowError):
        return False
    if type(steps) is not int or type(scale) not in (int, float) or abs(scale) > 1e300:
        return False
    encode_layer = Encode("encode", 4, 8, False, np.arange(4), np.full(4, 128))
    with bounded_memory():
        try:
            network = from_snntorch(state, encode_layer, steps, scale=scale)
        except BadInputError as error:
            _told(error)
            return False
        examine(network)
    return True


# --- The serial line ------------------------------------------------------------------------------


def _reply_seeds() -> list[bytes]:
    good = encode_reply(Status.OK, b"\x01\x02\x03")
    bad = encode_reply(Status.BAD_CRC)
    return [good, bad, b"\x00\xa4\xff" + good, good + bad + good, encode(b""), encode(b"\x63")]


def _mutate_reply(data: bytes, rng: random.Random, raw: mutate.Raw) -> bytes:
    if rng.random() < 0.3:
        payload = rng.randbytes(rng.choice((0, 1, 2, 5, 300)))
        return data + encode(payload)
    return raw(data)


def check_reply(data: bytes, folder: Path) -> bool:
    """What comes back over a serial line: replies and noise, in pieces."""
    line = io.BytesIO(data)
    asked = 0

    def read(count: int) -> bytes:
        nonlocal asked
        asked += count
        assert 0 <= count <= MAX_PAYLOAD
        return line.read(count)

    accepted = False
    while line.tell() < len(data):
        start = line.tell()
        try:
            reply = read_reply(read)
        except PacketError as error:
            assert 0 < len(str(error)) <= 200
        else:
            assert encode_reply(reply.status, reply.result) in data[start : line.tell()]
            accepted = True
        assert line.tell() > start
        assert asked <= 2 * len(data) + 4 * MAX_PAYLOAD * (1 + len(data) // 5)
    return accepted


def check_endless(byte: int) -> None:
    """A line that never stops talking and never says anything ends in an error."""
    told = 0

    def read(count: int) -> bytes:
        nonlocal told
        told += count
        assert told < 1 << 22, "it would listen for ever"
        return bytes([byte]) * count

    with contextlib.suppress(PacketError):
        read_reply(read)


TARGETS: Mapping[str, Target] = {
    target.name: target
    for target in (
        Target("network", _network_seeds, mutate.mutate_safetensors, check_network),
        Target("csv", _csv_seeds, mutate.mutate_csv, check_csv),
        Target("npz", _npz_seeds, mutate.mutate_npz, check_npz),
        Target("images", _image_seeds, mutate.mutate_zip, check_images),
        Target("idx", _idx_seeds, _mutate_idx, check_idx),
        Target("board", _board_seeds, _mutate_board, check_board),
        Target("results", _result_seeds, mutate.mutate_json, check_results),
        Target("checkpoint", _checkpoint_seeds, mutate.mutate_safetensors, check_checkpoint),
        Target("snntorch", _snn_seeds, mutate.mutate_json, check_snntorch),
        Target("reply", _reply_seeds, _mutate_reply, check_reply),
    )
}
