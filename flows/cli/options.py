"""Options that several verbs have, and what they read."""

import argparse
import sys
import time
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Any

from htaflow.model.support.errors import BadInputError

if TYPE_CHECKING:  # --help must be fast
    from htaflow.flows.import_options import ImportOptions


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


_GIVEN = ("input_scale", "input_offset", "input_bits", "input_signed", "data")


def fraction(text: str) -> Fraction:
    """Return a number such as 1/255, 0.5 or 2, exactly."""
    try:
        return Fraction(text)
    except (ValueError, ZeroDivisionError):
        raise argparse.ArgumentTypeError(f"'{text}' is no number such as 1/255 or 0.5") from None


def add_onnx(verb: argparse.ArgumentParser, *, tried: bool = False) -> None:
    """Add how an ONNX model is read, and if it is ``tried`` on what."""
    group = verb.add_argument_group("how to read an ONNX model")
    group.add_argument(
        "--input-scale",
        type=fraction,
        metavar="NUMBER",
        help="what a feature of 1 stands for, such as 1/255 (default: what the quantiser at the "
        "model's input says, else 1)",
    )
    group.add_argument(
        "--input-offset",
        type=fraction,
        metavar="NUMBER",
        help="what a feature of 0 stands for (default: 0)",
    )
    group.add_argument(
        "--input-bits",
        type=positive,
        metavar="BITS",
        help="bits of a feature (default: what the quantiser at the model's input says, else 8)",
    )
    group.add_argument("--input-signed", action="store_true", help="features are signed")
    if not tried:
        return
    group.add_argument(
        "--data",
        metavar="DATA",
        help="whose test set the network and the model are compared on, as 'htaflow train' takes "
        "it (default: 1,000 random frames)",
    )
    group.add_argument(
        "--network-only", action="store_true", help="import and compare; generate no Verilog"
    )


def onnx_options(options: argparse.Namespace) -> "ImportOptions | None":
    """Return how an ONNX model is read; None if nothing says so.

    Raises ``BadInputError`` if the file is no ONNX model and something does.
    """
    from htaflow.flows.import_options import ImportOptions

    given = [name for name in _GIVEN if getattr(options, name, None) not in (None, False)]
    if options.file.suffix != ".onnx":
        if given:
            option = given[0].replace("_", "-")
            raise BadInputError(f"--{option} is for ONNX models, but {options.file} is none")
        return None
    return ImportOptions(
        options.input_scale,
        options.input_offset,
        options.input_bits,
        options.input_signed,
        getattr(options, "data", None),
    )
