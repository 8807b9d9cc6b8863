"""``htaflow verify --mutate``: would the bench notice? Faults are injected, one at a time, to see.

Each fault is caught by the bench or proved to change nothing that can be observed; any other is a
survivor and counts against the score. Besides, what the bench expects is corrupted: then it must
fail, or it checks nothing. Writes ``RUN/verify/mutation.json``.
"""

import json
import os
import time
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from htaflow.flows.mutation.mutant_check import cycles_a_frame
from htaflow.flows.mutation.worker_pool import Job, Worker, judge_all
from htaflow.flows.tools.tools import find_tool
from htaflow.model.integer.network import Network
from htaflow.model.run_directory import Run, source_digest, unchanged
from htaflow.model.support.arguments import checked
from htaflow.model.support.errors import BadInputError, MismatchError
from htaflow.model.support.files import digest, locked_folder, write_json
from htaflow.model.support.progress import Progress, silent
from htaflow.model.support.results import Object
from htaflow.sim.faults.fault import Fault
from htaflow.sim.faults.mutant import HardwareOptions, draw, right
from htaflow.sim.runner import simulator_version
from htaflow.sim.verify import read_frames, read_interface

MUTANTS = 100
FRAMES, LEAST_FRAMES, CYCLES = 1000, 20, 20_000
"""By default: most frames, least frames, and about how many cycles in all.

Frames that show a fault of the network are looked for in its netlist, so that a few do here.
"""

TIME_LIMIT = 1800.0
"""Seconds after which no more faults are begun."""

SOLVER_SECONDS = 60.0
"""What one question to the SAT solver may take."""

CORRUPTED_WORDS = 4
"""Frames of which, one at a time, a bit of the expected word is corrupted."""

Facts = dict[str, Any]


@checked
def mutate(
    run: str | Path,
    *,
    mutants: int = MUTANTS,
    seed: int = 0,
    frames: int | None = None,
    workers: int | None = None,
    time_limit: float | None = TIME_LIMIT,
    solver_seconds: float = SOLVER_SECONDS,
    progress: Progress = silent,
) -> Facts:
    """Inject faults into the hardware of ``run`` and see whether its bench notices.

    Args:
        run: the run directory, with ``network.safetensors`` and ``rtl/``.
        mutants: how many faults are drawn, evenly over their kinds and the layers.
        seed: of the draw, of stalls and of random frames.
        frames: how many frames of the test set, or random ones if there is none; by default what
            :data:`FRAMES` says.
        workers: processes at once; by default one a core.
        time_limit: seconds after which no more faults are begun; those not judged by then count
            against the score.
        solver_seconds: what one question to the SAT solver may take.
        progress: is told how many are done, every few seconds.

    Returns:
        What ``RUN/verify/mutation.json`` holds; the stored result if nothing changed. ``score`` is
        the share of caught ones among those not proved equivalent.

    Raises:
        BadInputError: the run lacks something, or its hardware is not what this version makes.
        MissingToolError: there is no simulator, or no Yosys.
        MismatchError: the bench does not even pass the right hardware.
    """
    if mutants < 1:
        raise BadInputError(f"{mutants} mutants cannot be judged; ask for at least 1")
    run = Path(run)
    task = _prepare(run, mutants, seed, frames, solver_seconds)
    folder, stored = run / "verify", Run(run).verify("mutation")
    with locked_folder(
        folder, lambda: progress("mutate: waiting for another 'htaflow verify' of the run")
    ):
        result = unchanged(stored, task.inputs, Object)
        if result is not None and not result["not_judged"]:
            progress("mutate: unchanged")
            return result
        partial = folder / ".mutation.jsonl"
        result = _judge(task, partial, workers or os.cpu_count() or 1, time_limit, progress)
        write_json(stored, result)
        partial.unlink(missing_ok=True)
    return result


@dataclass(frozen=True)
class _Task:
    """The hardware that faults are injected into, and what it is simulated with.

    ``options`` are those that the user gave, as the result holds them; ``inputs`` is the digest of
    all that decides the result.
    """

    run: Path
    network: Network
    interface: Mapping[str, Any]
    design: HardwareOptions
    frames: int
    origin: str
    simulator: str
    yosys: str
    options: Facts
    inputs: str


def _prepare(
    run: Path, mutants: int, seed: int, frames: int | None, solver_seconds: float
) -> _Task:
    """Read the run and find the tools. Raises what :func:`mutate` does."""
    here = Run(run)
    network = here.load_network()
    interface = read_interface(run, network)
    if frames is None:
        frames = min(FRAMES, max(LEAST_FRAMES, CYCLES // cycles_a_frame(interface)))
    given, origin = read_frames(run, network, frames, seed)
    if len(given) < 2:
        raise BadInputError(f"{run}: mutation needs two frames at least, to see the interval")
    verilog = here.verilog.read_text(encoding="utf-8")
    simulator, yosys = simulator_version(), find_tool("yosys").version
    design = HardwareOptions.of(network, interface, verilog)
    if not verilog.endswith(right(design).verilog):
        raise BadInputError(
            f"{here.verilog}: it is not what this version makes of the network; "
            f"run 'htaflow convert {run}'"
        )
    options = {"mutants": mutants, "seed": seed, "solver_seconds": solver_seconds}
    inputs = digest(
        verilog,
        json.dumps(interface, sort_keys=True),
        network.digest,
        given.astype("<i4").tobytes(),
        json.dumps(options),
        f"{simulator} {yosys}",
        source_digest("htaflow.sim", "htaflow.hw", "htaflow.model.integer", "htaflow.flows"),
    )
    return _Task(
        run, network, interface, design, len(given), origin, simulator, yosys, options, inputs
    )


def _judge(
    task: _Task, partial: Path, workers: int, time_limit: float | None, progress: Progress
) -> Facts:
    """Judge every fault and every corrupted reference; return what ``mutation.json`` holds.

    Verdicts are kept in ``partial`` as they come, so that another call goes on from there.
    """
    begun = time.monotonic()
    seed = task.options["seed"]
    faults = draw(task.design, task.options["mutants"], seed)
    jobs = [Job(f"fault {fault}", fault.describe()) for fault in faults]
    reference = _references(task.interface, task.frames, seed)
    progress(
        f"mutate: {len(faults)} faults, {task.frames} frames ({task.origin}), {task.simulator}"
    )
    verdicts = judge_all(
        Worker(task.run, task.frames, seed, task.options["solver_seconds"]),
        [*reference, *jobs],
        partial=partial,
        inputs=task.inputs,
        workers=workers,
        time_limit=time_limit,
        progress=progress,
    )
    if wrong := verdicts.get("control"):
        raise MismatchError(
            f"{task.run}: the bench does not pass the right hardware: {wrong}; "
            f"'htaflow verify {task.run}' says where"
        )
    return {
        "network": task.network.digest,
        "frames": task.frames,
        "frames_from": task.origin,
        **_score(faults, [verdicts.get(job.name) for job in jobs]),
        "reference": _reference_score(reference, verdicts),
        **task.options,
        "seconds": round(time.monotonic() - begun, 1),
        "simulator": task.simulator,
        "versions": {"yosys": task.yosys},
        "inputs": task.inputs,
    }


def is_clean(result: Mapping[str, Any]) -> bool:
    """Whether every fault was caught or proved equivalent, and every corrupted reference failed."""
    reference = result["reference"]
    whole = result["caught"] + result["equivalent"] == len(result["results"])
    return bool(whole and reference["caught"] == reference["corrupted"])


def _references(interface: Mapping[str, Any], frames: int, seed: int) -> list[Job]:
    """Return what is corrupted in the bench: bits of expected words, and predicted cycles."""
    rng = np.random.default_rng([seed, 1])
    jobs = []
    for _ in range(CORRUPTED_WORDS):
        site = {
            "frame": int(rng.integers(frames)),
            "bit": int(rng.integers(interface["output_bits"])),
        }
        jobs.append(Job.of_reference("expected word", site))
    for kind in ("latency_cycles", "interval_cycles"):
        jobs += [Job.of_reference(kind, {"by": by}) for by in (-1, 1) if interface[kind] + by >= 0]
    return list(dict.fromkeys(jobs))


def _score(faults: Sequence[Fault], verdicts: Sequence[Facts | None]) -> Facts:
    """Return the score, by kind and by layer, and every fault with its verdict."""
    nothing = {"verdict": "survived", "reason": "not judged within the time limit"}
    results = [
        {**fault.describe(), **(verdict or nothing)}
        for fault, verdict in zip(faults, verdicts, strict=True)
    ]
    counts = Counter(result["verdict"] for result in results)
    relevant = len(results) - counts["equivalent"]
    caught = [result for result in results if result["verdict"] == "caught"]
    return {
        "score": counts["caught"] / relevant if relevant else 1.0,
        "caught": counts["caught"],
        "caught_directed": sum(result["directed"] for result in caught),
        "caught_by": dict(Counter(result["test"] for result in caught).most_common()),
        "equivalent": counts["equivalent"],
        "survived": counts["survived"],
        "not_judged": sum(verdict is None for verdict in verdicts),
        "by_kind": _by("kind", results),
        "by_layer": _by("layer", results),
        "results": results,
    }


def _by(key: str, results: Iterable[Facts]) -> list[Facts]:
    """Return how many of each verdict there are, for each value of ``key``."""
    rows: dict[str, Facts] = {}
    for result in results:
        row = rows.setdefault(
            result[key], {key: result[key], "mutants": 0, "caught": 0, "equivalent": 0}
        )
        row["mutants"] += 1
        if result["verdict"] in row:
            row[result["verdict"]] += 1
    return [
        {**row, "survived": row["mutants"] - row["caught"] - row["equivalent"]}
        for row in rows.values()
    ]


def _reference_score(jobs: Sequence[Job], verdicts: Mapping[str, Any]) -> Facts:
    missed = [job.name for job in jobs if (verdicts.get(job.name) or {}).get("verdict") != "caught"]
    return {"corrupted": len(jobs), "caught": len(jobs) - len(missed), "missed": missed}
