"""The ``htaflow`` command: each verb calls the Python function of the same name.

Results go to stdout, progress and messages to stderr. Exit codes: 0 done, 1 the answer is no, 2 bad
input or a missing tool. A verb is a module here, with ``HELP``, ``EXAMPLE``, ``add_options`` and
``run``. Verbs import what they need when they run, so that ``--help`` is fast.
"""

import argparse
import importlib.metadata
import io
import os
import sys
from collections.abc import Sequence
from typing import NoReturn

from htaflow.flows.cli import (
    bisect,
    build,
    check,
    convert,
    demo,
    doctor,
    explain,
    export,
    prove,
    report,
    train,
    verify,
)
from htaflow.model.support.errors import BadInputError, HtaflowError, did_you_mean
from htaflow.model.support.signals import TerminatedError, clean_exit_on_signals, suppress_warnings

_VERBS = (
    demo,
    train,
    check,
    convert,
    export,
    verify,
    bisect,
    build,
    explain,
    prove,
    report,
    doctor,
)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one verb and return the exit code; ``arguments`` defaults to the process's."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):  # names may hold what its encoding lacks
            stream.reconfigure(errors="backslashreplace")
    try:
        options = _parse(sys.argv[1:] if arguments is None else list(arguments))
        with clean_exit_on_signals():
            code: int = options.run(options)
        if sys.stdout is not None:  # as it is if the caller closed it
            sys.stdout.flush()  # so that a closed pipe shows here, not at exit
    except HtaflowError as error:
        print(f"htaflow: {error}", file=sys.stderr)
        return error.exit_code
    except KeyboardInterrupt as error:
        suppress_warnings()
        print("htaflow: interrupted; run the same command again to go on", file=sys.stderr)
        return error.exit_code if isinstance(error, TerminatedError) else 130
    except BrokenPipeError:
        # The reader has gone, as with "| head". Python would complain once more at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 141
    except OSError as error:
        where = f"{error.filename}: " if error.filename else ""
        print(f"htaflow: {where}{error.strerror or error}", file=sys.stderr)
        return 2
    return code


class _Parser(argparse.ArgumentParser):
    """Reports a usage error as every other bad input is reported."""

    def error(self, message: str) -> NoReturn:
        raise BadInputError(f"{message}; '{self.prog} --help' shows what there is")


def _parse(arguments: list[str]) -> argparse.Namespace:
    parser = _Parser(
        prog="htaflow",
        description="From a binary network trained in PyTorch to an FPGA bitstream.",
        epilog="Start with 'htaflow demo'. 'htaflow VERB --help' explains one verb.\n"
        "exit codes: 0 done, 1 the answer is no, 2 bad input or missing tool",
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    version = importlib.metadata.version("htaflow")
    parser.add_argument("--version", action="version", version=f"htaflow {version}")
    verbs = parser.add_subparsers(metavar="VERB", required=True)
    names = [module.__name__.rpartition(".")[2] for module in _VERBS]
    for name, module in zip(names, _VERBS, strict=True):
        verb = verbs.add_parser(
            name,
            help=module.HELP,
            description=module.HELP[0].upper() + module.HELP[1:] + ".",
            epilog=f"example:\n  {module.EXAMPLE}",
            formatter_class=argparse.RawDescriptionHelpFormatter,
            allow_abbrev=False,
        )
        module.add_options(verb)
        verb.set_defaults(run=module.run)
    if arguments and not arguments[0].startswith("-") and arguments[0] not in names:
        raise BadInputError(f"there is no verb '{arguments[0]}'{did_you_mean(arguments[0], names)}")
    return parser.parse_args(arguments)
