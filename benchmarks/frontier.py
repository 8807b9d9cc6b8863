"""Accuracy against area: networks of the zoo beside published designs, counted the same way.

    python benchmarks/frontier.py mnist-xs mnist-s --data path/to/mnist [--seeds 0 1 2]
    python benchmarks/frontier.py runs/a runs/b

A size is a name in the zoo, trained once a seed, or a run directory that is there already; run
directories of one model are one size. The complete core is counted, encoder to class, with the
whole frame in one beat: see :mod:`htaflow.flows.count`. Accuracy is that of the integer network on
the whole test set. Nothing is trained or counted twice: an interrupted benchmark goes on.
``frontier.json``, ``frontier.md`` and ``frontier.svg`` are written to ``benchmarks/results``.
"""

import argparse
import statistics
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from frontier_plot import Point, plot

from htaflow.flows.count import COMMANDS, count
from htaflow.flows.rundir import Run, read_result
from htaflow.model.errors import BadInputError, HtaflowError
from htaflow.model.files import write_atomic, write_json
from htaflow.model.golden import run as run_golden

RESULTS = Path(__file__).parent / "results"
RUNS = Path("runs") / "frontier"

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


def main() -> int:
    """Train or load, count, and write the table and the plot."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("sizes", nargs="+", metavar="SIZE", help="zoo names or run directories")
    parser.add_argument("--data", help="what 'htaflow train --data' takes; for zoo names")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--targets", nargs="+", choices=COMMANDS, default=list(COMMANDS))
    parser.add_argument("--out", type=Path, default=RUNS, help="where zoo names are trained")
    parser.add_argument("--results", type=Path, default=RESULTS)
    options = parser.parse_args()
    try:
        rows = [
            measure(run, options.targets)
            for run in find_runs(options.sizes, options.data, options.seeds, options.out)
        ]
    except HtaflowError as error:
        print(f"frontier: {error}", file=sys.stderr)
        return error.exit_code
    sizes = summarise(rows, options.targets)
    write_json(options.results / "frontier.json", {"runs": rows, "sizes": sizes})
    text = table(sizes, options.targets)
    write_atomic(options.results / "frontier.md", text)
    write_atomic(options.results / "frontier.svg", plot(PUBLISHED, ours(sizes)))
    print(text)
    return 0


def find_runs(
    sizes: Sequence[str], data: str | None, seeds: Sequence[int], out: Path
) -> list[Path]:
    """Return the run directories of ``sizes``, trained where they are names in the zoo."""
    runs = []
    for size in sizes:
        if (Path(size) / "network.safetensors").is_file():
            runs.append(Path(size))
            continue
        from htaflow.model.train import train  # torch takes a while to import
        from htaflow.model.zoo import find_recipe

        find_recipe(size)
        if data is None:
            raise BadInputError(f"'{size}' has to be trained: say with which --data")
        for seed in seeds:
            run = out / f"{size}-{seed}"
            train(size, data, run, seed=seed, progress=say)
            runs.append(run)
    return runs


def measure(run: Path, targets: Sequence[str]) -> dict[str, Any]:
    """Return one network's size, seed, accuracy and area by target."""
    here = Run(run)
    network = here.load_network()
    test = here.load_test()
    if test is None:
        raise BadInputError(f"{run}: it has no test set to tell its accuracy by; train it here")
    frames, labels = test
    trained = read_result(here.train) or {}
    hits = run_golden(network, frames)["class"][:, 0] == labels
    return {
        "model": trained.get("model", network.name),
        "seed": trained.get("seed"),
        "network": network.digest,
        "test_frames": len(labels),
        "accuracy": round(100 * float(hits.mean()), 3),
        "area": {
            target: count(network, target, run / "count" / target, progress=say)
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


def table(sizes: Sequence[Mapping[str, Any]], targets: Sequence[str]) -> str:
    """Return the sizes as a Markdown table: median (least to largest)."""
    heads = {"xilinx": "LUT6 (xilinx)", "ice40": "LUT4 (ice40)", "ecp5": "LUT4 (ecp5)"}
    titles = ["model", "networks", "accuracy %", *(heads[target] for target in targets)]
    lines = [f"| {' | '.join(titles)} |", f"|{'---|' * len(titles)}"]
    for size in sizes:
        cells = [size["model"], str(size["networks"])]
        for key, form in (("accuracy", ".2f"), *((target, ".0f") for target in targets)):
            one = size[key]
            cells.append(f"{one['median']:{form}} ({one['min']:{form}} to {one['max']:{form}})")
        lines.append(f"| {' | '.join(cells)} |")
    commands = "".join(f"- {target}: `{COMMANDS[target]}`\n" for target in targets)
    return (
        "\n".join(lines)
        + "\n\nMedian (least to largest). The complete core, encoder to class, every look-up table "
        f"one whatever its size:\n\n{commands}"
    )


def ours(sizes: Sequence[Mapping[str, Any]]) -> list[Point]:
    """Return the medians on LUT6 as points, if they were counted."""
    return [
        Point(size["model"], size["accuracy"]["median"], size["xilinx"]["median"], True)
        for size in sizes
        if "xilinx" in size
    ]


_START = time.monotonic()


def say(message: str) -> None:
    """Tell what goes on."""
    print(f"[{time.monotonic() - _START:6.0f} s] {message}", file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())
