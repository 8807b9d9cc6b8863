"""Hardware against golden, on every test frame: level ``rtl``, and what all levels share.

Every output bit and, without stalls, every frame's latency and interval must be exactly as
predicted; with random stalls, after resets and beside malformed frames, order and values must
hold. Writes ``RUN/verify/LEVEL.json`` and, if something differs, a waveform.
"""

import json
import time
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from importlib.metadata import version
from pathlib import Path
from typing import Any, NotRequired, cast

import numpy as np

from htaflow.hw.stream.layout import layouts
from htaflow.model.integer import golden
from htaflow.model.integer.file import load_network
from htaflow.model.integer.network import IntArray, Network
from htaflow.model.support.errors import BadInputError, MismatchError
from htaflow.model.support.files import digest, locked_folder, write_json
from htaflow.model.support.npz import read_npz
from htaflow.model.support.progress import Progress, silent
from htaflow.model.support.results import (
    Interface,
    Mismatch,
    ToolMessage,
    Verification,
    misfit,
    parse_json,
    read_json,
)
from htaflow.sim.locate import WAVEFORMS, is_wrong, locate
from htaflow.sim.runner import CHECKS, Bench, Port, Simulator, run_bench, simulator_version

RANDOM_FRAMES = 1000
"""Frames simulated when a run has no test set and none were asked for."""

STALLED_FRAMES, STALLED_CYCLES = 500, 2000
"""Most frames, and most cycles, that also go through with random stalls.

No more than were asked for, but for some that few cannot show.
"""

SERIAL_STALLED = 5
"""Frames that also go through a board's pins with random pauses: one takes very many cycles."""


@dataclass(frozen=True)
class DesignUnderTest:
    """What is simulated at one level.

    Args:
        level: the level's name, and that of the result's file.
        folder: where its bench and its result are kept.
        interface: the design's ports and cycles, as in ``rtl/top.json``.
        sources: its Verilog.
        port: where frames enter and leave it.
        toplevel: its module.
        build_args: more options for the simulator's compiler.
        facts: more about it that the result is to hold.
    """

    level: str
    folder: Path
    interface: Mapping[str, Any]
    sources: tuple[Path, ...]
    port: Port = "stream"
    toplevel: str = "top"
    build_args: tuple[str, ...] = ()
    facts: Mapping[str, Any] = field(default_factory=dict)


_MAX_CYCLES = 1 << 24
"""Cycles that no network takes: a file that says so would be simulated for hours."""


class LevelResult(Verification):
    """``verify/LEVEL.json``, as a simulation writes it."""

    level: str
    inputs: str
    diagnostics: NotRequired[list[ToolMessage]]


def verify_rtl(
    run: Path,
    *,
    frames: int | None = None,
    seed: int = 0,
    simulator: Simulator = "icarus",
    timeout: float | None = None,
    progress: Progress = silent,
) -> LevelResult:
    """Simulate the generated Verilog of ``run``, level ``rtl``, and compare it with golden.

    Args:
        run: the run directory, with ``network.safetensors`` and ``rtl/``.
        frames: how many frames of the test set, or random ones if there is none; None for all.
        seed: of the random stalls, and of random frames.
        simulator: which one to use.
        timeout: seconds that each simulation may take; by default any time while it makes progress.
        progress: is told what is being done, every few seconds.

    Returns:
        What ``RUN/verify/rtl.json`` holds. It is the stored result if nothing changed.

    Raises:
        BadInputError: the run lacks something, or its hardware belongs to another network.
        MissingToolError: there is no simulator.
        SimulationError: the simulation crashed or hung.
        MismatchError: hardware and golden differ, in a value, a cycle or a stream rule. The
            result has been written.
    """
    network = load_network(run / "network.safetensors")
    design = rtl_design(run, network)
    return verify_design(
        run,
        network,
        design,
        frames=frames,
        seed=seed,
        simulator=simulator,
        timeout=timeout,
        progress=progress,
    )


def rtl_design(run: Path, network: Network) -> DesignUnderTest:
    """Return the generated Verilog of ``run``; raises what :func:`read_interface` does."""
    interface = read_interface(run, network)
    source = run / "rtl" / "top.v"
    facts = {"of": {"rtl/top.v": digest(source.read_bytes())}}
    return DesignUnderTest("rtl", run / "verify", interface, (source,), facts=facts)


def verify_design(
    run: Path,
    network: Network,
    design: DesignUnderTest,
    *,
    frames: int | None = None,
    seed: int = 0,
    simulator: Simulator = "icarus",
    again: bool = False,
    timeout: float | None = None,
    progress: Progress = silent,
) -> LevelResult:
    """Simulate ``design``, even if that was done (``again``), and compare it with golden.

    See :func:`verify_rtl`.
    """
    given, origin = read_frames(run, network, frames, seed)
    folder, level = design.folder, design.level
    tool = simulator_version(simulator)
    most = STALLED_FRAMES if frames is None else frames
    bench = replace(bench_of(network, design, given, most, seed, simulator), timeout=timeout)
    inputs = _digest_inputs(network, design, given, bench, tool)
    stored = run / "verify" / f"{level}.json"
    with locked_folder(
        folder, lambda: progress("verify: waiting for another 'htaflow verify' of the run")
    ):
        earlier = None if again else _stored(stored, inputs)
        result: Mapping[str, Any]
        if earlier is not None:
            progress(f"verify {level}: unchanged")
            result = earlier
        else:
            progress(f"verify {level}: {len(given)} frames ({origin}), {tool}")
            _tell_age(run, design, progress)
            result = {
                "level": level,
                "network": network.digest,
                "frames_from": origin,
                **design.facts,
                **_simulate(network, given, bench, folder, progress),
                "simulator": tool,
                "inputs": inputs,
            }
            write_json(stored, result)
    if result["problems"]:
        raise MismatchError(_explain(run, folder, stored, result))
    return cast(LevelResult, result)


def _digest_inputs(
    network: Network, design: DesignUnderTest, frames: IntArray, bench: Bench, tool: str
) -> str:
    """Return the digest of all that decides the result: design, frames, bench, tool and code."""
    return digest(
        *(source.read_bytes() for source in design.sources),
        json.dumps(design.interface, sort_keys=True),
        repr((design.port, design.toplevel, design.build_args, sorted(design.facts.items()))),
        network.digest,
        frames.astype("<i4").tobytes(),
        bench.beats.tobytes(),
        bench.expected.tobytes(),
        f"{bench.stalled_frames} {bench.seed} {tool} cocotb {version('cocotb')}",
        *(path.read_bytes() for path in sorted(Path(__file__).parent.rglob("*.py"))),
    )


def _tell_age(run: Path, design: DesignUnderTest, progress: Progress) -> None:
    """Report that dropped frames are not tried if ``design`` is too old to tell of them."""
    if design.port == "stream" and "dropped_cycles" not in design.interface:
        progress(
            f"verify {design.level}: the Verilog was made by an earlier version and has no port "
            f"'dropped'; run 'htaflow convert {run}' to have dropped frames told and tried"
        )


def read_interface(run: Path, network: Network) -> Interface:
    """Return ``rtl/top.json``; raise ``BadInputError`` if it or ``top.v`` is not ``network``'s."""
    again = f"run 'htaflow convert {run / 'network.safetensors'} --out {run}'"
    source, described = run / "rtl" / "top.v", run / "rtl" / "top.json"
    for path in (source, described):
        if not path.is_file():
            raise BadInputError(f"{path}: there is no such file; {again}")
    try:
        interface = parse_json(described.read_text(encoding="utf-8"), Interface)
    except ValueError as error:
        raise BadInputError(f"{described}: it is damaged: {error}; {again}") from None
    with source.open(encoding="utf-8", errors="replace") as file:
        header = file.read(4096)
    if interface["digest"] != network.digest or network.digest not in header:
        raise BadInputError(f"{source}: it was made from another network; {again}")
    try:
        inputs, outputs = layouts(network, interface["bus_bits"])
        true = (inputs.beats, outputs.width)
    except BadInputError:
        true = None
    cycles = [interface[name] for name in ("latency_cycles", "interval_cycles", "frames_held")]
    if "dropped_cycles" in interface:
        cycles.append(interface["dropped_cycles"])
    if true != (interface["beats"], interface["output_bits"]) or not all(
        0 < count < _MAX_CYCLES for count in cycles
    ):
        raise BadInputError(f"{described}: it does not describe this network; {again}")
    return interface


def read_frames(run: Path, network: Network, count: int | None, seed: int) -> tuple[IntArray, str]:
    """Return the frames to simulate, ``[N, features]``, and where they come from, in words."""
    if count is not None and count < 1:
        raise BadInputError(f"{count} frames cannot be simulated; ask for at least 1")
    if seed < 0:
        raise BadInputError(f"seed is {seed}; use 0 or more")
    path = run / "test.npz"
    if not path.exists():
        rng = np.random.default_rng(seed)
        low, high = network.input.low, network.input.high
        size = (count or RANDOM_FRAMES, network.input.count)
        return rng.integers(low, high + 1, size), f"random, seed {seed}"
    try:
        arrays, _ = read_npz(path, ("x",))
        given = arrays["x"]
    except KeyError as error:
        raise BadInputError(f"{path}: it is no test set: it lacks {error}; train again") from None
    except BadInputError as error:
        raise BadInputError(f"{error}; it is no test set: train again") from None
    if given.ndim == 0 or not len(given):
        raise BadInputError(f"{path}: it holds no frames; train again")
    return golden.check_frames(network, given[:count]), "test set"


def make_bench(
    run: Path,
    network: Network,
    interface: Mapping[str, Any],
    frames: IntArray,
    most: int,
    seed: int,
    simulator: Simulator,
) -> Bench:
    """Return the bench of level ``rtl`` on ``frames``, ``most`` of them at most with stalls."""
    design = DesignUnderTest("rtl", run / "verify", interface, (run / "rtl" / "top.v",))
    return bench_of(network, design, frames, most, seed, simulator)


def bench_of(
    network: Network,
    design: DesignUnderTest,
    frames: IntArray,
    most: int,
    seed: int,
    simulator: Simulator,
) -> Bench:
    """Return the bench that simulates ``frames``, ``most`` of them at most with stalls."""
    interface = design.interface
    inputs, outputs = layouts(network, interface["bus_bits"])
    cycles = max(inputs.beats, interface["interval_cycles"])
    # A few frames at least, however long: what stalls can break shows within one.
    stalled = max(20, min(STALLED_FRAMES, STALLED_CYCLES // cycles, most))
    return Bench(
        interface,
        design.sources,
        inputs.pack(frames),
        outputs.pack(golden.run(network, frames)),
        port=design.port,
        toplevel=design.toplevel,
        seed=seed,
        stalled_frames=stalled if design.port == "stream" else SERIAL_STALLED,
        simulator=simulator,
        build_args=design.build_args,
    )


def _simulate(
    network: Network,
    frames: IntArray,
    bench: Bench,
    folder: Path,
    progress: Progress,
) -> dict[str, Any]:
    """Run the bench, and again around what is wrong; return the facts for ``LEVEL.json``."""
    begun = time.monotonic()
    bench.write(folder)
    phases = run_bench(folder, progress=progress)
    wrong = next((test for test in CHECKS if is_wrong(phases[test])), None)
    first = None
    if wrong is not None:
        progress(f"verify: test '{wrong}' failed; simulating it again with a waveform")
        first = locate(network, frames, bench, folder, wrong, phases[wrong])
    kept = None if first is None else first["waveform"]
    for waveform in set(WAVEFORMS.values()) - {kept}:
        (folder / waveform).unlink(missing_ok=True)  # of what was wrong before
    full = phases["full_rate"]
    return {
        "frames": full["frames"],
        "mismatches": full["mismatches"],
        "first_mismatch": first,
        "latency_cycles": _cycles(full["latency"]),
        "interval_cycles": _cycles(full["interval"]),
        "rule_violations": full["rule_violations"],
        "stalled": _short(phases["stalled"]) | {"seed": bench.seed},
        "reset": _short(phases["reset"]),
        "framing": _short(phases["framing"]),
        "problems": [f"{test}: {what}" for test in CHECKS for what in phases[test]["problems"]],
        "cycles": sum(phase["cycles"] for phase in phases.values()),
        "seconds": round(time.monotonic() - begun, 3),
    }


def _cycles(spread: dict[str, Any]) -> dict[str, Any]:
    return {name: spread[name] for name in ("predicted", "measured", "wrong")}


def _short(phase: dict[str, Any]) -> dict[str, Any]:
    return {name: phase[name] for name in ("frames", "mismatches", "rule_violations")}


def _stored(path: Path, inputs: str) -> LevelResult | None:
    """Return the result at ``path`` if it was made from the same inputs."""
    try:
        result = read_json(path, LevelResult)
    except BadInputError:
        return None
    if result is None or result["inputs"] != inputs:
        return None
    if result["problems"] and misfit(result.get("first_mismatch"), Mismatch) is not None:
        return None
    return result


def _explain(run: Path, folder: Path, path: Path, result: Mapping[str, Any]) -> str:
    """Return in words what differs, where, and where to look."""
    lines = [f"{run}: hardware and golden differ at level {result['level']}"]
    first = result["first_mismatch"]
    if first["frame"] is not None:
        layer = f"layer '{first['layer']}'" if first["layer"] else "layer unknown"
        neuron = "" if first["neuron"] is None else f", neuron {first['neuron']}"
        step = "" if first["step"] is None else f", step {first['step']}"
        lines.append(
            f"test '{first['test']}', frame {first['frame']}, {layer}{neuron}{step}, cycle "
            f"{first['cycle']}: expected {first['expected']}, got {first['got']}"
        )
    lines += result["problems"][:6]
    if first["waveform"]:
        when = "" if first["time_ns"] is None else f", at {first['time_ns']:g} ns"
        lines.append(f"waveform: {folder / first['waveform']}{when}")
    lines.append(f"all of it: {path}; run it again alone: python {folder / 'run.py'}")
    return "\n  ".join(lines)
