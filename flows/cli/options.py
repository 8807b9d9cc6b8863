"""Options that several verbs have, and what they read."""

import argparse
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any


def add_run(verb: argparse.ArgumentParser) -> None:
    """Add the run directory, which a verb is about."""
    verb.add_argument("directory", type=Path, metavar="RUN", help="a run directory")


def add_simulated(verb: argparse.ArgumentParser) -> None:
    """Add what is simulated: run, level, boards, family."""
    add_run(verb)
    verb.add_argument(
        "--level",
        choices=("rtl", "netlist", "bitstream", "all"),
        default="rtl",
        help="what to simulate: the generated Verilog, what Yosys makes of it, the logic in a "
        "finished bitstream, or all of them (default: %(default)s)",
    )
    verb.add_argument(
        "--board",
        action="append",
        default=[],
        metavar="NAME",
        help="whose bitstream; may be repeated (default: every board that was built)",
    )
    verb.add_argument(
        "--family",
        choices=("ice40", "ecp5", "gowin"),
        help="whose cells a netlist is made of (default: those of the boards)",
    )


def add_stimuli(verb: argparse.ArgumentParser) -> None:
    """Add how many test frames a simulation runs, and its seed."""
    verb.add_argument(
        "--frames", type=positive, metavar="N", help="test frames to run (default: all)"
    )
    add_seed(verb)


def add_timeout(verb: argparse.ArgumentParser) -> None:
    """Add a limit for each simulation and tool."""
    verb.add_argument(
        "--timeout",
        type=positive,
        metavar="SECONDS",
        help="limit for each simulation and tool (default: none for a simulation that makes "
        "progress; for what says nothing, by its size)",
    )


def simulation_options(options: argparse.Namespace) -> dict[str, Any]:
    """Return what these functions added, by the parameters of ``verify`` and ``bisect``."""
    return {
        "run": options.directory,
        "level": options.level,
        "boards": options.board,
        "family": options.family,
        "frames": options.frames,
        "seed": options.seed,
        "timeout": options.timeout,
    }


def add_out(verb: argparse.ArgumentParser, text: str, *, required: bool) -> None:
    """Add the run directory that is written."""
    verb.add_argument("--out", type=Path, metavar="RUN", required=required, help=text)


def add_seed(verb: argparse.ArgumentParser) -> None:
    """Add the seed of everything random."""
    verb.add_argument(
        "--seed",
        type=natural,
        default=0,
        metavar="N",
        help="of everything random (default: %(default)s)",
    )


def add_pipeline(verb: argparse.ArgumentParser, default: str) -> None:
    """Add where registers are put; ``default`` says how deep logic is otherwise."""
    verb.add_argument(
        "--pipeline",
        type=_names,
        metavar="LAYER,...",
        help="layers that end in a register (default: all; '' for none but the encoder)",
    )
    verb.add_argument(
        "--depth",
        type=number,
        metavar="N",
        help="about how many look-up tables, one after another, such a layer may have between "
        f"registers: fewer make a faster clock and a longer latency (default: {default})",
    )


def natural(text: str) -> int:
    """Read a whole number from 0 to 2^31 - 1, which every tool takes as a seed."""
    try:
        value = int(text)
    except ValueError:
        value = -1
    if not 0 <= value < 1 << 31:
        raise argparse.ArgumentTypeError(f"'{text}' is not a whole number from 0 to 2147483647")
    return value


def positive(text: str) -> int:
    """Read a whole number from 1 on."""
    value = natural(text)
    if value == 0:
        raise argparse.ArgumentTypeError("it must be at least 1")
    return value


def number(text: str) -> float:
    """Read a number; which ones make sense, the verb says."""
    try:
        return float(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"'{text}' is not a number") from None


def _names(text: str) -> list[str]:
    """Read names with commas between them."""
    return [name.strip() for name in text.split(",") if name.strip()]


def show_progress() -> Callable[[str], None]:
    """Return a function that prints a line to stderr, with the seconds since now."""
    start = time.monotonic()

    def show(message: str) -> None:
        print(f"[{time.monotonic() - start:6.1f} s] {message}", file=sys.stderr, flush=True)

    return show
