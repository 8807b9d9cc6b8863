"""Integer networks on disk: one safetensors file with a JSON header, safe to open untrusted.

The tensors are named ``LAYER_INDEX.FIELD`` and hold signed integers; the header's metadata has one
entry, ``htaflow``, a JSON object ``{"format": 2, "name": ..., "layers": [{"type": ..., "name": ...,
FIELD: ...}, ...]}``. https://huggingface.co/docs/safetensors describes the container.

Format 2 has more layers and fields than format 1. What format 1 can hold is written as format 1,
which earlier versions read too.
"""

import json
from dataclasses import MISSING, fields
from pathlib import Path
from typing import Any

import numpy.typing as npt
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save

from htaflow.model.integer.field_types import ill_typed
from htaflow.model.integer.network import LAYER_TYPES, Layer, Network, require_network
from htaflow.model.integer.problems import (
    MAX_PROBLEMS_A_LAYER,
    Problem,
    describe_problems,
    find_problems,
)
from htaflow.model.support.errors import BadInputError, abbreviate, did_you_mean
from htaflow.model.support.files import as_path, write_atomic

FORMATS = (1, 2)
MAX_LAYERS = 1000

_KNOWN = {
    "BOOL",
    "F16",
    "F32",
    "F64",
    *(f"{sign}{bits}" for sign in "IU" for bits in (8, 16, 32, 64)),
}
"""Types of tensors that NumPy has too."""


def save_network(network: Network, path: str | Path) -> None:
    """Write ``network`` to ``path``; the same network always gives the same bytes."""
    require_network(network)
    write_atomic(as_path(path, "the network's file"), network_bytes(network))


def network_bytes(network: Network) -> bytes:
    """Return the content of the network file of ``network``."""
    layers = [{"type": layer.type, **layer.scalars} for layer in network.layers]
    needed = FORMATS[any(layer.needs_format_2 for layer in network.layers)]
    header = {"format": needed, "name": network.name, "layers": layers}
    tensors = {
        f"{index}.{name}": tensor
        for index, layer in enumerate(network.layers)
        for name, tensor in layer.tensors.items()
    }
    return save(tensors, metadata={"htaflow": json.dumps(header)})


def load_network(path: str | Path) -> Network:
    """Read and validate a network. Raises ``BadInputError`` that lists every problem."""
    path = as_path(path, "the network's file")
    name, layers, problems = _read(path)
    if not problems:
        problems = find_problems(name, layers)
    if problems:
        raise BadInputError(describe_problems(str(path), problems))
    return Network(name, layers)


def check_file(path: str | Path) -> list[Problem]:
    """Return every problem of the network file at ``path``; an empty list means valid."""
    path = as_path(path, "the network's file")
    name, layers, problems = _read(path)
    return problems or find_problems(name, layers)


def _read(path: Path) -> tuple[str, tuple[Layer, ...], list[Problem]]:
    """Return the name and layers in a file, or the problems that keep it from being read."""
    if path.is_dir():
        return _unreadable("it is a folder", "name the network.safetensors inside it")
    if not path.is_file():
        return _unreadable("there is no such file", "check the path")
    try:
        with safe_open(path, framework="numpy") as file:
            text = (file.metadata() or {}).get("htaflow")
            kinds = {key: file.get_slice(key).get_dtype() for key in file.keys()}  # noqa: SIM118
            problems = [
                Problem("file", f"tensor {abbreviate(key)} is of type {kind}", "make it an integer")
                for key, kind in kinds.items()
                if kind not in _KNOWN
            ]
            tensors = {key: file.get_tensor(key) for key, kind in kinds.items() if kind in _KNOWN}
    except (SafetensorError, OSError, TypeError, ValueError) as error:
        what = abbreviate(str(error), 200)[1:-1]
        return _unreadable(
            f"it is truncated or not a valid safetensors file ({what})", "write it again"
        )
    if problems:
        return "", (), problems[:MAX_PROBLEMS_A_LAYER]
    if text is None:
        return _unreadable("its header has no 'htaflow' entry", "use a file that htaflow wrote")
    try:
        header = json.loads(text)
    except (ValueError, RecursionError) as error:
        what = abbreviate(str(error), 200)[1:-1]
        return _unreadable(f"its 'htaflow' header is no JSON ({what})", "write it again")
    if not isinstance(header, dict) or header.get("format") not in FORMATS:
        return _unreadable("its format is neither 1 nor 2", "use the htaflow that wrote it")
    entries = header.get("layers")
    if not isinstance(entries, list) or not isinstance(header.get("name"), str):
        return _unreadable("its header lacks 'name' or 'layers'", "write it again")
    if len(entries) > MAX_LAYERS:
        what = f"it has {len(entries)} layers, and {MAX_LAYERS} is the most"
        return _unreadable(what, "use fewer")
    layers: list[Layer] = []
    owned: dict[str, dict[str, npt.NDArray[Any]]] = {}
    for key, tensor in tensors.items():
        owner, dot, field = key.partition(".")
        owned.setdefault(owner if dot else key, {})[field] = tensor
    for index, entry in enumerate(entries):
        try:
            layers.append(_build_layer(entry, owned.pop(str(index), {})))
        except BadInputError as error:
            problems.append(Problem(f"layer {index}", str(error), "write the file again"))
    stray = [f"{owner}.{field}" for owner, fields in owned.items() for field in fields]
    problems += [
        Problem("file", f"tensor {abbreviate(key)} belongs to no layer", "remove it")
        for key in stray[:MAX_PROBLEMS_A_LAYER]
    ]
    return header["name"], tuple(layers), problems


def _unreadable(what: str, fix: str) -> tuple[str, tuple[Layer, ...], list[Problem]]:
    return "", (), [Problem("file", what, fix)]


def _build_layer(entry: Any, tensors: dict[str, npt.NDArray[Any]]) -> Layer:
    """Build one layer from its header entry and its tensors. Raises ``BadInputError``."""
    if not isinstance(entry, dict) or not isinstance(entry.get("type"), str):
        raise BadInputError("its header entry has no type")
    kind = LAYER_TYPES.get(entry["type"])
    if kind is None:
        what = f"unknown type {abbreviate(entry['type'])}{did_you_mean(entry['type'], LAYER_TYPES)}"
        raise BadInputError(what)
    given: dict[str, Any] = {
        key: tuple(value) if isinstance(value, list) else value  # as a field holds it
        for key, value in entry.items()
        if key != "type"
    } | tensors
    known = {field.name: field for field in fields(kind)}
    for key in given.keys() - known.keys():
        raise BadInputError(
            f"unknown field {abbreviate(key)} of {kind.type}{did_you_mean(key, known)}"
        )
    for key, field in known.items():
        if key not in given and field.default is MISSING:
            raise BadInputError(f"{kind.type} lacks its field '{key}'")
    for what, fix in ill_typed(kind, given):
        raise BadInputError(f"{what}; {fix}")
    return kind(**given)
