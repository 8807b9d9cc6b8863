"""The concept bottleneck: what discrete concepts cost against continuous features.

    python benchmarks/concepts.py [--data digits|FOLDER] [--epochs N] [--seeds N]

The zoo's concept network is trained with the same backbone, head, wiring, frames and epochs three
times a seed: with concepts that stay continuous (HTAF of constant sharpness, also when tested), as
the zoo does (HTAF that grows sharper, and is a step when tested), and with the step from the start
(hard HTAF). Data other than ``digits`` are those of MNIST. Every finished training is a line in
``benchmarks/results/concepts.jsonl``, and none is repeated; ``concepts.md`` is written beside it.
"""

import argparse
import statistics
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import torch
from trainings import RESULTS, Results, fit_afresh

from htaflow.model.data.dataset import Dataset
from htaflow.model.data.load import load
from htaflow.model.support.files import write_atomic
from htaflow.model.training.assemble import build_model
from htaflow.model.training.fit import accuracy, calibrate, encode
from htaflow.model.training.recipe import Recipe
from htaflow.model.training.zoo import find_recipe

KINDS = {
    "continuous": "continuous features, never a bit",
    "sharpened": "HTAF that grows sharper, a step when tested (the zoo's)",
    "stepped": "the step from the start, with HTAF's derivative",
}


@dataclass(frozen=True)
class Setting:
    """One training. With the recipe, it determines the result."""

    model: str
    concepts: str
    epochs: int
    seed: int


def recipe(setting: Setting) -> Recipe:
    """Return how the library trains ``setting``."""
    zoo = find_recipe(setting.model)
    start, end = zoo.smooth_alpha
    alpha = (start, start if setting.concepts == "continuous" else end)
    return replace(zoo, epochs=setting.epochs, smooth_alpha=alpha)


def run(setting: Setting, dataset: Dataset) -> dict[str, Any]:
    """Train one setting; return ``test``, its accuracy, ``smooth``, that before the step, seconds.

    Of continuous features both are the same: there is no step.
    """
    how = recipe(setting)
    model = build_model(how, dataset, setting.seed)
    for activation in model.activations():
        activation.sharpening &= setting.concepts != "stepped"
    seconds = fit_afresh(model, how, dataset, mode="hard", seed=setting.seed)
    frames, labels = encode(model.encoder, dataset.x_test), torch.from_numpy(dataset.y_test)
    smooth = accuracy(model, frames, labels, mode="hard")
    test = smooth
    if setting.concepts != "continuous":
        calibrate(model, encode(model.encoder, dataset.x_train))
        test = accuracy(model, frames, labels)
    return {"test": test, "smooth": smooth, "seconds": seconds}


def main() -> None:
    """Train what is missing and write the table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--data", default="digits", help="'digits', or a folder with MNIST")
    parser.add_argument("--epochs", type=int, help="by default the zoo's")
    parser.add_argument("--seeds", type=int, default=5)
    options = parser.parse_args()
    torch.set_num_threads(1)
    model = "digits-icbm" if options.data == "digits" else "mnist-icbm"
    epochs = options.epochs or find_recipe(model).epochs
    dataset = load(options.data, print)
    path = RESULTS / "concepts.jsonl"
    results = Results(path, dataset, float("inf"), recipe, partial(run, dataset=dataset))
    for seed in range(options.seeds):
        for kind in KINDS:
            entry = results.get(Setting(model, kind, epochs, seed))
            assert entry is not None
            print(f"{model}, seed {seed}, {kind}: {100 * entry['test']:.2f} %", flush=True)
    write_atomic(RESULTS / "concepts.md", table(results.entries))


def table(entries: list[dict[str, Any]]) -> str:
    """Return what every model and number of epochs reached, and the loss paired by seed."""
    lines = [
        "# The concept bottleneck: what discrete concepts cost",
        "",
        "`python benchmarks/concepts.py` (and `--data FOLDER --epochs N --seeds N`).",
        "Test accuracy, %: mean (smallest to largest) over seeds; loss against continuous",
        "features, in points, paired by seed. Same backbone, head of integer weights, wiring,",
        "frames and epochs.",
        "",
        "| model | epochs | concepts | seeds | accuracy, % | loss, points |",
        "|---|---|---|---|---|---|",
    ]
    groups = dict.fromkeys((entry["model"], entry["epochs"]) for entry in entries)
    for model, epochs in groups:
        of = {
            kind: {
                entry["seed"]: 100 * entry["test"]
                for entry in entries
                if (entry["model"], entry["epochs"], entry["concepts"]) == (model, epochs, kind)
            }
            for kind in KINDS
        }
        for kind, words in KINDS.items():
            points = of[kind]
            paired = [of["continuous"][seed] - points[seed] for seed in points]
            loss = "" if kind == "continuous" else _spread(paired)
            lines.append(
                f"| {model} | {epochs} | {words} | {len(points)} | {_spread(points.values())} "
                f"| {loss} |"
            )
    minutes = sum(entry["seconds"] for entry in entries) / 60
    return "\n".join([*lines, "", f"{len(entries)} trainings, {minutes:.0f} minutes.", ""])


def _spread(values: Any) -> str:
    return f"{statistics.mean(values):.2f} ({min(values):.2f} to {max(values):.2f})"


if __name__ == "__main__":
    main()
