"""``htaflow verify``."""

import argparse

from htaflow.flows import summary
from htaflow.flows.cli.options import (
    add_simulated,
    add_stimuli,
    add_timeout,
    positive,
    show_progress,
    simulation_options,
)
from htaflow.model.support.errors import BadInputError

HELP = "simulate the hardware and compare it with the golden network, cycle by cycle"
EXAMPLE = "htaflow verify runs/digits --frames 100"


def add_options(verb: argparse.ArgumentParser) -> None:
    """Add what the verb takes."""
    add_simulated(verb)
    verb.add_argument(
        "--simulator",
        choices=("icarus", "verilator"),
        default="icarus",
        help="Verilator, 5.036 or newer, is faster where a frame takes very many cycles "
        "(default: %(default)s)",
    )
    add_stimuli(verb)
    verb.add_argument(
        "--mutate",
        action="store_true",
        help="inject faults, one at a time: each must be caught, or proved to change nothing",
    )
    verb.add_argument(
        "--mutants", type=positive, metavar="N", help="with --mutate: how many (default: 100)"
    )
    verb.add_argument(
        "--time-limit",
        type=positive,
        metavar="SECONDS",
        help="with --mutate: after which no more are begun (default: 1800)",
    )
    add_timeout(verb)


def run(options: argparse.Namespace) -> int:
    """Run the verb, print what it found, and return the exit code."""
    from htaflow.flows.verify import verify

    if options.mutate:
        return _run_mutate(options)
    if options.mutants or options.time_limit:
        raise BadInputError("--mutants and --time-limit go with --mutate")
    results = verify(
        **simulation_options(options),
        simulator=options.simulator,
        progress=show_progress(),
    )
    if options.level == "rtl":
        print(summary.table(summary.verify_rows(results[0])))
    else:
        print(summary.table(summary.level_rows(results)))
    for line in summary.diagnostic_lines({result["level"]: result for result in results}):
        print(line)
    return 0


def _run_mutate(options: argparse.Namespace) -> int:
    from htaflow.flows.mutation.mutate import MUTANTS, TIME_LIMIT, is_clean, mutate

    if options.level != "rtl":
        raise BadInputError(
            f"--mutate changes the RTL: it goes with --level rtl, not {options.level}"
        )
    if options.timeout:
        raise BadInputError("--timeout goes without --mutate, which has --time-limit")
    result = mutate(
        options.directory,
        mutants=options.mutants or MUTANTS,
        seed=options.seed,
        frames=options.frames,
        time_limit=options.time_limit or TIME_LIMIT,
        progress=show_progress(),
    )
    print(summary.table(summary.mutate_rows(result)))
    for line in summary.mutate_lines(result):
        print(line)
    return 0 if is_clean(result) else 1
