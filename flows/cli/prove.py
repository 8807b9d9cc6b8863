"""``htaflow prove``."""

import argparse

from htaflow.flows import summary
from htaflow.flows.cli.options import add_run, show_progress

HELP = "prove for all inputs that the Verilog is the integer network and the netlist the Verilog"
EXAMPLE = "htaflow prove runs/digits"


def add_options(verb: argparse.ArgumentParser) -> None:
    """Add what the verb takes."""
    add_run(verb)


def run(options: argparse.Namespace) -> int:
    """Run the verb, print what it found, and return the exit code."""
    from htaflow.flows.prove import prove

    found = prove(options.directory, progress=show_progress())
    print(summary.table(summary.prove_rows(found)))
    return 0
