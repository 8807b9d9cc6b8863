"""Why the numbers can be trusted: every level, faults injected, and proofs, of one network.

    python benchmarks/trust.py [MODEL] [--data DATA] [--boards NAME ...] [--frames N]
        [--simulator NAME] [--out FOLDER]

The model is trained, converted and built; then it is verified at every level, faults are injected
into its hardware and into what the bench expects, and everything that can be proved is. Steps that
are done are not repeated, so an interrupted benchmark goes on; seconds are those of when a step was
done. A model is an entry in ``benchmarks/results/trust.json``, and ``trust.md`` has all entries.
"""

import argparse
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from flow import cycles

from htaflow.flows.build.parallel import build_all
from htaflow.flows.convert import convert
from htaflow.flows.mutation.mutate import mutate
from htaflow.flows.prove import prove
from htaflow.flows.report.report import report
from htaflow.flows.verify import verify
from htaflow.model.support.files import write_atomic, write_json
from htaflow.model.training.train import train
from htaflow.sim.runner import Simulator

RESULTS = Path(__file__).parent / "results"
BOARDS = ("icebreaker", "ulx3s-25f")
TIME_LIMIT = 5400
"""Seconds that one tool may take."""

LEVELS_HEAD = (
    "| network | level | frames | mismatches | latency: predicted = measured"
    " | interval: predicted = measured | seconds |\n|---|---|---|---|---|---|---|\n"
)
PROOFS_HEAD = (
    "| network | proof | what | statements | proved | seconds |\n|---|---|---|---|---|---|\n"
)
MUTATION_HEAD = (
    "| network | faults | caught | proved to change nothing | survived | score"
    " | corrupted references: noticed | seconds |\n|---|---|---|---|---|---|---|---|\n"
)


def measure(
    model: str,
    data: str,
    boards: Sequence[str],
    frames: int | None,
    simulator: Simulator,
    mutants: int,
    out: Path,
) -> dict[str, Any]:
    """Do everything with one model; return its entry."""
    run = out / f"{model}-0"
    trained = train(model, data, run, progress=print)
    convert(run, progress=print)
    built = build_all(run, boards, timeout=TIME_LIMIT, progress=print)
    levels = verify(
        run, level="all", boards=boards, frames=frames, simulator=simulator, progress=print
    )
    proofs = prove(run, progress=print)
    mutation = mutate(run, mutants=mutants, time_limit=TIME_LIMIT, progress=print)
    report(run, progress=print)
    kept = ("mutants", "caught", "equivalent", "survived", "score", "reference", "seconds", "seed")
    return {
        "network": trained["network"],
        "levels": [
            {key: level[key] for key in ("level", "frames", "mismatches", "seconds")}
            | {key: level[f"{key}_cycles"] for key in ("latency", "interval")}
            for level in levels
        ],
        "proofs": {
            name: {key: proof[key] for key in ("what", "items", "proved", "seconds")}
            for name, proof in proofs.items()
        },
        "mutation": {key: mutation[key] for key in kept},
        "versions": {
            **trained["versions"],
            **{
                name: version
                for each in built.values()
                for name, version in each["versions"].items()
            },
            **dict([levels[0]["simulator"].split(" ", 1)]),
        },
    }


def tables(entries: Mapping[str, Any]) -> str:
    """Return all entries as Markdown."""
    levels, proofs, mutations = [], [], []
    versions: dict[str, str] = {}
    for model, entry in entries.items():
        versions |= entry["versions"]
        for level in entry["levels"]:
            counted = " | ".join(cycles(level[key]) for key in ("latency", "interval"))
            levels.append(
                f"| {model} | {level['level']} | {level['frames']} | {level['mismatches']}"
                f" | {counted} | {level['seconds']:.0f} |\n"
            )
        for name, proof in entry["proofs"].items():
            proofs.append(
                f"| {model} | {name} | {proof['what']} | {proof['items']} | {proof['proved']}"
                f" | {proof['seconds']:.0f} |\n"
            )
        found = entry["mutation"]
        reference = found["reference"]
        mutations.append(
            f"| {model} | {found['mutants']} | {found['caught']} | {found['equivalent']}"
            f" | {found['survived']} | {100 * found['score']:.1f} %"
            f" | {reference['caught']} of {reference['corrupted']} | {found['seconds']:.0f} |\n"
        )
    tools = ", ".join(f"{tool} {versions[tool]}" for tool in sorted(versions))
    return "\n".join(
        [
            LEVELS_HEAD + "".join(levels),
            MUTATION_HEAD + "".join(mutations),
            PROOFS_HEAD + "".join(proofs),
            f"Seed 0. {tools}.\n",
        ]
    )


def main() -> None:
    """Measure one model and write the tables."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("model", nargs="?", default="digits")
    parser.add_argument("--data", default="digits")
    parser.add_argument("--boards", nargs="+", default=BOARDS, metavar="NAME")
    parser.add_argument("--frames", type=int, help="at every level (default: all)")
    parser.add_argument("--simulator", choices=("icarus", "verilator"), default="icarus")
    parser.add_argument("--mutants", type=int, default=100)
    parser.add_argument("--out", type=Path, default=Path("runs/benchmark"))
    options = parser.parse_args()
    entry = measure(
        options.model,
        options.data,
        options.boards,
        options.frames,
        options.simulator,
        options.mutants,
        options.out,
    )
    path = RESULTS / "trust.json"
    entries = (json.loads(path.read_text()) if path.exists() else {}) | {options.model: entry}
    write_json(path, entries)
    text = tables(entries)
    write_atomic(RESULTS / "trust.md", text)
    print(text)


if __name__ == "__main__":
    main()
