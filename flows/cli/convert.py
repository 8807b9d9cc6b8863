"""``htaflow convert``."""

import argparse
from pathlib import Path

from htaflow.flows import summary
from htaflow.flows.cli.onnx_options import add_onnx, onnx_options
from htaflow.flows.cli.options import add_out, add_pipeline, positive, show_progress
from htaflow.model.support.errors import BadInputError

HELP = "turn an integer network, or an ONNX model, into Verilog"
EXAMPLE = "htaflow convert runs/digits --bus 64"


def add_options(verb: argparse.ArgumentParser) -> None:
    """Add what the verb takes."""
    verb.add_argument(
        "file", type=Path, metavar="FILE", help="a network file, a run directory or an ONNX model"
    )
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
    add_onnx(verb, tried=True)


def run(options: argparse.Namespace) -> int:
    """Run the verb, print what it found, and return the exit code."""
    if options.network_only:
        return _run_import(options)
    from htaflow.flows.convert import convert

    interface = convert(
        options.file,
        options.out,
        bus_bits=options.bus,
        target=options.target,
        pipeline=options.pipeline,
        depth=options.depth,
        onnx=onnx_options(options),
        progress=show_progress(),
    )
    print(summary.table([*_import_rows(options), *summary.convert_rows(interface)]))
    return 0


def _run_import(options: argparse.Namespace) -> int:
    """Import an ONNX model, without hardware."""
    from htaflow.flows.import_onnx import import_onnx

    if options.file.suffix != ".onnx" or options.out is None:
        raise BadInputError("--network-only takes an ONNX model and --out RUN")
    import_onnx(options.file, options.out, onnx_options(options), progress=show_progress())
    print(summary.table(_import_rows(options)))
    return 0


def _import_rows(options: argparse.Namespace) -> summary.Rows:
    """What the comparison with the graph found, if an ONNX model was imported."""
    if options.file.suffix != ".onnx":
        return []
    from htaflow.model.support.results import ImportFacts, read_json

    facts = read_json(options.out / "import.json", ImportFacts)
    assert facts is not None
    return summary.import_rows(facts)
