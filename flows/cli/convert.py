"""``htaflow convert``."""

import argparse
from pathlib import Path

from htaflow.flows import summary
from htaflow.flows.cli.options import add_out, add_pipeline, positive, show_progress

HELP = "turn an integer network into Verilog"
EXAMPLE = "htaflow convert runs/digits --bus 64"


def add_options(verb: argparse.ArgumentParser) -> None:
    """Add what the verb takes."""
    verb.add_argument("file", type=Path, metavar="FILE", help="a network file or a run directory")
    add_out(
        verb,
        "run directory to write, into which the network is copied (default: FILE, if it is one); "
        "one that holds a different network is refused",
        required=False,
    )
    verb.add_argument(
        "--bus",
        type=positive,
        metavar="BITS",
        help="width of the input stream, a multiple of 8 (default: a whole frame in one beat)",
    )
    verb.add_argument(
        "--target",
        default="portable",
        metavar="NAME",
        help="portable, or the family whose own cells are used: xilinx, ice40, ecp5 "
        "(default: %(default)s)",
    )
    add_pipeline(verb, "any number")


def run(options: argparse.Namespace) -> int:
    """Run the verb, print what it found, and return the exit code."""
    from htaflow.flows.convert import convert

    interface = convert(
        options.file,
        options.out,
        bus_bits=options.bus,
        target=options.target,
        pipeline=options.pipeline,
        depth=options.depth,
        progress=show_progress(),
    )
    print(summary.table(summary.convert_rows(interface)))
    return 0
