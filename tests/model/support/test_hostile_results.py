"""Results in a run directory that mean no good.

Each of these once crashed, hung or filled memory, or easily could.
"""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from fuzz.targets.network import concept_network
from fuzz.targets.results import result_seeds, run_files
from fuzz.targets.target import call

from htaflow.flows.convert import convert
from htaflow.flows.report.report import report
from htaflow.model.integer.file import load_network, save_network
from htaflow.model.run_directory import Run, read_result
from htaflow.model.support.errors import BadInputError
from htaflow.model.support.files import write_json
from htaflow.model.support.results import MAX_DEPTH, Object, Training, misfit
from htaflow.sim.verify import read_interface


@pytest.fixture
def whole(tmp_path: Path) -> Run:
    """A run with the result of every step."""
    run = Run(tmp_path / "runs" / "r")
    (document,) = TARGETS_RESULTS()
    for name, content in {**run_files(), **document}.items():
        path = run.path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    return run


def TARGETS_RESULTS() -> list[dict[str, bytes]]:  # noqa: N802
    (seed,) = result_seeds()
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
    with pytest.raises(
        BadInputError, match=f"{path}: its '{key}.*has the wrong type: .*; delete it"
    ):
        report(whole.path)
    code, told = call(["report", str(whole.path)])
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
        "its 'history[1].loss' has the wrong type: expected float, got str"
    )
    assert misfit({"accuracy": {}}, Training) == "it lacks 'test_frames'"
    assert misfit([], Training) == "its '' has the wrong type: expected object, got array"


def test_a_result_that_was_damaged_is_made_again(tmp_path: Path) -> None:
    save_network(concept_network(), tmp_path / "n.safetensors")
    run = Run(tmp_path / "run")
    made = convert(tmp_path / "n.safetensors", run.path)
    for broken in ({**made, "beats": None}, {"inputs": made["inputs"], "verilog": made["verilog"]}):
        write_json(run.interface, broken)
        assert convert(run.path) == made
        assert read_result(run.interface, Object) == made


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


@pytest.mark.parametrize("file", ["train.json", "rtl/top.json", "boards/icebreaker/report.json"])
def test_whatever_a_result_lacks_it_is_refused_or_told_of_without(whole: Run, file: str) -> None:
    path = whole.path / file
    stored = json.loads(path.read_text())
    for key in stored:
        path.write_text(json.dumps({other: stored[other] for other in stored if other != key}))
        code, told = call(["report", str(whole.path)])
        assert code == 0 or f"it lacks '{key}'" in told
