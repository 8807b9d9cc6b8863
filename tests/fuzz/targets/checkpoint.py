"""Checkpoints of a training."""

import functools
from pathlib import Path
from typing import Any

import numpy as np
import torch

from fuzz.guard import bounded_memory
from fuzz.targets.target import scratch, told
from htaflow.model.support.errors import BadInputError
from htaflow.model.training.checkpoint import Progressed, load_checkpoint, save_checkpoint

CONFIGURATION = {"recipe": "r", "seed": 0, "epochs": 2, "sizes": [3, 2]}


@functools.cache
def learner() -> tuple[Any, Any]:
    """A model with everything that a state can hold, and an optimiser that has made a step."""
    torch.manual_seed(0)
    model = torch.nn.Sequential(torch.nn.Linear(3, 2), torch.nn.BatchNorm1d(2))
    optimizer = torch.optim.Adam(model.parameters(), lr=0.01, fused=True)
    model(torch.randn(4, 3)).sum().backward()
    optimizer.step()
    return model, optimizer


@functools.cache
def checkpoint_seeds() -> list[bytes]:
    epoch = {"epoch": 1, "loss": 2.0, "train_accuracy": 0.5, "test_accuracy": 0.4}
    with scratch() as folder:
        progressed = Progressed(1, 3.5, [epoch])
        save_checkpoint(folder / "c", CONFIGURATION, progressed, *learner())
        return [(folder / "c").read_bytes()]


def check_checkpoint(data: bytes, folder: Path) -> bool:
    """A checkpoint: training goes on from it, or it is refused."""
    path = folder / "checkpoint.safetensors"
    path.write_bytes(data)
    model, _ = learner()
    optimizer = torch.optim.Adam(model.parameters(), lr=0.01, fused=True)
    with bounded_memory():
        try:
            done = load_checkpoint(path, CONFIGURATION, model, optimizer)
        except BadInputError as error:
            told(error)
            return False
        assert done.epochs == len(done.history)
        for entry in done.history:
            assert math_finite(entry["loss"])
            assert isinstance(entry["epoch"], int)
        optimizer.zero_grad()
        model(torch.ones(4, 3)).sum().backward()
        optimizer.step()
    return True


def math_finite(value: Any) -> bool:
    """Whether ``value`` is a number and finite."""
    return isinstance(value, int | float) and bool(np.isfinite(value))
