"""``htaflow export``."""

import argparse
from pathlib import Path

from htaflow.flows.cli.options import add_run, show_progress

HELP = "write a run's network for other tools, such as a QONNX model"
EXAMPLE = "htaflow export runs/digits --to qonnx --out digits.onnx"


def add_options(verb: argparse.ArgumentParser) -> None:
    """Add what the verb takes."""
    add_run(verb)
    verb.add_argument(
        "--to", choices=("qonnx",), default="qonnx", help="the format (default: %(default)s)"
    )
    verb.add_argument(
        "--out", type=Path, metavar="FILE", help="the file to write (default: RUN/network.onnx)"
    )


def run(options: argparse.Namespace) -> int:
    """Run the verb, print what it wrote, and return the exit code."""
    from htaflow.flows.export import export

    print(export(options.directory, options.out, to=options.to, progress=show_progress()))
    return 0
