"""What steps leave in a run directory."""

import contextlib
import functools
import json
from pathlib import Path
from typing import Any

import networks
import numpy as np

from fuzz.guard import bounded_memory, tree
from fuzz.targets.network import concept_network
from fuzz.targets.target import MAX_MESSAGE, call, scratch
from htaflow.flows.explain import hardware_digest
from htaflow.hw.verilog import generate
from htaflow.model.integer import golden
from htaflow.model.integer.exemplars import find_exemplars, save_exemplars
from htaflow.model.integer.file import save_network
from htaflow.model.run_directory import Run
from htaflow.model.support.errors import BadInputError
from htaflow.sim.verify import read_interface


@functools.cache
def result_seeds() -> list[bytes]:
    """Everything that ``report`` reads as JSON, of one run, in one document."""
    network = concept_network()
    design = generate(network)
    frames = networks.random_frames(network, np.random.default_rng(2), 8)
    results = golden.run(network, frames)
    with scratch() as folder:
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
def run_files() -> dict[str, bytes]:
    """The other files of that run."""
    network = concept_network()
    frames = networks.random_frames(network, np.random.default_rng(2), 8)
    with scratch() as folder:
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
        documents = dict.fromkeys(json.loads(result_seeds()[0]))
        texts = dict.fromkeys(documents, data)
    else:
        if not isinstance(documents, dict):
            return False
        known = json.loads(result_seeds()[0])
        with contextlib.suppress(RecursionError):
            texts = {
                name: json.dumps(documents[name]).encode() for name in known & documents.keys()
            }
    run = folder / "runs" / "r"
    for name, content in {**run_files(), **texts}.items():
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
