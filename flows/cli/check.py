"""``htaflow check``."""

import argparse
import json
from pathlib import Path

from htaflow.flows.cli.onnx_options import add_onnx, onnx_options
from htaflow.model.support.errors import BadInputError

HELP = "list every problem of a network file or an ONNX model, each with its fix"
EXAMPLE = "htaflow check runs/digits/network.safetensors --json"


def add_options(verb: argparse.ArgumentParser) -> None:
    """Add what the verb takes."""
    verb.add_argument(
        "file", type=Path, metavar="FILE", help="a network file, a run directory or an ONNX model"
    )
    add_onnx(verb)
    verb.add_argument("--json", action="store_true", help="print the problems as JSON")


def run(options: argparse.Namespace) -> int:
    """Run the verb, print what it found, and return the exit code."""
    from htaflow.flows.check import check
    from htaflow.model.integer.problems import describe_problems

    problems = check(options.file, onnx=onnx_options(options))
    if options.json:
        found = [vars(problem) for problem in problems]
        print(json.dumps({"file": str(options.file), "problems": found}, indent=2))
    elif problems:
        print(describe_problems(str(options.file), problems))
    else:
        print(f"{options.file}: no problems")
    return BadInputError.exit_code if problems else 0
