"""Fixtures that several tests share."""

import signal
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import networks
import numpy as np
import pytest
from hypothesis import settings

from htaflow.hw.verilog import generate
from htaflow.model.integer.file import save_network
from htaflow.model.integer.network import Network
from htaflow.model.support.files import write_atomic, write_json

# How long an example takes depends on the machine and what else it does: never a test's answer.
settings.register_profile("untimed", deadline=None)
settings.load_profile("untimed")


@pytest.fixture
def rng() -> np.random.Generator:
    """A generator that gives the same numbers in each run of a test."""
    return np.random.default_rng(1)


@pytest.fixture
def signals_heard() -> Iterator[None]:
    """Give Ctrl-C and a closed terminal their usual meaning, in the test and in what it starts.

    They are ignored, and a child would inherit that, where pytest runs under ``nohup`` or as a
    script's job in the background.
    """
    usual = {signal.SIGINT: signal.default_int_handler, signal.SIGHUP: signal.SIG_DFL}
    before = {number: signal.signal(number, handler) for number, handler in usual.items()}
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


@pytest.fixture
def make_run(tmp_path: Path) -> Callable[..., Path]:
    """Return a function that makes a run directory of a random network and its hardware."""

    def make(frames: int | None = 40, bus_bits: int | None = None, **options: Any) -> Path:
        rng = np.random.default_rng(1)
        return write_run(
            tmp_path / "run", networks.random_network(rng, **options), frames, bus_bits
        )

    return make


def write_run(
    run: Path,
    network: Network,
    frames: int | None,
    bus_bits: int | None,
    **options: Any,
) -> Path:
    """Write the network, ``frames`` test frames (no test set if None) and the hardware.

    ``options`` are further ones of ``generate``.
    """
    save_network(network, run / "network.safetensors")
    if frames is not None:
        given = networks.random_frames(network, np.random.default_rng(2), frames)
        np.savez(run / "test.npz", x=given, y=np.zeros(frames, np.int64))
    design = generate(network, bus_bits, **options)
    write_atomic(run / "rtl" / "top.v", design.text)
    write_json(run / "rtl" / "top.json", design.interface)
    return run


@pytest.fixture
def fake_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Return a function that puts a fake tool on PATH, the only folder there."""
    tools = tmp_path / "tools"
    tools.mkdir()
    monkeypatch.setenv("PATH", str(tools))

    def add(name: str, *lines: str) -> None:
        path = tools / name
        path.write_text("\n".join([f"#!{sys.executable}", "import sys, time", *lines]) + "\n")
        path.chmod(0o755)

    return add
