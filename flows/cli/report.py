"""``htaflow report``."""

import argparse

from htaflow.flows.cli.options import add_run, show_progress

HELP = "write one self-contained HTML page, and the same facts as JSON"
EXAMPLE = "htaflow report runs/digits"


def add_options(verb: argparse.ArgumentParser) -> None:
    """Add what the verb takes."""
    add_run(verb)


def run(options: argparse.Namespace) -> int:
    """Run the verb, print what it found, and return the exit code."""
    from htaflow.flows.report.report import report

    print(report(options.directory, progress=show_progress()))
    return 0
