"""Checkpoints that mean no good.

Each of these once crashed, hung or filled memory, or easily could.
"""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from fuzz.guard import bounded_memory, bounded_time
from fuzz.mutate import Tensor, pack, unpack
from fuzz.targets.checkpoint import CONFIGURATION, checkpoint_seeds, learner

from htaflow.model.support.errors import BadInputError
from htaflow.model.training.checkpoint import load_checkpoint


def checkpoint(change: Callable[[dict[str, Any], list[Tensor]], object], path: Path) -> Path:
    """Write a good checkpoint with something changed in its header or its tensors."""
    (seed,) = checkpoint_seeds()
    parts = unpack(seed)
    assert parts is not None
    told = json.loads(parts[0]["htaflow-checkpoint"])
    change(told, parts[1])
    path.write_bytes(pack({"htaflow-checkpoint": json.dumps(told)}, parts[1]))
    return path


def drop(name: str) -> Callable[[dict[str, Any], list[Tensor]], object]:
    def change(told: dict[str, Any], tensors: list[Tensor]) -> None:
        tensors[:] = [tensor for tensor in tensors if tensor.name != name]

    return change


def retype(name: str, dtype: str) -> Callable[[dict[str, Any], list[Tensor]], object]:
    def change(told: dict[str, Any], tensors: list[Tensor]) -> None:
        for index, tensor in enumerate(tensors):
            if tensor.name == name:
                size = {"F16": 2, "F8_E4M3": 1, "I32": 4}[dtype]
                count = int(np.prod(tensor.shape, dtype=int))
                tensors[index] = Tensor(name, dtype, tensor.shape, bytes(size * count))

    return change


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda told, _: told.update(epochs=1 << 60), "its history is damaged"),
        (lambda told, _: told.update(epochs="1"), "its 'epochs' has the wrong type"),
        (
            lambda told, _: told.update(history=[[]]),
            "'history.*expected object, got array",
        ),
        (
            lambda told, _: told["history"][0].update(loss="x"),
            "'history.*loss'.*expected float, got str",
        ),
        (lambda told, _: told["history"][0].update(epoch=7), "its history is damaged"),
        (lambda told, _: told.pop("seconds"), "it lacks 'seconds'"),
        (drop("optimizer.0.exp_avg"), "lacks state of the optimiser"),
        (drop("optimizer.1.step"), "lacks state of the optimiser"),
        (retype("optimizer.0.exp_avg", "F16"), "fits no parameter"),
        (retype("model.0.weight", "I32"), "is not as the model has it"),
        (retype("model.0.weight", "F8_E4M3"), "is of type F8_E4M3"),
    ],
)
def test_a_checkpoint_that_training_could_not_go_on_from_is_refused(
    change: Callable[..., object], message: str, tmp_path: Path
) -> None:
    path = checkpoint(change, tmp_path / "c")
    with bounded_time(10), bounded_memory(256 << 20), pytest.raises(BadInputError, match=message):
        load_checkpoint(path, CONFIGURATION, *learner())


def test_a_checkpoint_with_lists_in_one_another_is_refused(tmp_path: Path) -> None:
    (tmp_path / "c").write_bytes(pack({"htaflow-checkpoint": "[" * 100_000}, []))
    with pytest.raises(BadInputError, match="is truncated or not a valid checkpoint"):
        load_checkpoint(tmp_path / "c", {}, *learner())
