"""What was whole stays until something whole replaces it: a second run of a verb that fails."""

import dataclasses
import errno
import os
import re
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

import htaflow.flows.prove
import htaflow.sim.verify
from htaflow.flows.bisect import bisect
from htaflow.flows.convert import convert
from htaflow.flows.prove import prove
from htaflow.flows.report.report import collect, report
from htaflow.flows.tools.tools import ToolError
from htaflow.flows.verify import verify
from htaflow.model.integer.file import load_network
from htaflow.model.run_directory import Run
from htaflow.model.training import zoo
from htaflow.model.training.recipe import Neurons
from htaflow.model.training.train import train
from htaflow.sim.runner import SimulationError

pytest_plugins = ["fake_tools"]


def contents(folder: Path) -> dict[str, bytes]:
    """Return every file below ``folder``."""
    paths = (path for path in sorted(folder.rglob("*")) if path.is_file())
    return {str(path.relative_to(folder)): path.read_bytes() for path in paths}


@pytest.fixture
def no_room(monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:
    """Return a function that fills the disk up as soon as a file of that name is written."""
    flush = os.fsync

    def fill(name: str) -> None:
        def fail(handle: int) -> None:
            if name in Path(f"/proc/self/fd/{handle}").readlink().name:
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            flush(handle)

        monkeypatch.setattr(os, "fsync", fail)

    return fill


@pytest.mark.parametrize("file", ["top.v", "top.json"])
def test_convert(make_run: Callable[..., Path], no_room: Callable[[str], None], file: str) -> None:
    run = make_run(frames=3, hidden=(6,), fan_in=3, classes=3)
    convert(run)
    before = contents(run)
    no_room(file)
    with pytest.raises(OSError, match=file):
        convert(run, bus_bits=8)
    assert contents(run) == before


@pytest.mark.parametrize("file", ["index.html", "report.json"])
def test_report(make_run: Callable[..., Path], no_room: Callable[[str], None], file: str) -> None:
    run = make_run(frames=3, hidden=(6,), fan_in=3, classes=3)
    report(run)
    convert(run, bus_bits=8)
    before = contents(run)
    no_room(file)
    with pytest.raises(OSError, match=file):
        report(run)
    assert contents(run) == before


@pytest.mark.parametrize("file", ["network.safetensors", "test.npz", "concepts.npz", "train.json"])
def test_train(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, no_room: Callable[[str], None], file: str
) -> None:
    recipe = dataclasses.replace(zoo.ZOO["digits-icbm"], name="tiny", epochs=1)
    if file != "concepts.npz":
        recipe = dataclasses.replace(zoo.ZOO["digits"], name="tiny", epochs=1)
        recipe = dataclasses.replace(recipe, hidden=(Neurons(40, 4, 20),))
    monkeypatch.setitem(zoo.ZOO, "tiny", recipe)
    train("tiny", "digits", tmp_path)
    before = contents(tmp_path)
    no_room(file)
    with pytest.raises(OSError, match=file):
        train("tiny", "digits", tmp_path, seed=1, resume=False)
    after = contents(tmp_path)
    assert {name: after[name] for name in before} == before
    assert all("checkpoint" in name for name in after.keys() - before.keys())


def test_verify(make_run: Callable[..., Path], monkeypatch: pytest.MonkeyPatch) -> None:
    run = make_run(frames=3, hidden=(6,), fan_in=3, classes=3)
    verify(run)
    result = run / "verify" / "rtl.json"
    before = result.read_bytes()

    def crash(*_: object, **__: object) -> None:
        raise SimulationError("it crashed")

    monkeypatch.setattr(htaflow.sim.verify, "run_bench", crash)
    with pytest.raises(SimulationError):
        verify(run, frames=2)
    assert result.read_bytes() == before
    # It is about other hardware once there is some, and the report says so.
    network = load_network(run / "network.safetensors")
    assert collect(Run(run), network)["verification"] is not None
    convert(run, bus_bits=8)
    with pytest.raises(SimulationError):
        verify(run)
    facts = collect(Run(run), network)
    assert (facts["verification"], facts["levels"]) == (None, [])
    why = {each["part"]: each["why"] for each in facts["missing"]}["verification"]
    assert why == "made from a different network or hardware"


def test_verify_of_a_netlist(make_run: Callable[..., Path], fake: object) -> None:
    run = make_run(frames=3, hidden=(6,), fan_in=3, classes=3)
    with pytest.MonkeyPatch.context() as real:
        real.delenv("HTAFLOW_YOSYS")
        verify(run, level="netlist", family="ice40")
        folder = run / "verify" / "netlist-ice40"
        before = contents(folder)
        convert(run, bus_bits=8)
    fake.break_("yosys:crash")  # type: ignore[attr-defined]
    with pytest.raises(ToolError, match="something is wrong"):
        verify(run, level="netlist", family="ice40")
    after = contents(folder)
    assert {name: after[name] for name in before} == before


def test_prove(make_run: Callable[..., Path], monkeypatch: pytest.MonkeyPatch) -> None:
    run = make_run(frames=3, hidden=(6,), fan_in=3, classes=3)
    monkeypatch.setattr(htaflow.flows.prove, "prove_streams", lambda *_: ())
    prove(run)
    certificate = run / "proofs" / "neurons.json"
    before = certificate.read_bytes()
    (run / "rtl" / "top.v").write_text((run / "rtl" / "top.v").read_text() + "\n")

    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(htaflow.flows.prove, "prove_layers", interrupt)
    with pytest.raises(KeyboardInterrupt):
        prove(run)
    assert certificate.read_bytes() == before


def test_bisect(make_run: Callable[..., Path], monkeypatch: pytest.MonkeyPatch) -> None:
    run = make_run(frames=60, ending="bits", hidden=(8, 6))
    top = run / "rtl" / "top.v"
    wire = r"wire hidden1_n5 = ([^;]*);"
    top.write_text(re.sub(wire, r"wire hidden1_n5 = ~(\1);", top.read_text(), count=1))
    bisect(run)
    shutil.rmtree(run / "verify" / "replay")
    kept = [run / "verify" / name for name in ("rtl.json", "mismatch.vcd", "mismatch.fst")]
    before = [path.read_bytes() for path in kept]

    def interrupt(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(htaflow.sim.verify, "run_bench", interrupt)
    with pytest.raises(KeyboardInterrupt):
        bisect(run)
    assert [path.read_bytes() for path in kept] == before
