"""HTAF against the usual surrogates of the step, at equal wiring, width, data, budget and tries.

    python benchmarks/activations.py [--data digits|mnist] [--minutes N]

Each activation is trained by the library's own trainer at each depth, dense and sparse. Learning
rate and slope at 0 are chosen from the same grid for everyone, by accuracy on a fifth of the
training frames that is held back; no choice looks at the test frames. Every finished training is
a line in ``benchmarks/results/activations.jsonl``, and none is repeated, so an interrupted
benchmark goes on. At the end, or when ``--minutes`` have passed, ``activations.md`` is written
beside it from all lines. Data other than the digits give their name to both files.
"""

import argparse
import copy
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import torch
import torch.nn.functional as F
from activations_table import Cell, markdown
from torch import Tensor
from trainings import RESULTS, Results, fit_afresh, hold_back

from htaflow.model.data.dataset import Dataset
from htaflow.model.data.load import load
from htaflow.model.nn.block import Hidden
from htaflow.model.nn.network import BinaryNetwork, Mode
from htaflow.model.nn.surrogates import SURROGATES, Surrogate
from htaflow.model.support.files import write_atomic
from htaflow.model.training.assemble import build_model
from htaflow.model.training.fit import accuracy, calibrate, encode
from htaflow.model.training.recipe import Neurons, Recipe

ACTIVATIONS = ("htaf-hard", "htaf-hard-2", "htaf-smooth", *SURROGATES)
WEIGHTS = "htaf-hard-weights"  # htaf-hard, and the signs of the weights through HTAF too
DEPTHS = (2, 4, 8, 16)
WIRINGS = ("dense", "sparse")
LEARNING_RATES = (0.01, 0.03)
SLOPES = (0.5, 1.0, 0.25)
TRIAL_SEEDS = (0, 1)
SEEDS = (0, 1, 2, 3, 4)
ALPHA = 4.0  # HTAF's; with it the slope at 0 is beta
LOW_ALPHA = 2.0  # of htaf-hard-2, the zoo's: the tail is then only as heavy as the sigmoid's
SMOOTH_ALPHA = (ALPHA, 64.0)  # smooth HTAF's, at start and end of training


@dataclass(frozen=True)
class Size:
    """What is the same for every training on the same data."""

    width: int
    epochs: int
    batch: int
    thresholds: int
    start_fan_in: int


SIZES = {"digits": Size(60, 25, 96, 3, 40), "mnist": Size(200, 4, 256, 1, 60)}


@dataclass(frozen=True)
class Setting:
    """One training. With the protocol, which it is stored with, it determines the result."""

    activation: str
    wiring: str
    depth: int
    learning_rate: float
    slope: float
    seed: int


def recipe(setting: Setting, size: Size) -> Recipe:
    """Return how the library trains ``setting``; the heads are those of the zoo's digits."""
    dense = setting.wiring == "dense"
    alpha = LOW_ALPHA if setting.activation == "htaf-hard-2" else ALPHA
    neurons = Neurons(size.width) if dense else Neurons(size.width, 6, size.start_fan_in)
    return Recipe(
        name=f"{setting.wiring}-{setting.depth}",
        description="one cell of the comparison of activations",
        thresholds=size.thresholds,
        encoding="range",
        hidden=(neurons,) * setting.depth,
        head="scores" if dense else "vote",
        temperature=size.width**0.5 if dense else 1.5 * (size.width / 100) ** 0.5,
        epochs=size.epochs,
        batch=size.batch,
        learning_rate=setting.learning_rate,
        noise=0.03,
        beta=4 * setting.slope / alpha,
        hard_alpha=(alpha, alpha),
        smooth_alpha=SMOOTH_ALPHA,
        weights="htaf" if setting.activation == WEIGHTS else "straight-through",
    )


def run(setting: Setting, size: Size, dataset: Dataset) -> dict[str, Any]:
    """Train one setting and measure it.

    Returns ``validation`` and ``test``: accuracy with the step, as the hardware has it; ``own``:
    test accuracy of the forward pass that was trained; ``constant``: share of hidden neurons that
    are the same for all test frames; ``gradient``: of each hidden layer before training, the root
    mean square of the loss's derivative by its latent weights; ``seconds`` that training took.
    """
    learned = hold_back(dataset, setting.seed)
    how = recipe(setting, size)
    mode: Mode = "smooth" if setting.activation == "htaf-smooth" else "hard"
    model = build_model(how, learned, setting.seed)
    if setting.activation in SURROGATES:
        for block in _hidden(model):
            block.activation = Surrogate(setting.activation, setting.slope)
    model.set_mode(mode)
    x_train, x_held, x_test = (
        encode(model.encoder, frames)
        for frames in (learned.x_train, learned.x_test, dataset.x_test)
    )
    y_held, y_test = torch.from_numpy(learned.y_test), torch.from_numpy(dataset.y_test)
    gradient = _gradient(model, how, x_train, torch.from_numpy(learned.y_train))
    seconds = fit_afresh(model, how, learned, mode=mode, seed=setting.seed)
    own = accuracy(model, x_test, y_test, mode=mode)
    calibrate(model, x_train)
    return {
        "validation": accuracy(model, x_held, y_held),
        "test": accuracy(model, x_test, y_test),
        "own": own,
        "constant": _constant(model, x_test),
        "gradient": gradient,
        "seconds": seconds,
    }


def _hidden(model: BinaryNetwork) -> list[Hidden]:
    return [block for block in model.blocks if isinstance(block, Hidden)]


def _gradient(model: BinaryNetwork, how: Recipe, bits: Tensor, labels: Tensor) -> list[float]:
    """Return each hidden layer's root mean square gradient in one batch; ``model`` stays as is."""
    model = copy.deepcopy(model).train()
    scores = model.decide(bits[: how.batch].float())
    loss = F.cross_entropy(scores / how.temperature, labels[: how.batch])
    loss.backward()  # type: ignore[no-untyped-call]
    gradients = [block.linear.latent.grad for block in _hidden(model)]
    return [float(f"{g.square().mean().sqrt().item():.3g}") for g in gradients if g is not None]


@torch.no_grad()
def _constant(model: BinaryNetwork, bits: Tensor) -> float:
    """Return the share of hidden neurons that give the same bit for all frames."""
    model.eval()
    model.set_hard(True)
    values = bits.float()
    constant: list[float] = []
    for block in _hidden(model):
        values = block(values)
        share = values.mean(dim=0)
        constant.append(((share == 0) | (share == 1)).float().mean().item())
    return round(sum(constant) / len(constant), 4)


def trials(activation: str, wiring: str, depth: int) -> Iterator[Setting]:
    """Yield the trainings among which learning rate and slope are chosen."""
    for slope in SLOPES:
        for learning_rate in LEARNING_RATES:
            for seed in TRIAL_SEEDS:
                yield Setting(activation, wiring, depth, learning_rate, slope, seed)


def choose(tried: list[tuple[Setting, dict[str, Any]]]) -> Setting:
    """Return the setting of best validation accuracy, on average over the trials' seeds.

    Of equal ones it is the first.
    """
    sums: dict[Setting, float] = {}
    for setting, entry in tried:
        key = replace(setting, seed=0)
        sums[key] = sums.get(key, 0) + entry["validation"]
    return max(sums, key=lambda setting: sums[setting])


def cell(results: Results[Setting], activation: str, wiring: str, depth: int) -> Cell | None:
    """Return one activation at one depth and wiring; ``None`` if time was up before."""
    tried = []
    for setting in trials(activation, wiring, depth):
        entry = results.get(setting)
        if entry is None:
            return None
        tried.append((setting, entry))
    chosen = choose(tried)
    runs = [results.get(replace(chosen, seed=seed)) for seed in SEEDS]
    found = [entry for entry in runs if entry is not None]
    if len(found) < len(SEEDS):
        return None
    same = [e for s, e in tried if s.slope == SLOPES[0] and s.learning_rate == LEARNING_RATES[0]]
    return Cell(activation, wiring, depth, chosen.learning_rate, chosen.slope, found, same)


def main() -> None:
    """Train what is missing and write the table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--data", choices=SIZES, default="digits")
    parser.add_argument("--minutes", type=float, default=float("inf"))
    options = parser.parse_args()
    torch.set_num_threads(1)
    stop = time.monotonic() + 60 * options.minutes
    name = "activations" if options.data == "digits" else f"activations-{options.data}"
    size, dataset = SIZES[options.data], load(options.data, print)
    results: Results[Setting] = Results(
        RESULTS / f"{name}.jsonl",
        dataset,
        stop,
        recipe=lambda setting: recipe(setting, size),
        run=lambda setting: run(setting, size, dataset),
    )
    cells = []
    for depth in DEPTHS:
        for wiring in WIRINGS:
            for activation in (*ACTIVATIONS, WEIGHTS):
                found = cell(results, activation, wiring, depth)
                if found is None:
                    continue
                cells.append(found)
                accuracies = " ".join(f"{100 * run['test']:.2f}" for run in found.runs)
                print(f"{depth:2} {wiring:6} {activation:17} test {accuracies} %", flush=True)
    protocol = {
        "data": f"{options.data}, {len(dataset.x_train)} training frames of which a random fifth "
        f"(by seed) is held back to choose by, {len(dataset.x_test)} test frames",
        "layers": f"{size.width} neurons each; dense, or sparse with a fan-in annealed from "
        f"{size.start_fan_in} to 6 over the first 60 % of training",
        "training": f"Adam, {size.epochs} epochs, batches of {size.batch}, cosine schedule",
        "grid": f"learning rates {LEARNING_RATES}, slopes at 0 {tuple(sorted(SLOPES))}, "
        f"{len(TRIAL_SEEDS)} seeds each",
        "seeds": f"{len(SEEDS)}; a seed gives every activation the same initial weights, "
        "held-back frames, batches and noise",
        "trainings": f"{len(results.entries)}, {results.minutes:.0f} minutes on one thread",
    }
    text = markdown(cells, DEPTHS, WIRINGS, ACTIVATIONS, protocol)
    write_atomic(RESULTS / f"{name}.md", text)
    print(text)


if __name__ == "__main__":
    main()
