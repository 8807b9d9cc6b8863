"""Network files that mean no good.

Each of these once crashed, hung or filled memory, or easily could.
"""

import json
import re
import subprocess
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import networks
import numpy as np
import pytest
from fuzz.guard import bounded_memory, bounded_time, tree
from fuzz.mutate import Tensor, pack, unpack
from fuzz.targets.target import MAX_MESSAGE, call

from htaflow.hw.verilog import generate
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
from htaflow.model.run_directory import Run
from htaflow.model.support.errors import BadInputError
from htaflow.sim.verify import verify_rtl

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
            "does not hold 8$|does not hold 8;|does not hold 8",
        ),
        (
            [ENCODE, {"type": "Unflatten", "name": "image", "shape": [(1 << 61) + 1, 8, 1]}],
            BITS,
            "does not hold 8$|does not hold 8;|does not hold 8",
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
    assert len(told) < MAX_MESSAGE
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
    with pytest.raises(BadInputError, match=r"its windows see .* values"):
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
            code, told = call(verb)
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
    assert call(verb, memory=1 << 45)[0] == 0  # Yosys, in its process, reserves much
    assert call(["report", str(run)])[0] == 0
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
