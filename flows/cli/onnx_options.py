"""Options that say how an ONNX model is read."""

import argparse
from fractions import Fraction
from typing import TYPE_CHECKING

from htaflow.flows.cli.options import positive
from htaflow.model.support.errors import BadInputError

if TYPE_CHECKING:  # --help must be fast
    from htaflow.flows.import_options import ImportOptions

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
