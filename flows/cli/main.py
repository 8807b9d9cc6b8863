"""The ``htaflow`` command: each verb calls the Python function of the same name.

Results go to stdout, progress and messages to stderr. Exit codes: 0 done, 1 the answer is no, 2 bad
input or a missing tool. Verbs import what they need when they run, so that ``--help`` is fast.
"""

import argparse
import importlib.metadata
import io
import json
import os
import re
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NoReturn

from htaflow.flows import summary
from htaflow.model.support.errors import BadInputError, HtaflowError, MissingToolError, did_you_mean
from htaflow.model.support.signals import TerminatedError, clean_exit_on_signals, suppress_warnings


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
    adders: dict[str, Callable[[argparse.ArgumentParser], None]] = {
        "demo": _add_demo,
        "train": _add_train,
        "check": _add_check,
        "convert": _add_convert,
        "verify": _add_verify,
        "bisect": _add_bisect,
        "build": _add_build,
        "explain": _add_explain,
        "prove": _add_prove,
        "report": _add_report,
        "doctor": _add_doctor,
    }
    for name, add in adders.items():
        text, example = _HELP[name]
        verb = verbs.add_parser(
            name,
            help=text,
            description=text[0].upper() + text[1:] + ".",
            epilog=f"example:\n  {example}",
            formatter_class=argparse.RawDescriptionHelpFormatter,
            allow_abbrev=False,
        )
        add(verb)
    if arguments and not arguments[0].startswith("-") and arguments[0] not in adders:
        raise BadInputError(
            f"there is no verb '{arguments[0]}'{did_you_mean(arguments[0], adders)}"
        )
    return parser.parse_args(arguments)


_HELP = {
    "demo": (
        "train, convert, verify, build and report on built-in handwritten digits",
        "htaflow demo --out runs/digits",
    ),
    "train": (
        "train a network and lower it to integers",
        "htaflow train mnist-small --data path/to/mnist --out runs/mnist",
    ),
    "check": (
        "list every problem of a network file, each with its fix",
        "htaflow check runs/digits/network.safetensors --json",
    ),
    "convert": (
        "turn an integer network into Verilog",
        "htaflow convert runs/digits --bus 64",
    ),
    "verify": (
        "simulate the hardware and compare it with the golden network, cycle by cycle",
        "htaflow verify runs/digits --frames 100",
    ),
    "bisect": (
        "find where two stations part: the first layer, neuron and cycle, with a short waveform",
        "htaflow bisect runs/digits",
    ),
    "build": (
        "synthesise, place and route, and write the bitstream for one or more boards",
        "htaflow build runs/digits --board icebreaker --board ulx3s-25f",
    ),
    "explain": (
        "say which concepts the hardware saw in a test frame, and how each moved its decision",
        "htaflow explain runs/digits-icbm --frame 12",
    ),
    "prove": (
        "prove for all inputs that the Verilog is the integer network and the netlist the Verilog",
        "htaflow prove runs/digits",
    ),
    "report": (
        "write one self-contained HTML page, and the same facts as JSON",
        "htaflow report runs/digits",
    ),
    "doctor": (
        "say which tools are here, in which versions, and what to install",
        "htaflow doctor",
    ),
}


# --- The verbs: what each takes, and how it shows what it got --------------------------------


def _add_demo(verb: argparse.ArgumentParser) -> None:
    verb.add_argument(
        "--out",
        type=Path,
        default=Path("runs/digits"),
        metavar="RUN",
        help="run directory (default: %(default)s)",
    )
    verb.set_defaults(run=_run_demo)


def _run_demo(options: argparse.Namespace) -> int:
    from htaflow.flows.demo import demo
    from htaflow.model.run_directory import Run

    results = demo(options.out, progress=_show_progress())
    rows = [*summary.train_rows(results["train"]), *summary.verify_rows(results["verify"])]
    print(summary.table(rows))
    print("\n" + summary.table(summary.build_rows(Run(options.out), results["build"])))
    for line in summary.diagnostic_lines(results["build"]):
        print(line)
    print(f"\nreport: {results['page']}")
    return 0


def _add_train(verb: argparse.ArgumentParser) -> None:
    verb.add_argument("model", metavar="MODEL", help="a network of the zoo, such as digits")
    verb.add_argument(
        "--data",
        metavar="DATA",
        help="digits, mnist, a folder of MNIST files, a folder or .zip file of class folders with "
        "PNG or JPEG files, or a .npz or .csv file (default: digits, for a model of that name)",
    )
    _add_data_options(verb)
    _add_out(verb, "run directory to write (default: runs/MODEL)", required=False)
    verb.add_argument(
        "--mode",
        choices=("hard", "smooth"),
        default="hard",
        help="forward pass with the step, or with HTAF growing sharper (default: %(default)s)",
    )
    _add_seed(verb)
    verb.add_argument(
        "--epochs", type=_positive, metavar="N", help="passes over the data (default: the model's)"
    )
    verb.add_argument(
        "--restart", action="store_true", help="begin anew instead of resuming from a checkpoint"
    )
    verb.set_defaults(run=_run_train)


def _add_data_options(verb: argparse.ArgumentParser) -> None:
    group = verb.add_argument_group("how to read the data")
    group.add_argument("--label", metavar="NAME", help="the column of the class (default: label)")
    group.add_argument(
        "--drop",
        action="append",
        default=[],
        metavar="NAME",
        help="a column to leave out; may be repeated",
    )
    group.add_argument(
        "--scale",
        type=_positive,
        metavar="BITS",
        help="scale and round features to so many bits by the range of the training data; what is "
        "outside is clipped; RUN/features.json keeps offset and step",
    )
    group.add_argument(
        "--layout",
        choices=("nchw", "nhwc"),
        help="of images in a .npz file: channels first, or last "
        "(default: recognised, or asked for)",
    )
    group.add_argument(
        "--size", type=_size, metavar="HxW", help="resize PNG and JPEG images to this"
    )
    group.add_argument(
        "--many-classes",
        action="store_true",
        help="numbers in the label are classes, though they look like a measured quantity",
    )


def _data_options(options: argparse.Namespace) -> Any:
    from htaflow.model.data.options import DataOptions

    return DataOptions(
        label=options.label,
        drop=tuple(options.drop),
        scale=options.scale,
        layout=options.layout,
        size=options.size,
        many_classes=options.many_classes,
    )


def _run_train(options: argparse.Namespace) -> int:
    from htaflow.model.training.train import train

    result = train(
        options.model,
        options.data or _default_data(options.model),
        options.out or Path("runs") / options.model,
        mode=options.mode,
        seed=options.seed,
        epochs=options.epochs,
        resume=not options.restart,
        options=_data_options(options),
        progress=_show_progress(),
    )
    print(summary.table(summary.train_rows(result)))
    return 0


def _default_data(model: str) -> str:
    from htaflow.model.training.zoo import find_recipe

    if find_recipe(model).name.startswith("digits"):
        return "digits"
    raise BadInputError(
        f"say what '{model}' is to be trained on, such as --data mnist or --data my.csv"
    )


def _add_check(verb: argparse.ArgumentParser) -> None:
    verb.add_argument("file", type=Path, metavar="FILE", help="a network file or a run directory")
    verb.add_argument("--json", action="store_true", help="print the problems as JSON")
    verb.set_defaults(run=_run_check)


def _run_check(options: argparse.Namespace) -> int:
    from htaflow.flows.check import check
    from htaflow.model.integer.problems import describe_problems

    problems = check(options.file)
    if options.json:
        found = [vars(problem) for problem in problems]
        print(json.dumps({"file": str(options.file), "problems": found}, indent=2))
    elif problems:
        print(describe_problems(str(options.file), problems))
    else:
        print(f"{options.file}: no problems")
    return BadInputError.exit_code if problems else 0


def _add_convert(verb: argparse.ArgumentParser) -> None:
    verb.add_argument("file", type=Path, metavar="FILE", help="a network file or a run directory")
    _add_out(
        verb,
        "run directory to write, into which the network is copied (default: FILE, if it is one); "
        "one that holds a different network is refused",
        required=False,
    )
    verb.add_argument(
        "--bus",
        type=_positive,
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
    _add_pipeline(verb, "any number")
    verb.set_defaults(run=_run_convert)


def _run_convert(options: argparse.Namespace) -> int:
    from htaflow.flows.convert import convert

    interface = convert(
        options.file,
        options.out,
        bus_bits=options.bus,
        target=options.target,
        pipeline=options.pipeline,
        depth=options.depth,
        progress=_show_progress(),
    )
    print(summary.table(summary.convert_rows(interface)))
    return 0


def _add_verify(verb: argparse.ArgumentParser) -> None:
    _add_run(verb)
    _add_level(verb)
    verb.add_argument(
        "--simulator",
        choices=("icarus", "verilator"),
        default="icarus",
        help="Verilator, 5.036 or newer, is faster where a frame takes very many cycles "
        "(default: %(default)s)",
    )
    verb.add_argument(
        "--frames", type=_positive, metavar="N", help="test frames to run (default: all)"
    )
    _add_seed(verb)
    verb.add_argument(
        "--mutate",
        action="store_true",
        help="inject faults, one at a time: each must be caught, or proved to change nothing",
    )
    verb.add_argument(
        "--mutants", type=_positive, metavar="N", help="with --mutate: how many (default: 100)"
    )
    verb.add_argument(
        "--time-limit",
        type=_positive,
        metavar="SECONDS",
        help="with --mutate: after which no more are begun (default: 1800)",
    )
    _add_timeout(verb)
    verb.set_defaults(run=_run_verify)


def _run_verify(options: argparse.Namespace) -> int:
    from htaflow.flows.verify import verify

    if options.mutate:
        return _run_mutate(options)
    if options.mutants or options.time_limit:
        raise BadInputError("--mutants and --time-limit go with --mutate")
    results = verify(
        options.directory,
        **_level_options(options),
        simulator=options.simulator,
        progress=_show_progress(),
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
        progress=_show_progress(),
    )
    print(summary.table(summary.mutate_rows(result)))
    for line in summary.mutate_lines(result):
        print(line)
    return 0 if is_clean(result) else 1


def _add_bisect(verb: argparse.ArgumentParser) -> None:
    _add_run(verb)
    _add_level(verb)
    verb.add_argument(
        "--frames", type=_positive, metavar="N", help="test frames to run (default: all)"
    )
    _add_seed(verb)
    _add_timeout(verb)
    verb.set_defaults(run=_run_bisect)


def _run_bisect(options: argparse.Namespace) -> int:
    from htaflow.flows.bisect import bisect

    result = bisect(
        options.directory,
        **_level_options(options),
        progress=_show_progress(),
    )
    for line in summary.bisect_lines(result):
        print(line)
    return 1 if result["parting"] else 0


def _add_build(verb: argparse.ArgumentParser) -> None:
    _add_run(verb)
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
        type=_number,
        metavar="MHZ",
        help="at which the design runs, made from the board's oscillator by a PLL "
        "(default: the oscillator's)",
    )
    verb.add_argument(
        "--seed", type=_natural, default=1, metavar="N", help="of the placer (default: %(default)s)"
    )
    verb.add_argument(
        "--seeds",
        type=_positive,
        default=1,
        metavar="N",
        help="how many seeds to try, from --seed on; the fastest is kept, and those tried before "
        "are not tried again (default: %(default)s)",
    )
    _add_pipeline(verb, "what --clock leaves time for")
    verb.add_argument(
        "--router",
        choices=("router1", "router2"),
        help="nextpnr's; where one finds no way in time, the other may (default: router2 for an "
        "ECP5 without --clock, else router1)",
    )
    verb.add_argument(
        "--timeout",
        type=_positive,
        metavar="SECONDS",
        help="limit for each tool (default: 900, and more the larger its input)",
    )
    verb.add_argument(
        "--check",
        action="store_true",
        help="build again, aside, with the options in the build's lock.json, and say whether every "
        "file is the same; if not, which is the first, and which versions differ",
    )
    verb.set_defaults(run=_run_build)


def _run_build(options: argparse.Namespace) -> int:
    if options.check:
        return _run_rebuild(options)
    from htaflow.flows.build.parallel import build_all
    from htaflow.model.run_directory import Run

    names = list(dict.fromkeys(options.board))
    reports = build_all(
        options.directory,
        names,
        seed=options.seed,
        seeds=options.seeds,
        clock_mhz=options.clock,
        timeout=options.timeout,
        pipeline=options.pipeline,
        depth=options.depth,
        router=options.router,
        progress=_show_progress(),
    )
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
                options.directory, board, timeout=options.timeout, progress=_show_progress()
            )
            print(f"{board}: identical, {len(lock.files)} files")
        except HtaflowError as error:
            print(f"htaflow: {error}", file=sys.stderr)
            code = max(code, error.exit_code)
    return code


def _add_explain(verb: argparse.ArgumentParser) -> None:
    _add_run(verb)
    verb.add_argument(
        "--frame",
        type=_natural,
        default=0,
        metavar="N",
        help="which frame of the test set (default: %(default)s)",
    )
    _add_timeout(verb)
    verb.set_defaults(run=_run_explain)


def _run_explain(options: argparse.Namespace) -> int:
    from htaflow.flows.explain import explain

    result = explain(
        options.directory, options.frame, timeout=options.timeout, progress=_show_progress()
    )
    print(summary.decision_line(result))
    if line := summary.feature_line(result):
        print(line)
    print(summary.table(summary.explain_rows(result)))
    return 0


def _add_prove(verb: argparse.ArgumentParser) -> None:
    _add_run(verb)
    verb.set_defaults(run=_run_prove)


def _run_prove(options: argparse.Namespace) -> int:
    from htaflow.flows.prove import prove

    found = prove(options.directory, progress=_show_progress())
    print(summary.table(summary.prove_rows(found)))
    return 0


def _add_report(verb: argparse.ArgumentParser) -> None:
    _add_run(verb)
    verb.set_defaults(run=_run_report)


def _run_report(options: argparse.Namespace) -> int:
    from htaflow.flows.report.report import report

    print(report(options.directory, progress=_show_progress()))
    return 0


def _add_doctor(verb: argparse.ArgumentParser) -> None:
    verb.set_defaults(run=_run_doctor)


def _run_doctor(options: argparse.Namespace) -> int:
    from htaflow.flows.doctor import doctor

    tools = doctor()
    print(summary.table(summary.doctor_rows(tools)))
    return 0 if all(tool.here or tool.optional for tool in tools) else MissingToolError.exit_code


# --- Shared by the verbs ---------------------------------------------------------------------


def _add_run(verb: argparse.ArgumentParser) -> None:
    verb.add_argument("directory", type=Path, metavar="RUN", help="a run directory")


def _add_level(verb: argparse.ArgumentParser) -> None:
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


def _add_timeout(verb: argparse.ArgumentParser) -> None:
    verb.add_argument(
        "--timeout",
        type=_positive,
        metavar="SECONDS",
        help="limit for each simulation and tool (default: none for a simulation that makes "
        "progress; for what says nothing, by its size)",
    )


def _level_options(options: argparse.Namespace) -> dict[str, Any]:
    """Return what is simulated, by the names of the functions that do it."""
    return {
        "level": options.level,
        "boards": options.board,
        "family": options.family,
        "frames": options.frames,
        "seed": options.seed,
        "timeout": options.timeout,
    }


def _add_out(verb: argparse.ArgumentParser, text: str, *, required: bool) -> None:
    verb.add_argument("--out", type=Path, metavar="RUN", required=required, help=text)


def _add_seed(verb: argparse.ArgumentParser) -> None:
    verb.add_argument(
        "--seed",
        type=_natural,
        default=0,
        metavar="N",
        help="of everything random (default: %(default)s)",
    )


def _add_pipeline(verb: argparse.ArgumentParser, default: str) -> None:
    verb.add_argument(
        "--pipeline",
        type=_names,
        metavar="LAYER,...",
        help="layers that end in a register (default: all; '' for none but the encoder)",
    )
    verb.add_argument(
        "--depth",
        type=_number,
        metavar="N",
        help="about how many look-up tables, one after another, such a layer may have between "
        f"registers: fewer make a faster clock and a longer latency (default: {default})",
    )


def _natural(text: str) -> int:
    """Read a whole number from 0 to 2^31 - 1, which every tool takes as a seed."""
    try:
        value = int(text)
    except ValueError:
        value = -1
    if not 0 <= value < 1 << 31:
        raise argparse.ArgumentTypeError(f"'{text}' is not a whole number from 0 to 2147483647")
    return value


def _positive(text: str) -> int:
    value = _natural(text)
    if value == 0:
        raise argparse.ArgumentTypeError("it must be at least 1")
    return value


def _size(text: str) -> tuple[int, int]:
    """Read the height and width of an image, such as 28x28."""
    found = re.fullmatch(r"([0-9]{1,6})x([0-9]{1,6})", text)
    if found is None:
        raise argparse.ArgumentTypeError(f"'{text}' is no height and width, such as 28x28")
    return int(found[1]), int(found[2])


def _number(text: str) -> float:
    """Read a number; which ones make sense, the verb says."""
    try:
        return float(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"'{text}' is not a number") from None


def _names(text: str) -> list[str]:
    """Read names with commas between them."""
    return [name.strip() for name in text.split(",") if name.strip()]


def _show_progress() -> Callable[[str], None]:
    """Return a function that prints a line to stderr, with the seconds since now."""
    start = time.monotonic()

    def show(message: str) -> None:
        print(f"[{time.monotonic() - start:6.1f} s] {message}", file=sys.stderr, flush=True)

    return show
