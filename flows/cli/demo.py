"""``htaflow demo``."""

import argparse
from pathlib import Path

from htaflow.flows import summary
from htaflow.flows.cli.options import show_progress

HELP = "train, convert, verify, build and report on built-in handwritten digits"
EXAMPLE = "htaflow demo --out runs/digits"


def add_options(verb: argparse.ArgumentParser) -> None:
    """Add what the verb takes."""
    verb.add_argument(
        "--out",
        type=Path,
        default=Path("runs/digits"),
        metavar="RUN",
        help="run directory (default: %(default)s)",
    )


def run(options: argparse.Namespace) -> int:
    """Run the verb, print what it found, and return the exit code."""
    from htaflow.flows.demo import demo
    from htaflow.model.run_directory import Run

    results = demo(options.out, progress=show_progress())
    rows = [*summary.train_rows(results["train"]), *summary.verify_rows(results["verify"])]
    print(summary.table(rows))
    print("\n" + summary.table(summary.build_rows(Run(options.out), results["build"])))
    for line in summary.diagnostic_lines(results["build"]):
        print(line)
    print(f"\nreport: {results['page']}")
    return 0
