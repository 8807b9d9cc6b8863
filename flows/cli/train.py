"""``htaflow train``."""

import argparse
import re
from pathlib import Path
from typing import Any

from htaflow.flows import summary
from htaflow.flows.cli.options import add_out, add_seed, positive, show_progress
from htaflow.model.support.errors import BadInputError

HELP = "train a network and lower it to integers"
EXAMPLE = "htaflow train mnist-small --data path/to/mnist --out runs/mnist"


def add_options(verb: argparse.ArgumentParser) -> None:
    """Add what the verb takes."""
    verb.add_argument("model", metavar="MODEL", help="a network of the zoo, such as digits")
    verb.add_argument(
        "--data",
        metavar="DATA",
        help="digits, mnist, a folder of MNIST files, a folder or .zip file of class folders with "
        "PNG or JPEG files, or a .npz or .csv file (default: digits, for a model of that name)",
    )
    _add_data_options(verb)
    add_out(verb, "run directory to write (default: runs/MODEL)", required=False)
    verb.add_argument(
        "--mode",
        choices=("hard", "smooth"),
        default="hard",
        help="forward pass with the step, or with HTAF growing sharper (default: %(default)s)",
    )
    add_seed(verb)
    verb.add_argument(
        "--epochs", type=positive, metavar="N", help="passes over the data (default: the model's)"
    )
    verb.add_argument(
        "--restart", action="store_true", help="begin anew instead of resuming from a checkpoint"
    )


def run(options: argparse.Namespace) -> int:
    """Run the verb, print what it found, and return the exit code."""
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
        progress=show_progress(),
    )
    print(summary.table(summary.train_rows(result)))
    return 0


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
        type=positive,
        metavar="BITS",
        help="scale and round features to BITS bits by the range of the training data; what is "
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


def _default_data(model: str) -> str:
    from htaflow.model.training.zoo import find_recipe

    if find_recipe(model).name.startswith("digits"):
        return "digits"
    raise BadInputError(
        f"say what '{model}' is to be trained on, such as --data mnist or --data my.csv"
    )


def _size(text: str) -> tuple[int, int]:
    """Read the height and width of an image, such as 28x28."""
    found = re.fullmatch(r"([0-9]{1,6})x([0-9]{1,6})", text)
    if found is None:
        raise argparse.ArgumentTypeError(f"'{text}' is no height and width, such as 28x28")
    return int(found[1]), int(found[2])
