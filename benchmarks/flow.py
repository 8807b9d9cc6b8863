"""The whole flow on zoo models: accuracy, cycles and resources, as the README's table shows them.

    python benchmarks/flow.py --mnist FOLDER [--out FOLDER] [--seed N]

Each model is trained, lowered, converted, verified on every test frame and built for the boards
named below. Steps that are done are not repeated, so an interrupted benchmark goes on. Writes
``benchmarks/results/flow.md``; runs lie under ``--out``. Without ``--mnist``, only the digits.
"""

import argparse
import platform
from pathlib import Path
from typing import Any

from htaflow.flows.build import build
from htaflow.flows.convert import convert
from htaflow.flows.report import report
from htaflow.model.files import write_atomic
from htaflow.model.train import train
from htaflow.sim.verify import verify

BOARDS = {
    "digits": ("icebreaker", "ulx3s-25f"),
    "mnist-small": ("ulx3s-25f",),
    "mnist-up5k": ("icebreaker",),
}
RESULTS = Path(__file__).parent / "results" / "flow.md"

HEADER = (
    "| model | accuracy float / hard / golden, % | frames verified: mismatches | latency, interval:"
    " predicted = measured | board | LUT | FF | RAM | fmax, MHz |\n"
    "|---|---|---|---|---|---|---|---|---|\n"
)


def measure(model: str, data: str, out: Path, seed: int) -> tuple[list[str], dict[str, str]]:
    """Run the flow on one model; return its rows of the table, and the versions of the tools."""
    run = out / f"{model}-{seed}"
    trained = train(model, data, run, seed=seed, progress=print)
    convert(run, progress=print)
    verified = verify(run, progress=print)
    accuracy = " / ".join(f"{100 * value:.2f}" for value in trained["accuracy"].values())
    cycles = ", ".join(_cycles(verified[name]) for name in ("latency_cycles", "interval_cycles"))
    rows = []
    versions: dict[str, str] = dict(trained["versions"])
    for board in BOARDS[model]:
        built = build(run, board, progress=print)
        versions |= built["versions"]
        used = " | ".join(f"{built[kind]['used']}" for kind in ("LUT", "FF", "BRAM"))
        rows.append(
            f"| {model} | {accuracy} | {verified['frames']}: {verified['mismatches']} | {cycles} "
            f"| {board} | {used} | {built['fmax_mhz']:.1f} |\n"
        )
    report(run, progress=print)
    return rows, versions


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
    for model in BOARDS:
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
