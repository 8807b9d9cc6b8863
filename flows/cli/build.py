"""``htaflow build``."""

import argparse
import sys

from htaflow.flows import summary
from htaflow.flows.cli.options import (
    add_pipeline,
    add_run,
    natural,
    number,
    positive,
    show_progress,
)
from htaflow.model.support.errors import BadInputError, HtaflowError

HELP = "synthesise, place and route, and write the bitstream for one or more boards"
EXAMPLE = "htaflow build runs/digits --board icebreaker --board ulx3s-25f"


def add_options(verb: argparse.ArgumentParser) -> None:
    """Add what the verb takes."""
    add_run(verb)
    verb.add_argument(
        "--board",
        action="append",
        required=True,
        metavar="NAME",
        help="icebreaker, ulx3s-25f, ulx3s-85f, or a .toml file that describes a board of your "
        "own; may be given several times",
    )
    verb.add_argument(
        "--clock",
        type=number,
        metavar="MHZ",
        help="at which the design runs, made from the board's oscillator by a PLL "
        "(default: the oscillator's)",
    )
    verb.add_argument(
        "--seed", type=natural, default=1, metavar="N", help="of the placer (default: %(default)s)"
    )
    verb.add_argument(
        "--seeds",
        type=positive,
        default=1,
        metavar="N",
        help="how many seeds to try, from --seed on; the fastest is kept, and those tried before "
        "are not tried again (default: %(default)s)",
    )
    add_pipeline(verb, "what --clock leaves time for")
    verb.add_argument(
        "--router",
        choices=("router1", "router2"),
        help="nextpnr's; where one finds no way in time, the other may (default: router2 for an "
        "ECP5 without --clock, else router1)",
    )
    verb.add_argument(
        "--timeout",
        type=positive,
        metavar="SECONDS",
        help="limit for each tool (default: 900, and more the larger its input)",
    )
    verb.add_argument(
        "--check",
        action="store_true",
        help="build again, aside, with the options in the build's lock.json, and say whether every "
        "file is the same; if not, which is the first, and which versions differ",
    )


def run(options: argparse.Namespace) -> int:
    """Run the verb, print what it found, and return the exit code."""
    if options.check:
        return _run_rebuild(options)
    from htaflow.flows.build.options import BuildOptions
    from htaflow.flows.build.parallel import build_all
    from htaflow.model.run_directory import Run

    names = list(dict.fromkeys(options.board))
    chosen = BuildOptions(
        seed=options.seed,
        seeds=options.seeds,
        clock_mhz=options.clock,
        timeout=options.timeout,
        pipeline=options.pipeline,
        depth=options.depth,
        router=options.router,
    )
    reports = build_all(options.directory, names, chosen, progress=show_progress())
    print(summary.table(summary.build_rows(Run(options.directory), reports)))
    for line in [*summary.seed_lines(reports), *summary.diagnostic_lines(reports)]:
        print(line)
    return 0


def _run_rebuild(options: argparse.Namespace) -> int:
    from htaflow.flows.build.reproduce import rebuild

    given = {
        "--clock": options.clock is not None,
        "--seed": options.seed != 1,
        "--seeds": options.seeds != 1,
        "--pipeline": options.pipeline is not None,
        "--depth": options.depth is not None,
        "--router": options.router is not None,
    }
    if wrong := [name for name, is_given in given.items() if is_given]:
        raise BadInputError(f"--check takes its options from lock.json; leave out {wrong[0]}")
    code = 0
    for board in dict.fromkeys(options.board):
        try:
            lock = rebuild(
                options.directory, board, timeout=options.timeout, progress=show_progress()
            )
            print(f"{board}: identical, {len(lock.files)} files")
        except HtaflowError as error:
            print(f"htaflow: {error}", file=sys.stderr)
            code = max(code, error.exit_code)
    return code
