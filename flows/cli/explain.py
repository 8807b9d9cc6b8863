"""``htaflow explain``."""

import argparse

from htaflow.flows import summary
from htaflow.flows.cli.options import add_run, add_timeout, natural, show_progress

HELP = "say which concepts the hardware saw in a test frame, and how each moved its decision"
EXAMPLE = "htaflow explain runs/digits-icbm --frame 12"


def add_options(verb: argparse.ArgumentParser) -> None:
    """Add what the verb takes."""
    add_run(verb)
    verb.add_argument(
        "--frame",
        type=natural,
        default=0,
        metavar="N",
        help="which frame of the test set (default: %(default)s)",
    )
    add_timeout(verb)


def run(options: argparse.Namespace) -> int:
    """Run the verb, print what it found, and return the exit code."""
    from htaflow.flows.explain import explain

    result = explain(
        options.directory, options.frame, timeout=options.timeout, progress=show_progress()
    )
    print(summary.decision_line(result))
    if line := summary.feature_line(result):
        print(line)
    print(summary.table(summary.explain_rows(result)))
    return 0
