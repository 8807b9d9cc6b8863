"""The whole flow on zoo models: accuracy, cycles and resources, as the README's table shows them.

    python benchmarks/flow.py --mnist FOLDER [--out FOLDER] [--seed N]

Each model is trained, lowered, built for the boards named below, and converted to the same logic
as the first of them gets, which is then verified on every test frame. Steps that are done are not
repeated, so an interrupted benchmark goes on. Writes ``benchmarks/results/flow.md``; runs lie under
``--out``. Without ``--mnist``, only the digits.
"""

import argparse
import platform
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any

from htaflow.flows.board import load_board
from htaflow.flows.build import build
from htaflow.flows.convert import convert
from htaflow.flows.report import report
from htaflow.model.files import write_atomic
from htaflow.model.train import train
from htaflow.sim.verify import verify


@dataclass(frozen=True)
class Build:
    """One bitstream: for which board, at which clock in MHz if not its own, of how many seeds."""

    board: str
    clock: float | None = None
    seeds: int = 1


BUILDS = {
    "digits": (Build("icebreaker"), Build("ulx3s-25f")),
    "mnist-small": (Build("ulx3s-25f"),),
    "mnist-up5k": (Build("icebreaker", seeds=3),),
    "mnist-m": (Build("ulx3s-25f", clock=80, seeds=3),),
}
RESULTS = Path(__file__).parent / "results" / "flow.md"

HEADER = (
    "| model | accuracy float / hard / golden, % | frames verified: mismatches | latency, interval:"
    " predicted = measured | board | LUT | FF | RAM | clock, MHz | fmax, MHz |\n"
    "|---|---|---|---|---|---|---|---|---|---|\n"
)


def measure(model: str, data: str, out: Path, seed: int) -> tuple[list[str], dict[str, str]]:
    """Run the flow on one model; return its rows of the table, and the versions of the tools."""
    run = out / f"{model}-{seed}"
    trained = train(model, data, run, seed=seed, progress=print)
    built = [
        build(run, wanted.board, clock_mhz=wanted.clock, seeds=wanted.seeds, progress=print)
        for wanted in BUILDS[model]
    ]
    family = load_board(BUILDS[model][0].board).family
    convert(run, target=family, depth=built[0]["depth"], progress=print)
    verified = verify(run, progress=print)
    accuracy = " / ".join(f"{100 * value:.2f}" for value in trained["accuracy"].values())
    cycles = ", ".join(_cycles(verified[name]) for name in ("latency_cycles", "interval_cycles"))
    rows = []
    versions: dict[str, str] = dict(trained["versions"])
    for board in built:
        versions |= board["versions"]
        used = " | ".join(f"{board[kind]['used']}" for kind in ("LUT", "FF", "BRAM"))
        rows.append(
            f"| {model} | {accuracy} | {verified['frames']}: {verified['mismatches']} | {cycles} "
            f"| {board['board']} | {used} | {board['clock_mhz']:g} | {_fmax(board)} |\n"
        )
    report(run, progress=print)
    return rows, versions


def _fmax(built: dict[str, Any]) -> str:
    """Return the fastest clock, or how it spreads over the placer's seeds: median (min to max)."""
    values = list(built["fmax_by_seed"].values())
    if len(values) == 1:
        return f"{values[0]:.1f}"
    return f"{median(values):.1f} ({min(values):.1f} to {max(values):.1f}, {len(values)} seeds)"


def _cycles(entry: dict[str, Any]) -> str:
    same = "=" if entry["predicted"] == entry["measured"] else "!="
    return f"{entry['predicted']} {same} {entry['measured']}"


def main() -> None:
    """Measure every model and write the table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--mnist", help="folder with MNIST's four IDX files, or 'mnist'")
    parser.add_argument("--out", type=Path, default=Path("runs/benchmark"))
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    rows: list[str] = []
    versions: dict[str, str] = {}
    for model in BUILDS:
        data = options.mnist if model.startswith("mnist") else "digits"
        if data is None:
            continue
        found, used = measure(model, data, options.out, options.seed)
        rows += found
        versions |= used
    tools = ", ".join(f"{name} {number}" for name, number in sorted(versions.items()))
    footer = f"Seed {options.seed}. Python {platform.python_version()}, {tools}.\n"
    text = f"{HEADER}{''.join(rows)}\n{footer}"
    write_atomic(RESULTS, text)
    print(text)


if __name__ == "__main__":
    main()
