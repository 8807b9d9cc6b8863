"""The command lines that make a run again, as the report shows them."""

import shlex
from collections.abc import Mapping, Sequence
from typing import Any

from htaflow.flows.boards.board import known_boards, load_board
from htaflow.flows.build.route import default_router
from htaflow.model.run_directory import Run

Facts = Mapping[str, Any]

STEPS = ("training", "rtl", "verification", "mutation")
"""Results of steps that a run has once; the others are its boards', by name."""


MAX_EXPLAINED = 20
"""Frames whose explanations are made again, at most; a comment says how many more there are."""


def command_lines(
    run: Run, results: Mapping[str, Facts | None], explained: Sequence[int] = ()
) -> list[str]:
    """Return the command lines that make this run anew, in order, as far as it has got.

    ``explained`` are the test frames that were explained.
    """
    where = str(run.path)
    lines: list[list[Any]] = []
    training, rtl = results["training"], results["rtl"]
    own = training is not None and training.get("recipe") is not None
    if training and not own:
        line = ["train", training.get("model"), "--data", training.get("data"), "--out", where]
        for option in ("mode", "seed", "epochs"):
            line += [f"--{option}", training.get(option)]
        lines.append(line + _data_options(training.get("data_options") or {}))
    if rtl:
        lines.append(["convert", where, *_convert_options(rtl)])
    if verification := results["verification"]:
        lines.append(["verify", where, "--level", "rtl", "--frames", verification["frames"]])
        seed = verification["stalled"].get("seed")
        lines[-1] += [] if seed is None else ["--seed", seed]
        if str(verification.get("simulator")).startswith("Verilator"):
            lines[-1] += ["--simulator", "verilator"]
    if mutation := results["mutation"]:
        line = ["verify", where, "--mutate", "--frames", mutation["frames"]]
        lines.append([*line, "--mutants", mutation["mutants"], "--seed", mutation["seed"]])
    for name, board in results.items():
        if board and name not in STEPS:
            lines.append(["build", where, "--board", name, *_build_options(board)])
    explanations = [["explain", where, "--frame", frame] for frame in explained[:MAX_EXPLAINED]]
    left = len(explained) - len(explanations)
    return [
        *(["# train in Python, with the recipe of your own that train.json holds"] if own else []),
        *map(_command, [*lines, *explanations]),
        *([f"# {left} more explained frames are left out here"] if left > 0 else []),
        _command(["report", where]),
    ]


def _data_options(given: Facts) -> list[Any]:
    """Return the options that say how the data were read; ``given`` is as in ``train.json``."""
    options: list[Any] = []
    for name, value in given.items():
        option = f"--{name.replace('_', '-')}"
        if name == "drop":
            options += [f"{option}={column}" for column in value]
        elif name == "size":
            options += [option, "x".join(map(str, value))]
        elif value is True:
            options.append(option)
        else:
            options.append(f"{option}={value}")
    return options


def _command(words: Sequence[Any]) -> str:
    return shlex.join(["htaflow", *map(str, words)])


def _build_options(board: Facts) -> list[Any]:
    """Return the options that make the same bitstream: the seed is the one that was kept."""
    options = ["--seed", board.get("seed")]
    clock = board.get("clock_mhz")
    hurried = clock is not None and board.get("oscillator_mhz", clock) != clock
    options += ["--clock", f"{clock:g}"] if hurried else []
    options += _register_options(board)
    name, router = str(board.get("board")), board.get("router")
    known = name in known_boards()
    if router and not (known and router == default_router(load_board(name).family, hurried)):
        options += ["--router", router]
    return options


def _convert_options(rtl: Facts) -> list[Any]:
    """Return the options that ``rtl/top.json`` was made with, but for the defaults."""
    options = ["--bus", rtl["bus_bits"]] if rtl["beats"] > 1 else []
    if rtl.get("target", "portable") != "portable":
        options += ["--target", rtl["target"]]
    return options + _register_options(rtl)


def _register_options(made: Facts) -> list[Any]:
    """Return the options that say where the registers are, as they were given."""
    options = []
    if made.get("pipeline") is not None:
        options += ["--pipeline", ",".join(made["pipeline"])]
    if made.get("depth") is not None:
        options += ["--depth", f"{made['depth']:g}"]
    return options
