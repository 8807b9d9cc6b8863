"""Files that mean no good: each of these once crashed, hung or filled memory, or easily could."""

import gzip
import io
import json
import re
import struct
import subprocess
import time
import zipfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import networks
import numpy as np
import pytest
from fuzz import targets
from fuzz.guard import bounded_memory, bounded_time, tree
from fuzz.mutate import Tensor, pack, to_toml, unpack

from htaflow.flows.boards.board import load_board, parse_board
from htaflow.flows.convert import convert
from htaflow.flows.report.report import report
from htaflow.hw.verilog import generate
from htaflow.model.data.dataset import split
from htaflow.model.data.load import load
from htaflow.model.importers.snntorch import from_snntorch
from htaflow.model.integer.file import check_file, load_network, save_network
from htaflow.model.integer.network import (
    ArgMax,
    Concepts,
    Dense,
    Encode,
    GroupSum,
    MaxPool2d,
    Network,
    Quantise,
    Unflatten,
)
from htaflow.model.run_directory import Run, read_result
from htaflow.model.support.errors import BadInputError, abbreviate, did_you_mean
from htaflow.model.support.files import write_json
from htaflow.model.support.npz import MAX_BYTES
from htaflow.model.support.results import MAX_DEPTH, Training, misfit
from htaflow.model.training.checkpoint import load_checkpoint
from htaflow.sim.verify import read_interface, verify_rtl

HOSTILE_NAMES = (
    "../../x",
    "/etc/x",
    "$(touch x)",
    "`touch x`",
    "a;touch x",
    "a'b",
    'a"b',
    "a\nendmodule",
    "\\escaped ",
    "A",
    "",
    "-x",
    "\u00e9",
    "a" * 41,
    "top",
    "layers2",
)


# --- Words ----------------------------------------------------------------------------------------


def test_what_is_shown_of_a_long_text_is_short_and_has_both_ends() -> None:
    assert abbreviate("ab") == "'ab'"
    assert len(abbreviate("x" * 10**6)) == len(abbreviate(["y" * 100] * 9)) <= 60
    assert abbreviate("a\nb") == "'a\\nb'"


def test_the_nearest_of_a_very_long_name_is_looked_for_in_no_time() -> None:
    begun = time.monotonic()
    assert did_you_mean("x" * 10**7, ["Encode"]) == "; known: Encode"
    assert time.monotonic() - begun < 60


# --- Networks -------------------------------------------------------------------------------------


def network_file(folder: Path, *layers: dict[str, Any], name: str = "n", **tensors: Any) -> Path:
    """Write a network file; ``tensors`` are arrays or (dtype, shape, data), by ``_INDEX_FIELD``."""
    found = []
    for key, value in tensors.items():
        _, index, field = key.split("_", 2)
        if not isinstance(value, tuple):
            array = np.asarray(value, np.int64)
            value = ("I64", array.shape, array.tobytes())
        found.append(Tensor(f"{index}.{field}", *value))
    header = {"format": 1, "name": name, "layers": list(layers)}
    path = folder / "n.safetensors"
    path.write_bytes(pack({"htaflow": json.dumps(header)}, found))
    return path


ENCODE: dict[str, Any] = {
    "type": "Encode",
    "name": "encode",
    "features": 2,
    "feature_bits": 4,
    "signed": False,
}
BITS = {"_0_source": np.arange(8) % 2, "_0_threshold": np.arange(8)}


def image(**geometry: Any) -> list[dict[str, Any]]:
    pool = {"type": "MaxPool2d", "name": "pool", "kernel": [2, 2], **geometry}
    return [ENCODE, {"type": "Unflatten", "name": "image", "shape": [2, 2, 2]}, pool]


@pytest.mark.parametrize(
    ("layers", "tensors", "message"),
    [
        ([{**ENCODE, "features": 10**30}], BITS, "frame has 10{27}"),
        ([{**ENCODE, "feature_bits": 10**30}], BITS, "features have 10{27}"),
        ([{**ENCODE, "feature_bits": 1 << 40}], BITS, "features have 1099511627776 bits"),
        # 2**63 * 2 and 8 are the same number of bits, to NumPy's 64-bit product.
        (
            [ENCODE, {"type": "Unflatten", "name": "image", "shape": [1 << 61, 8, 1]}],
            BITS,
            "does not hold 8 bits",
        ),
        (
            [ENCODE, {"type": "Unflatten", "name": "image", "shape": [(1 << 61) + 1, 8, 1]}],
            BITS,
            "does not hold 8 bits",
        ),
        (image(stride=[10**30, 1]), BITS, "its stride is"),
        (image(kernel=[1 << 60, 1]), BITS, "its kernel is"),
        (image(kernel=[40000, 40000], padding=[39999, 39999]), BITS, "its windows see"),
        (
            image(kernel=[1, 60000], padding=[0, 59999], stride=[1, 60000]),
            {**BITS},
            None,  # unusual, and good
        ),
        ([ENCODE], {**BITS, "_0_features": [1, 2]}, "'features' of Encode has the wrong type"),
        ([ENCODE], {**BITS, "_0_source": ("F8_E5M2", (8,), bytes(8))}, "is of type F8_E5M2"),
        ([ENCODE], {**BITS, "_0_source": ("I8", (1 << 60, 0), b"")}, "two lists"),
        (
            [ENCODE, {"type": "Dense", "name": "d", "inputs": "bipolar"}],
            {**BITS, "_1_weights": ("I8", (1 << 60, 0), b"")},
            "weights take no inputs",
        ),
        (
            [ENCODE, {"type": "Dense", "name": "d"}],
            {**BITS, "_1_weights": np.ones((1, 8)), "_1_inputs": [1, 2]},
            "'inputs' of Dense has the wrong type",
        ),
        (
            [ENCODE, {"type": "Dense", "name": "d"}],
            {**BITS, "_1_weights": np.full((1, 8), 1 << 62), "_1_thresholds": [0]},
            "is not in -128..127",
        ),
        ([ENCODE] * 1001, {}, "it has 1001 layers"),
        ([ENCODE, {"type": "D" * 10**6, "name": "d"}], BITS, "unknown type 'DDD"),
        ([ENCODE, {"type": "Dense", "n" * 10**6: 1}], BITS, "unknown field 'nnn"),
        ([{**ENCODE, "name": "n" * 10**6}], BITS, "its name is 'nnn"),
        (
            [ENCODE, {"type": "Steps", "name": "s", "steps": 10**30}],
            BITS,
            "it has 10{27}",
        ),
        ([ENCODE, {"type": "GroupSum", "name": "v", "groups": 10**30}], BITS, "equal groups"),
    ],
)
def test_a_network_that_claims_what_nobody_means_is_refused_at_once(
    layers: list[dict[str, Any]], tensors: dict[str, Any], message: str | None, tmp_path: Path
) -> None:
    path = network_file(tmp_path, *layers, **tensors)
    with bounded_time(10), bounded_memory(256 << 20):
        problems = check_file(path)
    told = "\n".join(map(str, problems))
    assert len(told) < targets.MAX_MESSAGE
    if message is None:
        assert [problem.what for problem in problems] == [
            "its result is an image, 2x2x2 bits"  # only what the last layer lacks
        ]
        return
    assert problems
    assert re.search(message.replace("10{27}", "10{20,}.*"), told), told
    with pytest.raises(BadInputError):
        load_network(path)


def test_lists_in_one_another_are_refused(tmp_path: Path) -> None:
    path = network_file(tmp_path, {**ENCODE, "name": "@"}, **BITS)
    parts = unpack(path.read_bytes())
    assert parts is not None
    for depth in (2, 500, 900, 100_000):
        text = parts[0]["htaflow"].replace('"@"', "[" * depth + "]" * depth)
        path.write_bytes(pack({"htaflow": text}, parts[1]))
        (problem,) = check_file(path)
        assert "has the wrong type" in str(problem) or "is no JSON" in str(problem)


def test_many_tensors_that_belong_to_no_layer_are_named_in_a_few_lines(tmp_path: Path) -> None:
    parts = unpack(network_file(tmp_path, ENCODE, **BITS).read_bytes())
    assert parts is not None
    stray = [Tensor(f"{number}.x", "I8", (0,), b"") for number in range(1, 50_001)]
    (tmp_path / "n").write_bytes(pack(parts[0], parts[1] + stray))
    with bounded_time(20):
        problems = check_file(tmp_path / "n")
    assert 1 <= len(problems) <= 20


def test_sums_that_golden_could_not_hold_are_refused() -> None:
    """Integers of sums of sums grow without end: in floats and in 32 bits they would be wrong."""
    layers: list[Any] = [Quantise("q", 40, 8, False, 8)]
    for number in range(6):
        layers.append(Dense(f"d{number}", np.full((40, 40), 127), None, "unipolar"))
    with pytest.raises(BadInputError, match=r"layer 2 'd1': its sums are .*more than 32 bits"):
        Network("n", tuple(layers))
    layers[2] = Dense("d1", np.full((1, 40), 127), np.array([1 << 40]), "unipolar")
    with pytest.raises(BadInputError, match=r"layer 2 'd1': its sums are .*more than 32 bits"):
        Network("n", tuple(layers[:3]))


def test_more_values_than_a_frame_can_have_are_refused() -> None:
    encode = Encode("e", 1, 1, False, np.zeros(4, int), np.ones(4, int))
    pool = MaxPool2d("p", (2100, 2100), padding=(2099, 2099), stride=(1, 1))
    with pytest.raises(BadInputError, match=r"its windows see .* bits"):
        Network("n", (encode, Unflatten("i", (1, 2, 2)), pool))


@pytest.mark.parametrize("name", HOSTILE_NAMES)
def test_a_bad_name_reaches_no_path_no_shell_and_no_verilog(name: str, tmp_path: Path) -> None:
    run = tmp_path / "runs" / "r"
    for file in (
        network_file(tmp_path, ENCODE, name=name, **BITS),
        network_file(tmp_path, {**ENCODE, "name": name}, **BITS),
    ):
        before = tree(tmp_path, run)
        for verb in (["check", str(file)], ["convert", str(file), "--out", str(run)]):
            code, told = targets.call(verb)
            assert code == 2
            assert "\x00" not in told
        assert tree(tmp_path, run) == before
        assert not run.exists()


def test_concepts_may_be_called_anything_and_that_stays_text(tmp_path: Path) -> None:
    names = ("../../x", "$(touch x)", "a;b `x`", "<script>alert(1)</script>", "*/ endmodule", "\\x")
    rng = np.random.default_rng(1)
    network = Network(
        "n",
        (
            networks.random_encode(rng, 4, 8, 3, False),
            networks.random_dense(rng, "hidden", 8, 6, fan_in=3),
            Concepts("named", names),
            GroupSum("vote", 3),
            ArgMax("argmax"),
        ),
    )
    save_network(network, tmp_path / "n.safetensors")
    run = tmp_path / "runs" / "r"
    before = tree(tmp_path, run)
    verb = ["convert", str(tmp_path / "n.safetensors"), "--out", str(run)]
    assert targets.call(verb, memory=1 << 45)[0] == 0  # Yosys, in its process, reserves much
    assert targets.call(["report", str(run)])[0] == 0
    after = tree(tmp_path, run)
    assert after == {**before, str(run.parent): None}
    assert not any(name in Run(run).verilog.read_text() for name in names)
    page = Run(run).page.read_text()
    assert "<script>" not in page
    assert "&lt;script&gt;alert(1)" in page


@pytest.mark.parametrize(
    "names",
    [
        ("module", "wire", "endmodule", "begin", "input"),
        ("core", "a", "a_logic", "b", "b_logic"),
        ("layers_", "reg", "initial", "s_axis_tdata", "vote_logic"),
        ("encode", "x", "x__output__payload", "x_n0", "valid"),
    ],
)
def test_names_that_verilog_knows_or_that_htaflow_makes_itself_compile(
    names: tuple[str, ...], tmp_path: Path
) -> None:
    rng = np.random.default_rng(1)
    first, second, third, vote, last = names
    network = Network(
        "module",
        (
            Encode(first, 4, 3, False, np.arange(8) % 4, np.arange(8) // 2 + 1),
            networks.random_dense(rng, second, 8, 6, fan_in=3),
            networks.random_dense(rng, third, 6, 6, fan_in=3),
            GroupSum(vote, 3),
            ArgMax(last),
        ),
    )
    (tmp_path / "top.v").write_text(generate(network).text)
    subprocess.run(
        ["iverilog", "-g2005", "-s", "top", "-o", tmp_path / "out", tmp_path / "top.v"],
        check=True,
        timeout=600,
    )


def test_hardware_with_such_names_gives_golden_numbers(
    make_run: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    swaps = {"encode": "module", "hidden1": "a", "hidden2": "a_logic", "vote": "wire"}
    made = networks.random_network

    def renamed(*args: Any, **options: Any) -> Network:
        network = made(*args, **options)
        layers = (replace(it, name=swaps.get(it.name, it.name)) for it in network.layers)
        return Network("endmodule", tuple(layers))

    monkeypatch.setattr(networks, "random_network", renamed)
    run = make_run(frames=10)
    assert [layer.name for layer in load_network(run / "network.safetensors").layers][:2] == [
        "module",
        "a",
    ]
    assert verify_rtl(run)["mismatches"] == 0


# --- Data -----------------------------------------------------------------------------------------


def npz(path: Path, members: dict[str, bytes], packing: int = zipfile.ZIP_DEFLATED) -> Path:
    with zipfile.ZipFile(path, "w", packing) as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return path


def npy(array: np.ndarray[Any, Any]) -> bytes:
    buffer = io.BytesIO()
    np.save(buffer, array, allow_pickle=False)
    return buffer.getvalue()


def header(text: str) -> bytes:
    padded = text.ljust(117) + "\n"
    return b"\x93NUMPY\x01\x00" + struct.pack("<H", len(padded)) + padded.encode()


X, Y = np.arange(32).reshape(8, 4) % 9, np.arange(8) % 2
GOOD = {"x.npy": npy(X), "y.npy": npy(Y)}


@pytest.mark.parametrize(
    ("members", "message"),
    [
        ({"x.npy": b"no array at all", "y.npy": npy(Y)}, "is truncated or not a valid .npz"),
        ({"x": npy(X), "y.npy": npy(Y)}, "is truncated or not a valid .npz"),
        (
            {
                **GOOD,
                "x.npy": header("{'descr': '<i8', 'fortran_order': False, 'shape': (8, 1<<9)}"),
            },
            "is truncated or not a valid .npz",
        ),
        (
            {
                **GOOD,
                "x.npy": header(
                    "{'descr': '<i8', 'fortran_order': False, 'shape': (8, 99999999999)}"
                ),
            },
            f"'x' claims 6399999999936 bytes, and {MAX_BYTES} is the most",
        ),
        (
            {
                **GOOD,
                "x.npy": header("{'descr': '|V0', 'fortran_order': False, 'shape': (1 << 40)}"),
            },
            "is truncated or not a valid .npz",
        ),
        ({**GOOD, "x.npy": header("(" * 100)}, "is truncated or not a valid .npz"),
        ({**GOOD, "y.npy": npy(np.array(["a" * 200] * 8))}, "longest label has 200 characters"),
        ({**GOOD, "y.npy": npy(np.full(8, 1 << 63, np.uint64))}, "does not fit 64 bits"),
        (
            {
                **GOOD,
                "y.npy": header("{'descr': '<U1', 'fortran_order': False, 'shape': (8,)}")
                + struct.pack("<8I", *[0xFFFFFFFF, 65] * 4),
            },
            "a label holds what is no character",
        ),
        (
            {
                **GOOD,
                "y.npy": header("{'descr': '<U1', 'fortran_order': False, 'shape': (8,)}")
                + struct.pack("<8I", *[0xD800, 65] * 4),
            },
            "a label holds what is no character",
        ),
        (
            {
                "x_train.npy": npy(X),
                "x_test.npy": npy(X),
                "y_train.npy": npy(Y),
                "y_test.npy": npy(np.array(["a", "b"] * 4)),
            },
            "labels are int64 in training frames and <U1 in test frames",
        ),
        ({**GOOD, "x.npy": npy(np.zeros((8, 2), "<c8"))}, "features are complex64"),
        ({"x.npy": npy(np.full((8, 2), np.inf, np.float16)), "y.npy": npy(Y)}, "is inf"),
    ],
)
def test_an_npz_file_of_something_else_is_refused(
    members: dict[str, bytes], message: str, tmp_path: Path
) -> None:
    with bounded_memory(256 << 20), pytest.raises(BadInputError, match=message):
        load(npz(tmp_path / "d.npz", members))


def test_numbers_of_half_precision_are_read(tmp_path: Path) -> None:
    data = load(npz(tmp_path / "d.npz", {"x.npy": npy(X.astype(np.float16)), "y.npy": npy(Y)}))
    assert data.x_train.max() == 8


def test_a_packing_that_numpy_does_not_write_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BadInputError, match="packed in a way that NumPy does not use"):
        load(npz(tmp_path / "d.npz", GOOD, zipfile.ZIP_LZMA))


def test_a_small_npz_file_that_unpacks_to_more_than_it_says_takes_no_memory(tmp_path: Path) -> None:
    bomb = npy(X) + bytes(300 << 20)
    path = npz(tmp_path / "d.npz", {**GOOD, "x.npy": bomb})
    assert path.stat().st_size < 1 << 20
    del bomb
    with bounded_memory(64 << 20):
        assert load(path).features == 4


def test_a_small_idx_file_that_unpacks_to_much_takes_no_memory(tmp_path: Path) -> None:
    for name in ("train-images-idx3", "t10k-images-idx3", "train-labels-idx1", "t10k-labels-idx1"):
        array = np.zeros((9, 2, 2)) if "idx3" in name else np.arange(9)
        (tmp_path / f"{name}-ubyte").write_bytes(targets.idx(array))
    (tmp_path / "train-images-idx3-ubyte").write_bytes(
        gzip.compress(targets.idx(np.zeros((9, 2, 2))) + bytes(300 << 20), 1)
    )
    with (
        bounded_memory(64 << 20),
        pytest.raises(BadInputError, match="holds more than 36 bytes of data, its header says 36"),
    ):
        load(tmp_path)
    many = targets.idx(np.zeros((1, 1, 1)))[:4] + struct.pack(">3I", 1 << 20, 1 << 16, 1) + b"x"
    (tmp_path / "train-images-idx3-ubyte").write_bytes(many)
    with bounded_memory(64 << 20), pytest.raises(BadInputError, match="claims 68719476736 bytes"):
        load(tmp_path)


def test_a_table_of_very_many_columns_is_read_in_seconds(tmp_path: Path) -> None:
    columns = 60_000
    lines = ["label," + ",".join(map(str, range(columns)))]
    lines += [f"{row % 2}," + ",".join("1" * columns) for row in range(6)]
    (tmp_path / "d.csv").write_text("\n".join(lines))
    with bounded_time(20):
        assert load(tmp_path / "d.csv").features == columns
    (tmp_path / "d.csv").write_text("x" * 1000 + "," + ",".join(map(str, range(columns))))
    with pytest.raises(BadInputError, match="and 59981 more") as caught:
        load(tmp_path / "d.csv")
    assert len(str(caught.value)) < 1000


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (f"label,a\n{'x' * 5000},1\n", "the label has 5000 characters"),
        (f"label,a\n1,{'x' * 5000}\n", "'xxx"),
        (f"label,{'a' * 5000}\n1,z\n", "column 'aaa"),
        (f"{'a' * 5000},{'a' * 5000}\n1,z\n", "is there twice"),
        ("label,a\n" + "1,1" * 50_000, "cannot be read|is no number|cells"),
    ],
)
def test_long_cells_are_refused_in_a_short_line(text: str, message: str, tmp_path: Path) -> None:
    (tmp_path / "d.csv").write_text(text)
    with pytest.raises(BadInputError, match=message) as caught:
        load(tmp_path / "d.csv")
    assert len(str(caught.value)) < 600


def test_as_many_classes_as_frames_are_split_in_no_time() -> None:
    with bounded_time(10):
        (_, y), (x_test, _) = split(np.zeros((300_000, 1)), np.arange(300_000))
    assert len(y) == 300_000
    assert len(x_test) == 0


@pytest.mark.parametrize("seed", range(3))
def test_every_fifth_frame_of_a_class_from_the_third_on_is_for_testing(seed: int) -> None:
    y = np.random.default_rng(seed).integers(0, 4, 60)
    x = np.arange(60)[:, None]
    _, (x_test, y_test) = split(x, y)
    expected = sorted(int(i) for c in range(4) for i in np.flatnonzero(y == c)[2::5])
    assert x_test[:, 0].tolist() == expected
    assert y_test.tolist() == y[expected].tolist()


# --- Boards ---------------------------------------------------------------------------------------


BOARD: dict[str, Any] = {
    "name": "mine",
    "title": "My board",
    "family": "ice40",
    "device": "up5k",
    "package": "sg48",
    "oscillator_mhz": 12,
    "baud": 1_000_000,
    "pins": {"clk": {"at": "35"}, "rx": {"at": "6"}, "tx": {"at": "9"}},
}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a = " + "[" * 5000, "it is no TOML"),
        ("a = " + "9" * 5000, "it is no TOML"),
        (to_toml({**BOARD, "title": "x\nmodule evil; endmodule //"}), "title: .* is no line"),
        (to_toml({**BOARD, "title": "x" * 200}), "title: .* is no line"),
        (to_toml({**BOARD, "baud": 10**400}), "baud: 1000.*is no number above 0"),
        (to_toml({**BOARD, "baud": [1]}), r"baud: \[1\] is no number above 0"),
        (to_toml({**BOARD, "name": "../../x"}), r"name: '\.\./\.\./x' is not letters"),
        (to_toml({**BOARD, "device": "up5k; touch x"}), "device: .* is not letters"),
        (to_toml({**BOARD, "package": "sg48\n"}), "package: .* is not letters"),
        (to_toml({**BOARD, "name": "x" * 300}), "name: .* is not letters"),
        (to_toml({**BOARD, **{f"k{n}": 1 for n in range(500)}}), "and 460 more"),
        (to_toml({**BOARD, "x" * 5000: 1}), "xxx.*: no such field"),
        (
            to_toml({**BOARD, "pins": {**BOARD["pins"], "x\nset_io y": {"at": "1", "value": 1}}}),
            "use a lower-case letter",
        ),
    ],
)
def test_a_hostile_board_is_refused_in_a_few_lines(text: str, message: str) -> None:
    with bounded_time(10), pytest.raises(BadInputError, match=message) as caught:
        parse_board(text, "my.toml")
    assert len(str(caught.value)) < targets.MAX_MESSAGE
    parse_board(to_toml(BOARD), "my.toml")


def test_a_file_that_is_far_too_long_for_a_board_is_not_parsed(tmp_path: Path) -> None:
    (tmp_path / "b.toml").write_text("# " + "x" * 100_000 + "\n" + to_toml(BOARD))
    with pytest.raises(BadInputError, match="more than 65536 characters; it is no board"):
        load_board(str(tmp_path / "b.toml"))


# --- Results --------------------------------------------------------------------------------------


@pytest.fixture
def whole(tmp_path: Path) -> Run:
    """A run with the result of every step."""
    run = Run(tmp_path / "runs" / "r")
    (document,) = TARGETS_RESULTS()
    for name, content in {**targets._run_files(), **document}.items():
        path = run.path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    return run


def TARGETS_RESULTS() -> list[dict[str, bytes]]:  # noqa: N802
    (seed,) = targets._result_seeds()
    return [{name: json.dumps(value).encode() for name, value in json.loads(seed).items()}]


WRONG = [
    ("train.json", "accuracy", [1]),
    ("train.json", "accuracy", {"float": "much"}),
    ("train.json", "history", [3]),
    ("train.json", "history", {"loss": 1}),
    ("train.json", "classes", 3),
    ("train.json", "versions", ["torch"]),
    ("train.json", "test_frames", True),
    ("train.json", "seconds", "long"),
    ("rtl/top.json", "latency_cycles", None),
    ("rtl/top.json", "stages", [{"name": 1}]),
    ("rtl/top.json", "pipeline", "hidden"),
    ("rtl/top.json", "depth", [3.5]),
    ("rtl/top.json", "beats", "many"),
    ("verify/rtl.json", "latency_cycles", 5),
    ("verify/rtl.json", "stalled", []),
    ("verify/rtl.json", "first_mismatch", "none"),
    ("boards/icebreaker/report.json", "LUT", 7),
    ("boards/icebreaker/report.json", "FF", {"used": "a", "available": 1}),
    ("boards/icebreaker/report.json", "fmax_mhz", "fast"),
    ("boards/icebreaker/report.json", "fmax_by_seed", [1, 2]),
    ("boards/icebreaker/report.json", "fmax_by_seed", {"1": "a", "2": 3}),
    ("boards/icebreaker/report.json", "pipeline", "hidden"),
    ("boards/icebreaker/report.json", "depth", {}),
    ("boards/icebreaker/report.json", "router", 2),
]


@pytest.mark.parametrize(("file", "key", "value"), WRONG)
def test_a_result_of_the_wrong_type_is_refused_and_named(
    whole: Run, file: str, key: str, value: Any
) -> None:
    path = whole.path / file
    stored = json.loads(path.read_text())
    path.write_text(json.dumps({**stored, key: value}))
    with pytest.raises(BadInputError, match=f"{path}: its '{key}.*makes no sense; delete it"):
        report(whole.path)
    code, told = targets.call(["report", str(whole.path)])
    assert code == 2
    assert key in told


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("NaN", "NaN is no number of JSON"),
        ("-Infinity", "is no number of JSON"),
        ("1e999", "a number that is not finite"),
        ("-1e308", "a number that is not finite"),
        ("1" + "0" * 400, "a number of more than 64 bits"),
        ("9" * 5000, "it is no JSON"),
        ('"\\ud800"', "which is no text"),
        ('{"\\udfff": 1}', "which is no text"),
        ("[" * 100 + "]" * 100, f"more than {MAX_DEPTH} objects in one another"),
        ("[" * 900 + "]" * 900, f"more than {MAX_DEPTH} objects in one another"),
        ("[" * 100_000, "it is no JSON"),
    ],
)
def test_a_result_that_could_not_be_shown_or_written_again_is_refused(
    whole: Run, text: str, message: str
) -> None:
    stored = whole.train.read_text().rstrip().removesuffix("}")
    whole.train.write_text(f'{stored}, "more": {text}}}')
    with pytest.raises(BadInputError, match=message):
        report(whole.path)
    assert not whole.page.exists()


def test_what_does_not_fit_its_type_is_named_with_its_place() -> None:
    good = {"accuracy": {"hard": 1}, "test_frames": 3, "history": [{"loss": 0.5}], "new": object()}
    assert misfit(good, Training) is None
    assert misfit({**good, "history": [{"loss": 0.5}, {"loss": "x"}]}, Training) == (
        "its 'history[1].loss' is 'x', which makes no sense"
    )
    assert misfit({"accuracy": {}}, Training) == "it lacks 'test_frames'"
    assert misfit([], Training) == "its '' is 'list', which makes no sense"


def test_a_result_that_was_damaged_is_made_again(tmp_path: Path) -> None:
    save_network(targets.concept_network(), tmp_path / "n.safetensors")
    run = Run(tmp_path / "run")
    made = convert(tmp_path / "n.safetensors", run.path)
    for broken in ({**made, "beats": None}, {"inputs": made["inputs"], "verilog": made["verilog"]}):
        write_json(run.interface, broken)
        assert convert(run.path) == made
        assert read_result(run.interface) == made


@pytest.mark.parametrize(
    ("key", "value", "message"),
    [
        ("bus_bits", 0, "does not describe this network"),
        ("bus_bits", 12.5, "is damaged"),
        ("bus_bits", True, "is damaged"),
        ("frames_held", 1 << 40, "does not describe this network"),
        ("latency_cycles", 1 << 40, "does not describe this network"),
        ("interval_cycles", -1, "does not describe this network"),
        ("stages", {}, "is damaged"),
        ("digest", "0" * 64, "made from another network"),
    ],
)
def test_an_interface_that_would_be_simulated_for_ever_is_refused(
    make_run: Callable[..., Path], key: str, value: Any, message: str
) -> None:
    run = make_run(frames=4)
    path = run / "rtl" / "top.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), key: value}))
    with pytest.raises(BadInputError, match=message):
        read_interface(run, load_network(run / "network.safetensors"))


# --- Checkpoints and imports ----------------------------------------------------------------------


def checkpoint(change: Callable[[dict[str, Any], list[Tensor]], object], path: Path) -> Path:
    """Write a good checkpoint with something changed in its header or its tensors."""
    (seed,) = targets._checkpoint_seeds()
    parts = unpack(seed)
    assert parts is not None
    told = json.loads(parts[0]["htaflow-checkpoint"])
    change(told, parts[1])
    path.write_bytes(pack({"htaflow-checkpoint": json.dumps(told)}, parts[1]))
    return path


def drop(name: str) -> Callable[[dict[str, Any], list[Tensor]], object]:
    def change(told: dict[str, Any], tensors: list[Tensor]) -> None:
        tensors[:] = [tensor for tensor in tensors if tensor.name != name]

    return change


def retype(name: str, dtype: str) -> Callable[[dict[str, Any], list[Tensor]], object]:
    def change(told: dict[str, Any], tensors: list[Tensor]) -> None:
        for index, tensor in enumerate(tensors):
            if tensor.name == name:
                size = {"F16": 2, "F8_E4M3": 1, "I32": 4}[dtype]
                count = int(np.prod(tensor.shape, dtype=int))
                tensors[index] = Tensor(name, dtype, tensor.shape, bytes(size * count))

    return change


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda told, _: told.update(epochs=1 << 60), "its history is damaged"),
        (lambda told, _: told.update(epochs="1"), "its 'epochs' is '1'"),
        (lambda told, _: told.update(history=[[]]), "'history\\[0\\]' is 'list'"),
        (lambda told, _: told["history"][0].update(loss="x"), "'history\\[0\\].loss' is 'x'"),
        (lambda told, _: told["history"][0].update(epoch=7), "its history is damaged"),
        (lambda told, _: told.pop("seconds"), "it lacks 'seconds'"),
        (drop("optimizer.0.exp_avg"), "lacks state of the optimiser"),
        (drop("optimizer.1.step"), "lacks state of the optimiser"),
        (retype("optimizer.0.exp_avg", "F16"), "fits no parameter"),
        (retype("model.0.weight", "I32"), "is not as the model has it"),
        (retype("model.0.weight", "F8_E4M3"), "is of type F8_E4M3"),
    ],
)
def test_a_checkpoint_that_training_could_not_go_on_from_is_refused(
    change: Callable[..., object], message: str, tmp_path: Path
) -> None:
    path = checkpoint(change, tmp_path / "c")
    with bounded_time(10), bounded_memory(256 << 20), pytest.raises(BadInputError, match=message):
        load_checkpoint(path, targets._CONFIGURATION, *targets._learner())


def test_a_checkpoint_with_lists_in_one_another_is_refused(tmp_path: Path) -> None:
    (tmp_path / "c").write_bytes(pack({"htaflow-checkpoint": "[" * 100_000}, []))
    with pytest.raises(BadInputError, match="is truncated or not a valid checkpoint"):
        load_checkpoint(tmp_path / "c", {}, *targets._learner())


@pytest.mark.parametrize(
    ("changes", "options", "message"),
    [
        ({"fc1.weight": [["a"]]}, {}, "which is no number"),
        ({"fc1.weight": [[float("nan")] * 4] * 3}, {}, "not finite"),
        ({"fc1.weight": [[1e300] * 4] * 3}, {}, "too large times 2"),
        ({"fc1.bias": [0.5]}, {}, "has 1 biases for 3 neurons"),
        ({"lif1.threshold": [1.0, 1.0]}, {}, r"has a threshold of shape \[2\] for 3 neurons"),
        ({"lif1.beta": []}, {}, r"has a beta of shape \[0\] for 3 neurons"),
        ({"lif1.reset_mechanism_val": 7}, {}, "has an unknown reset"),
        ({"lif1.reset_mechanism_val": -1}, {}, "has an unknown reset"),
        ({"lif1.inhibition": [False, True]}, {}, "has 'inhibition', so it is no Leaky"),
        ({"fc1.weight": np.ones((0, 4))}, {}, r"has weights of shape \[0, 4\]"),
        ({}, {"steps": 10**30}, "use 1 to 1024"),
        ({}, {"steps": 0}, "use 1 to 1024"),
        ({}, {"steps": 100}, "99 bits behind the point"),
        ({}, {"scale": float("inf")}, "scale is inf"),
    ],
)
def test_a_state_dict_that_is_none_is_refused(
    changes: dict[str, Any], options: dict[str, Any], message: str
) -> None:
    (seed,) = targets._snn_seeds()
    given = json.loads(seed)
    state = {key: np.asarray(value) for key, value in {**given["state"], **changes}.items()}
    encode = Encode("encode", 4, 8, False, np.arange(4), np.full(4, 128))
    arguments = {"steps": given["steps"], "scale": given["scale"], **options}
    with pytest.raises(BadInputError, match=message):
        from_snntorch(state, encode, **arguments)


@pytest.mark.parametrize("byte", [0x00, 0xA5, 0xFF])
def test_a_line_that_never_stops_does_not_hold_the_host(byte: int) -> None:
    targets.check_endless(byte)


@pytest.mark.parametrize("file", ["train.json", "rtl/top.json", "boards/icebreaker/report.json"])
def test_whatever_a_result_lacks_it_is_refused_or_told_of_without(whole: Run, file: str) -> None:
    path = whole.path / file
    stored = json.loads(path.read_text())
    for key in stored:
        path.write_text(json.dumps({other: stored[other] for other in stored if other != key}))
        code, told = targets.call(["report", str(whole.path)])
        assert code == 0 or f"it lacks '{key}'" in told
