"""``htaflow bisect``."""

import argparse

from htaflow.flows import summary
from htaflow.flows.cli.options import (
    add_simulated,
    add_stimuli,
    add_timeout,
    show_progress,
    simulation_options,
)

HELP = "find where two stations part: the first layer, neuron and cycle, with a short waveform"
EXAMPLE = "htaflow bisect runs/digits"


def add_options(verb: argparse.ArgumentParser) -> None:
    """Add what the verb takes."""
    add_simulated(verb)
    add_stimuli(verb)
    add_timeout(verb)


def run(options: argparse.Namespace) -> int:
    """Run the verb, print what it found, and return the exit code."""
    from htaflow.flows.bisect import bisect

    result = bisect(
        **simulation_options(options),
        progress=show_progress(),
    )
    for line in summary.bisect_lines(result):
        print(line)
    return 1 if result["parting"] else 0
