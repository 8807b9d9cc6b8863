"""``htaflow doctor``."""

import argparse

from htaflow.flows import summary
from htaflow.model.support.errors import MissingToolError

HELP = "say which tools are here, in which versions, and what to install"
EXAMPLE = "htaflow doctor"


def add_options(verb: argparse.ArgumentParser) -> None:
    """Add nothing."""


def run(options: argparse.Namespace) -> int:
    """Run the verb, print what it found, and return the exit code."""
    from htaflow.flows.doctor import doctor

    tools = doctor()
    print(summary.table(summary.doctor_rows(tools)))
    return 0 if all(tool.here or tool.optional for tool in tools) else MissingToolError.exit_code
