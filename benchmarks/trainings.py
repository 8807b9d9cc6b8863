"""What benchmarks of trainings share: held-back frames, a training, and a file of results."""

import json
import tempfile
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Generic, TypeVar

import numpy as np

from htaflow.model.data.dataset import Dataset
from htaflow.model.nn.network import BinaryNetwork, Mode
from htaflow.model.support.files import digest, write_atomic
from htaflow.model.training.fit import fit
from htaflow.model.training.recipe import Recipe, described

RESULTS = Path(__file__).parent / "results"
HELD_BACK = 5  # one training frame in this many chooses among a grid

Setting = TypeVar("Setting")
"""A frozen dataclass: what tells one training of a benchmark from another."""


def hold_back(dataset: Dataset, seed: int) -> Dataset:
    """Return training frames without a random fifth, which takes the place of the test frames."""
    order = np.random.default_rng(seed).permutation(len(dataset.x_train))
    held, learned = np.split(order, [len(order) // HELD_BACK])
    return replace(
        dataset,
        x_train=dataset.x_train[learned],
        y_train=dataset.y_train[learned],
        x_test=dataset.x_train[held],
        y_test=dataset.y_train[held],
    )


def fit_afresh(
    model: BinaryNetwork, recipe: Recipe, dataset: Dataset, *, mode: Mode, seed: int
) -> float:
    """Train ``model`` in place as ``recipe`` says; return the seconds that it took."""
    with tempfile.TemporaryDirectory() as folder:
        done = fit(
            model,
            recipe,
            dataset,
            mode=mode,
            seed=seed,
            epochs=recipe.epochs,
            checkpoint=Path(folder) / "checkpoint.safetensors",
            configuration={},
        )
    return round(done.seconds, 2)


@dataclass
class Results(Generic[Setting]):
    """The lines of a file: results by setting, each of one protocol (recipe and data).

    Args:
        path: the file; made with the first result.
        dataset: what is trained on.
        stop: when to train no more, by :func:`time.monotonic`.
        recipe: how a setting is trained.
        run: trains a setting and returns what was measured, ``seconds`` among it.
    """

    path: Path
    dataset: Dataset
    stop: float
    recipe: Callable[[Setting], Recipe]
    run: Callable[[Setting], dict[str, Any]]

    def __post_init__(self) -> None:
        lines = self.path.read_text().splitlines() if self.path.exists() else []
        self.entries: list[dict[str, Any]] = [json.loads(line) for line in lines]

    @property
    def minutes(self) -> float:
        """How long all of them took."""
        return float(sum(entry["seconds"] for entry in self.entries)) / 60

    def get(self, setting: Setting) -> dict[str, Any] | None:
        """Return what is stored for ``setting``; else train it, unless time is up."""
        key = self._key(setting)
        for entry in self.entries:
            if entry.items() >= key.items():
                return entry
        if time.monotonic() > self.stop:
            return None
        entry = key | self.run(setting)
        self.entries.append(entry)
        write_atomic(self.path, "".join(json.dumps(entry) + "\n" for entry in self.entries))
        return entry

    def _key(self, setting: Any) -> dict[str, Any]:
        how = json.dumps(described(self.recipe(setting)), sort_keys=True)
        return asdict(setting) | {"protocol": digest(how, self.dataset.digest)[:12]}
