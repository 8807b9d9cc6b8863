"""Deep Heaviside networks: accuracy against depth, with and without batch normalisation.

    python benchmarks/depth.py [--minutes N]

HTAF, hard and smooth, and the usual surrogates train the same networks on the digits: integer
features, dense layers with weights of 4 bits, scores with weights of 4 bits. Each chooses its
learning rate from the same grid, by accuracy on a fifth of the training frames that is held back;
no choice looks at the test frames. Every finished training is a line in
``benchmarks/results/depth.jsonl``, and none is repeated, so an interrupted benchmark goes on. At
the end, or when ``--minutes`` have passed, ``depth.md`` is written beside it from all lines.
"""

import argparse
import statistics
import time
from dataclasses import dataclass, replace
from typing import Any

import torch
from trainings import RESULTS, Results, fit_afresh, hold_back

from htaflow.model.data.dataset import Dataset
from htaflow.model.data.load import load
from htaflow.model.nn.block import Hidden
from htaflow.model.nn.heaviside import Heaviside
from htaflow.model.nn.surrogates import SURROGATES, Surrogate
from htaflow.model.support.files import write_atomic
from htaflow.model.training.assemble import build_model
from htaflow.model.training.fit import accuracy, calibrate, encode
from htaflow.model.training.recipe import HeavisideNeurons, Recipe

ACTIVATIONS = ("htaf-hard", "htaf-smooth", *SURROGATES)
DEPTHS = (4, 8, 12)
LEARNING_RATES = (0.001, 0.003, 0.01)
SEEDS = (0, 1)
SLOPE = 0.5  # of every surrogate at 0
ALPHA = 4.0  # HTAF's; smooth HTAF's at the start
WIDTH, BITS, EPOCHS, BATCH = 48, 4, 15, 96


@dataclass(frozen=True)
class Setting:
    """One training. With the recipe, it determines the result."""

    activation: str
    normalised: bool
    depth: int
    learning_rate: float
    seed: int


def recipe(setting: Setting) -> Recipe:
    """Return how the library trains ``setting``."""
    return Recipe(
        name=f"depth-{setting.depth}",
        description="one cell of the comparison of depths",
        thresholds=1,
        encoding="range",
        hidden=(HeavisideNeurons(WIDTH, bits=BITS, normalised=setting.normalised),) * setting.depth,
        head="scores",
        temperature=16.0,
        epochs=EPOCHS,
        batch=BATCH,
        learning_rate=setting.learning_rate,
        noise=0.01,
        beta=4 * SLOPE / ALPHA,
        hard_alpha=(ALPHA, ALPHA),
        smooth_alpha=(ALPHA, 64.0),
        feature_bits=4,
        head_bits=BITS,
    )


def run(setting: Setting, dataset: Dataset) -> dict[str, Any]:
    """Train one setting; return accuracies with the step, held back and test, and seconds."""
    learned = hold_back(dataset, setting.seed)
    how = recipe(setting)
    smooth = setting.activation == "htaf-smooth"
    model = build_model(how, learned, setting.seed)
    if setting.activation in SURROGATES:
        for block in model.blocks:
            if isinstance(block, Hidden | Heaviside):
                block.activation = Surrogate(setting.activation, SLOPE)
    seconds = fit_afresh(
        model, how, learned, mode="smooth" if smooth else "hard", seed=setting.seed
    )
    calibrate(model, encode(model.encoder, learned.x_train))
    return {
        name: accuracy(model, encode(model.encoder, x), torch.from_numpy(y))
        for name, x, y in (
            ("validation", learned.x_test, learned.y_test),
            ("test", dataset.x_test, dataset.y_test),
        )
    } | {"seconds": seconds}


def cell(results: Results[Setting], activation: str, normalised: bool, depth: int) -> str:
    """Return one entry of the table: mean and spread over the seeds at the chosen learning rate.

    A dash if some of its trainings are missing.
    """
    best: tuple[float, list[float], float] | None = None
    for rate in LEARNING_RATES:
        setting = Setting(activation, normalised, depth, rate, 0)
        runs = [results.get(replace(setting, seed=seed)) for seed in SEEDS]
        found = [entry for entry in runs if entry is not None]
        if len(found) < len(SEEDS):
            return "-"
        validation = statistics.mean(entry["validation"] for entry in found)
        if best is None or validation > best[0]:
            best = validation, [100 * entry["test"] for entry in found], rate
    assert best is not None
    _, points, rate = best
    ends = f"{min(points):.1f} to {max(points):.1f}"
    return f"{statistics.mean(points):.1f} ({ends}; {rate:g})"


def main() -> None:
    """Train what is missing and write the table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--minutes", type=float, default=float("inf"))
    options = parser.parse_args()
    torch.set_num_threads(1)
    dataset = load("digits", print)
    results: Results[Setting] = Results(
        RESULTS / "depth.jsonl",
        dataset,
        time.monotonic() + 60 * options.minutes,
        recipe=recipe,
        run=lambda setting: run(setting, dataset),
    )
    rows = []
    for normalised in (True, False):
        for activation in ACTIVATIONS:
            cells = [cell(results, activation, normalised, depth) for depth in DEPTHS]
            rows.append(f"| {'yes' if normalised else 'no'} | {activation} | {' | '.join(cells)} |")
            print(rows[-1], flush=True)
    write_atomic(RESULTS / "depth.md", "\n".join([*_head(results), *rows, ""]))


def _head(results: Results[Setting]) -> list[str]:
    """Return what stands before the rows."""
    depths = " | ".join(f"{depth} layers" for depth in DEPTHS)
    return [
        "# Deep Heaviside networks: accuracy against depth",
        "",
        "`python benchmarks/depth.py`. Test accuracy on the digits, %, of the network with steps,",
        f"as in hardware: mean (smallest to largest of seeds {SEEDS}; learning rate, chosen from",
        f"{LEARNING_RATES} by held-back frames). Layers of {WIDTH} dense neurons, weights of",
        f"{BITS} bits, features of 4 bits; Adam, {EPOCHS} epochs, batches of {BATCH}; slope",
        f"{SLOPE} at 0 for all, HTAF's alpha {ALPHA:g}. Few epochs, two seeds, one small data set:",
        "differences of a few points say nothing.",
        f"{len(results.entries)} trainings, {results.minutes:.0f} minutes. A dash is not finished.",
        "",
        f"| batch normalisation | activation | {depths} |",
        f"|---|---|{'---|' * len(DEPTHS)}",
    ]


if __name__ == "__main__":
    main()
