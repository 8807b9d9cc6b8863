"""Checkpoints: all that training needs to go on, in one safetensors file without pickle.

Tensors ``model.NAME`` are the model's state, ``optimizer.INDEX.NAME`` the optimiser's for its
INDEX-th parameter. The header's entry ``htaflow-checkpoint`` is a JSON object with the
configuration, the number of epochs done, their history and the seconds they took. Random numbers
need no place here: each epoch draws its own from the seed and its number, see
:mod:`htaflow.model.training.fit`.
"""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor, nn
from torch.optim import Optimizer

from htaflow.model.nn.block import require_finite
from htaflow.model.support.errors import BadInputError, abbreviate
from htaflow.model.support.files import write_atomic
from htaflow.model.support.results import CheckpointHeader, Epoch, parse_json

_ENTRY = "htaflow-checkpoint"
_MODEL, _OPTIMIZER = "model.", "optimizer."
_KINDS = {"BOOL", "U8", "I8", "I16", "I32", "I64", "F16", "BF16", "F32", "F64"}
_STEP = "step"
_MOMENTS = {_STEP, "exp_avg", "exp_avg_sq"}
"""What Adam keeps of each parameter: of its shape, but for the number of steps."""


@dataclass(frozen=True)
class Progressed:
    """How far training has come.

    ``history`` has one entry an epoch: epoch, loss, train_accuracy, test_accuracy.
    """

    epochs: int
    seconds: float
    history: list[Epoch]


def save_checkpoint(
    path: Path,
    configuration: dict[str, Any],
    progressed: Progressed,
    model: nn.Module,
    optimizer: Optimizer,
) -> None:
    """Write a checkpoint, whole or not at all. Raises ``BadInputError`` for NaN or infinity."""
    tensors = {_MODEL + name: tensor for name, tensor in model.state_dict().items()}
    for index, state in optimizer.state_dict()["state"].items():
        tensors |= {f"{_OPTIMIZER}{index}.{name}": tensor for name, tensor in state.items()}
    for name, tensor in tensors.items():
        require_finite(tensor, name)
    header = {
        "configuration": configuration,
        "epochs": progressed.epochs,
        "seconds": progressed.seconds,
        "history": progressed.history,
    }
    contiguous = {name: tensor.contiguous() for name, tensor in tensors.items()}
    write_atomic(path, save(contiguous, metadata={_ENTRY: json.dumps(header)}))


def load_checkpoint(
    path: Path, configuration: dict[str, Any], model: nn.Module, optimizer: Optimizer
) -> Progressed:
    """Put a checkpoint into ``model`` and ``optimizer``, and return how far it has come.

    Raises ``BadInputError``, with both left as they were, if the file is damaged, of another
    ``configuration``, does not fit the model, or holds NaN or infinity (the tensor is named).
    """
    header, tensors = _read(path)
    _require_same(path, header.get("configuration"), configuration)
    for name, tensor in tensors.items():
        try:
            require_finite(tensor, name)
        except BadInputError as error:
            raise BadInputError(f"{path}: {error}") from None
    states = {
        name.removeprefix(_MODEL): tensor
        for name, tensor in tensors.items()
        if name.startswith(_MODEL)
    }
    expected = {name: (it.shape, it.dtype) for name, it in model.state_dict().items()}
    found = {name: (it.shape, it.dtype) for name, it in states.items()}
    if found != expected:
        odd = sorted(name for name in found | expected if found.get(name) != expected.get(name))
        raise BadInputError(
            f"{path}: tensor {abbreviate(_MODEL + odd[0])} is not as the model has it; {AFRESH}"
        )
    optimizer_state = _optimizer_state(path, tensors, optimizer)
    history, epochs = header["history"], header["epochs"]
    told = [entry["epoch"] for entry in history]
    if epochs != len(told) or told != list(range(1, epochs + 1)):
        raise BadInputError(f"{path}: its history is damaged; {AFRESH}")
    model.load_state_dict(states)
    optimizer.load_state_dict(optimizer_state)
    return Progressed(epochs, header["seconds"], history)


AFRESH = "use another folder, or start afresh with --restart (resume=False)"
"""What to do about a checkpoint that cannot be continued."""


def _read(path: Path) -> tuple[CheckpointHeader, dict[str, Tensor]]:
    """Return the header's entry and the tensors of a checkpoint. Raises ``BadInputError``."""
    try:
        with safe_open(path, framework="pt") as file:
            text = (file.metadata() or {}).get(_ENTRY, "")
            kinds = {key: file.get_slice(key).get_dtype() for key in file.keys()}  # noqa: SIM118
            for key, kind in kinds.items():
                if kind not in _KINDS:
                    raise ValueError(f"tensor {abbreviate(key)} is of type {kind}")
            tensors = {key: file.get_tensor(key) for key in kinds}
        return parse_json(text, CheckpointHeader), tensors
    except (SafetensorError, OSError, ValueError, RuntimeError) as error:
        what = abbreviate(str(error), 200)[1:-1]
        raise BadInputError(
            f"{path}: is truncated or not a valid checkpoint ({what}); {AFRESH}"
        ) from error


def _require_same(path: Path, found: Any, wanted: dict[str, Any]) -> None:
    """Raise ``BadInputError`` that names the first difference of two configurations."""
    found = found if isinstance(found, dict) else {}
    wanted = json.loads(json.dumps(wanted))  # as the file would give it back: lists, not tuples
    for key in sorted(found | wanted):
        if found.get(key) != wanted.get(key):
            raise BadInputError(
                f"{path}: is of another training: its {abbreviate(key)[1:-1]} is "
                f"{_short(found.get(key))}, "
                f"not {_short(wanted.get(key))}; {AFRESH}"
            )


def _short(value: Any) -> str:
    text = json.dumps(value)
    return text if len(text) <= 60 else text[:57] + "..."


def _optimizer_state(
    path: Path, tensors: dict[str, Tensor], optimizer: Optimizer
) -> dict[str, Any]:
    """Return the state dictionary of an Adam with the checkpoint's tensors in it."""
    result = optimizer.state_dict()
    parameters = [parameter for group in optimizer.param_groups for parameter in group["params"]]
    numbers = set(map(str, range(len(parameters))))
    state: dict[int, dict[str, Tensor]] = {}
    for name, tensor in tensors.items():
        if name.startswith(_OPTIMIZER):
            index, _, key = name.removeprefix(_OPTIMIZER).partition(".")
            known = index in numbers and key in _MOMENTS
            shape = torch.Size() if key == _STEP or not known else parameters[int(index)].shape
            if not known or tensor.shape != shape or tensor.dtype != torch.float32:
                raise BadInputError(
                    f"{path}: tensor {abbreviate(name)} fits no parameter; {AFRESH}"
                )
            state.setdefault(int(index), {})[key] = tensor
    if len(state) != len(parameters) or any(set(part) != _MOMENTS for part in state.values()):
        raise BadInputError(f"{path}: lacks state of the optimiser; {AFRESH}")
    return {**result, "state": state}
