"""``htaflow train``: data and a recipe to a proved integer network in a run directory."""

import io
import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any, Literal, cast

import numpy as np
import torch
from torch import Tensor

from htaflow.model.data.dataset import Dataset
from htaflow.model.data.load import load
from htaflow.model.data.options import DataOptions
from htaflow.model.integer.exemplars import (
    Exemplars,
    exemplars_bytes,
    find_exemplars,
    load_exemplars,
)
from htaflow.model.integer.file import load_network, network_bytes
from htaflow.model.integer.network import Network
from htaflow.model.nn.lowering.lower import lower, prove_lowering
from htaflow.model.nn.network import BinaryNetwork
from htaflow.model.support.arguments import checked
from htaflow.model.support.errors import BadInputError, did_you_mean
from htaflow.model.support.files import digest, locked_folder, to_json, write_json, write_together
from htaflow.model.support.progress import Progress, silent
from htaflow.model.support.results import Epoch, LoggedEpoch, Object, Training, read_json
from htaflow.model.training.assemble import build_model, refine_model
from htaflow.model.training.fit import accuracy, calibrate, encode, fit
from htaflow.model.training.recipe import Recipe, described, network_name, refined_recipe
from htaflow.model.training.recipe_check import check_recipe
from htaflow.model.training.zoo import ZOO, find_recipe

MODES = ("hard", "smooth")

_AS_IS = DataOptions()


@checked
def train(
    model: str | Recipe,
    data: str | Path,
    out: str | Path,
    *,
    mode: Literal["hard", "smooth"] = "hard",
    seed: int = 0,
    epochs: int | None = None,
    resume: bool = True,
    options: DataOptions = _AS_IS,
    progress: Progress = silent,
) -> Training:
    """Train, lower and prove a model; write ``network.safetensors``, ``test.npz``, ``train.json``.

    If names, units or an image's shape are known of the features, ``features.json`` has them (see
    :mod:`htaflow.model.data.features`). For a network with concepts, ``concepts.npz`` has training
    frames that show what they are.
    While training, ``checkpoint.safetensors`` is written after each epoch; the next call with the
    same arguments goes on from there, to the same result as without the break. A call whose inputs
    have not changed since ``train.json`` was written returns what is stored there.

    Args:
        model: a name in the zoo, or a recipe of your own; its name is that of the network, too.
        data: what :func:`htaflow.model.data.load.load` takes.
        out: the run directory; made if need be.
        mode: forward through the step, or through HTAF with the step at the end.
        seed: of all random numbers, 0 or more.
        epochs: passes over the training frames; by default the recipe's own number.
        resume: whether to use what an earlier call left in ``out``.
        options: how the data are to be read.
        progress: told one line an epoch, and what happens before and after.

    Returns:
        What ``train.json`` holds; in it, ``recipe`` is the recipe if it is not one of the zoo. In
        ``accuracy``, ``float`` is the trained model's own forward pass (HTAF in smooth mode and of
        concepts, else the step) with the running averages of batch normalisation; ``hard`` is the
        step with statistics of all training frames; ``golden`` is the integer network. All are
        shares of the whole test set.

    Raises:
        BadInputError: an argument, the data or a checkpoint is refused, ``out`` holds the network
            of another training, or training diverged.
        MismatchError: the integer network differs from the hard model: a fault of htaflow.
    """
    out = Path(out)
    recipe = find_recipe(model) if isinstance(model, str) else model
    check_recipe(recipe)
    if mode not in MODES:
        raise BadInputError(f"no mode '{mode}'{did_you_mean(mode, MODES)}")
    epochs = recipe.epochs if epochs is None else epochs
    if epochs < 1:
        raise BadInputError(f"epochs is {epochs}; use at least 1")
    if seed < 0:
        raise BadInputError(f"seed is {seed}; use 0 or more")
    dataset = load(data, progress, options)
    versions = {name: version(name) for name in ("htaflow", "numpy", "torch")}
    configuration: dict[str, Any] = {
        "recipe": described(recipe),
        "data": dataset.digest,
        "mode": mode,
        "seed": seed,
        "epochs": epochs,
        "versions": versions,
    }
    asked = {
        "model": recipe.name,
        "data": str(data),
        "mode": mode,
        "seed": seed,
        "data_options": options.given,
    }
    task = _Task(out, recipe, dataset, configuration, asked, progress)
    with locked_folder(out, lambda: progress(f"train: waiting for another step in {out}")):
        return _train(task, resume=resume)


@dataclass(frozen=True)
class _Task:
    """What is trained, on what, and where to.

    ``configuration`` is what decides the trained model; ``asked`` is what the user said.
    """

    out: Path
    recipe: Recipe
    dataset: Dataset
    configuration: dict[str, Any]
    asked: dict[str, Any]
    progress: Progress

    @property
    def inputs(self) -> str:
        """The digest of all that decides the trained model."""
        return digest(json.dumps(self.configuration, sort_keys=True))

    @property
    def checkpoints(self) -> list[Path]:
        """Where training goes on after a break: that of the model, and that of its tables."""
        names = ("checkpoint.safetensors", "checkpoint-tables.safetensors")
        return [self.out / name for name in names]


@dataclass(frozen=True)
class _Fitted:
    """A trained model, the encoded training frames, and how training went."""

    model: BinaryNetwork
    recipe: Recipe
    x_train: Tensor
    history: list[Epoch]
    seconds: float


@dataclass(frozen=True)
class _Lowered:
    """The integer network of a trained model, and how often both are right."""

    network: Network
    accuracy: dict[str, float]
    exemplars: Exemplars | None


def _train(task: _Task, *, resume: bool) -> Training:
    """Do what :func:`train` says, with the run directory held for it alone."""
    if resume:
        stored = _stored(task.out, task.inputs)
        if stored is not None:
            task.progress("train: unchanged")
            _write_features(task.out, task.dataset, stored["network"])
            return stored
        _refuse_another(task.out, task.asked)
    else:
        _remove(task.checkpoints)
    dataset = task.dataset
    task.progress(
        f"{task.recipe.name} on {dataset.name}: {len(dataset.x_train)} frames of "
        f"{dataset.features} features, {len(dataset.classes)} classes, "
        f"{len(dataset.x_test)} test frames"
    )
    fitted = _fit(task)
    lowered = _lower(task, fitted)
    return _write(task, fitted, lowered)


def _fit(task: _Task) -> _Fitted:
    """Train the recipe's model; with a refinement, then its hidden layers as truth tables."""
    recipe, dataset, settings = task.recipe, task.dataset, task.configuration
    mode, seed, epochs = (settings[name] for name in ("mode", "seed", "epochs"))
    trained = build_model(recipe, dataset, seed)
    with _one_thread():
        done = fit(
            trained,
            recipe,
            dataset,
            mode=mode,
            seed=seed,
            epochs=epochs,
            checkpoint=task.checkpoints[0],
            configuration=settings,
            progress=task.progress,
        )
        x_train = encode(trained.encoder, dataset.x_train)
        if recipe.refinement is None:
            return _Fitted(trained, recipe, x_train, done.history, done.seconds)
        calibrate(trained, x_train)
        task.progress("the hidden layers become truth tables, and are trained further")
        recipe = refined_recipe(recipe, epochs)
        trained = refine_model(trained, recipe)
        refined = fit(
            trained,
            recipe,
            dataset,
            mode="hard",
            seed=seed,
            epochs=recipe.epochs,
            checkpoint=task.checkpoints[1],
            configuration=settings,
            progress=task.progress,
        )
    later = [Epoch(**{**entry, "epoch": entry["epoch"] + epochs}) for entry in refined.history]
    seconds = done.seconds + refined.seconds
    return _Fitted(trained, recipe, x_train, done.history + later, seconds)


def _lower(task: _Task, fitted: _Fitted) -> _Lowered:
    """Make the integer network and prove that it computes what the model does, layer by layer."""
    trained, dataset = fitted.model, task.dataset
    x_test = encode(trained.encoder, dataset.x_test)
    y_test = torch.from_numpy(dataset.y_test)
    own = accuracy(trained, x_test, y_test, mode=task.configuration["mode"])
    calibrate(trained, fitted.x_train)
    hard = accuracy(trained, x_test, y_test)
    network = lower(trained, network_name(fitted.recipe))
    classes = prove_lowering(trained, network, dataset.x_test)
    exemplars = None if network.concepts is None else find_exemplars(network, dataset.x_train)
    golden = float(np.mean(classes == dataset.y_test))
    task.progress(
        f"hard PyTorch == golden on {len(x_test)} test frames, every layer; "
        f"accuracy {100 * golden:.2f} %"
    )
    return _Lowered(network, {"float": own, "hard": hard, "golden": golden}, exemplars)


def _write(task: _Task, fitted: _Fitted, lowered: _Lowered) -> Training:
    """Write the run's files, all together, and remove those of a network before."""
    out, dataset, network = task.out, task.dataset, lowered.network
    test_set = _test_set(dataset)
    result = _result(task, fitted, lowered, digest(test_set))
    files: dict[Path, str | bytes] = {
        out / "network.safetensors": network_bytes(network),
        out / "test.npz": test_set,
    }
    if lowered.exemplars is not None:
        files[out / "concepts.npz"] = exemplars_bytes(lowered.exemplars, network)
    facts = dataset.known.facts(network.digest, dataset.features)
    if facts is not None:
        files[out / "features.json"] = to_json(facts)
    write_together({**files, out / "train.json": to_json(result)})
    before = (out / "concepts.npz", out / "features.json")  # of the network before, if not written
    _remove([path for path in before if path not in files])
    _remove(task.checkpoints)
    return result


def _result(task: _Task, fitted: _Fitted, lowered: _Lowered, test_digest: str) -> Training:
    """Return what ``train.json`` holds."""
    recipe, dataset, settings = fitted.recipe, task.dataset, task.configuration
    return {
        "model": recipe.name,
        "recipe": None if recipe == ZOO.get(recipe.name) else settings["recipe"],
        "data": task.asked["data"],
        "data_options": task.asked["data_options"],
        "mode": settings["mode"],
        "seed": settings["seed"],
        "epochs": settings["epochs"],
        "network": lowered.network.digest,
        "accuracy": lowered.accuracy,
        "train_frames": len(dataset.x_train),
        "test_frames": len(dataset.x_test),
        "features": dataset.features,
        "classes": list(dataset.classes),
        "history": cast(list[LoggedEpoch], fitted.history),
        "seconds": round(fitted.seconds, 3),
        "versions": settings["versions"],
        "test_digest": test_digest,
        "inputs": task.inputs,
    }


def _refuse_another(out: Path, wanted: dict[str, Any]) -> None:
    """Raise ``BadInputError`` if ``out`` holds the network of another training than ``wanted``."""
    try:
        stored = read_json(out / "train.json", Object) or {}
    except (OSError, BadInputError):
        return
    for key, value in wanted.items():
        was = stored.get(key, {} if key == "data_options" and stored else value)
        if was != value:
            raise BadInputError(
                f"{out} holds a network of another training: its {key} is '{was}', not "
                f"'{value}'; use another folder, or replace it with --restart (resume=False)"
            )


def _write_features(out: Path, dataset: Dataset, network: str) -> None:
    """Write what is known of the features to ``features.json``, unless it is there already."""
    path, facts = out / "features.json", dataset.known.facts(network, dataset.features)
    if facts is None:
        path.unlink(missing_ok=True)
        return
    try:
        if read_json(path, Object) == facts:
            return
    except BadInputError:
        pass  # it is damaged, and replaced
    write_json(path, facts)


def _remove(files: list[Path]) -> None:
    for file in files:
        file.unlink(missing_ok=True)


@contextmanager
def _one_thread() -> Iterator[None]:
    """Let PyTorch use one thread, and afterwards as many as before.

    Sums in another order round to another result, so a fixed number makes a seed give the same
    network whatever the machine's cores; and for layers as narrow as ours more gain little, and on
    a busy machine lose much.
    """
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def _test_set(dataset: Dataset) -> bytes:
    """Return the test set as the content of an ``.npz`` file."""
    buffer = io.BytesIO()
    np.savez_compressed(buffer, x=dataset.x_test, y=dataset.y_test)
    return buffer.getvalue()


def _stored(out: Path, inputs: str) -> Training | None:
    """Return the result in ``out`` if it came from ``inputs`` and its files are as written."""
    try:
        result = read_json(out / "train.json", Training)
        network = load_network(out / "network.safetensors")
        test = digest((out / "test.npz").read_bytes())
        explained = network.concepts is None or load_exemplars(out / "concepts.npz", network)
    except (OSError, ValueError, BadInputError):
        return None
    if result is None or result.get("inputs") != inputs or not explained:
        return None
    same = result.get("network") == network.digest and result.get("test_digest") == test
    return result if same else None
