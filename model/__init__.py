"""Trained binary networks and the integer networks they are lowered to.

What this package exports is the integer network alone: NumPy, without PyTorch or hardware. Each
name is imported when it is first asked for, so that ``htaflow --help`` does not wait for NumPy.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from htaflow.model.integer.file import check_file, load_network, save_network
    from htaflow.model.integer.golden.executor import run, trace
    from htaflow.model.integer.layers.base import Layer, Values
    from htaflow.model.integer.layers.concepts import Concepts
    from htaflow.model.integer.layers.conv import Conv2d, LookupConv2d
    from htaflow.model.integer.layers.dense import Dense
    from htaflow.model.integer.layers.encode import Encode
    from htaflow.model.integer.layers.image import Flatten, Unflatten
    from htaflow.model.integer.layers.lookup import Lookup
    from htaflow.model.integer.layers.quantise import Quantise
    from htaflow.model.integer.layers.spiking import Spiking
    from htaflow.model.integer.layers.steps import Accumulate, Steps
    from htaflow.model.integer.layers.vote import ArgMax, GroupSum
    from htaflow.model.integer.layers.window import MaxPool2d
    from htaflow.model.integer.network import LAYER_TYPES, Network, Problem
    from htaflow.model.run_directory import Run
    from htaflow.model.support.errors import (
        BadInputError,
        DoesNotFitError,
        HtaflowError,
        MismatchError,
        MissingToolError,
    )

_MODULES = {
    "integer.file": ("check_file", "load_network", "save_network"),
    "integer.golden": ("run", "trace"),
    "integer.layers.concepts": ("Concepts",),
    "integer.layers.conv": ("Conv2d", "LookupConv2d"),
    "integer.layers.dense": ("Dense",),
    "integer.layers.encode": ("Encode",),
    "integer.layers.image": ("Flatten", "Unflatten"),
    "integer.layers.lookup": ("Lookup",),
    "integer.layers.quantise": ("Quantise",),
    "integer.layers.spiking": ("Spiking",),
    "integer.layers.steps": ("Accumulate", "Steps"),
    "integer.layers.vote": ("ArgMax", "GroupSum"),
    "integer.layers.window": ("MaxPool2d",),
    "integer.layers.base": ("Layer", "Values"),
    "integer.network": ("LAYER_TYPES", "Network", "Problem"),
    "run_directory": ("Run",),
    "support.errors": (
        "BadInputError",
        "DoesNotFitError",
        "HtaflowError",
        "MismatchError",
        "MissingToolError",
    ),
}
_HOMES = {name: module for module, names in _MODULES.items() for name in names}

__all__ = [
    "LAYER_TYPES",
    "Accumulate",
    "ArgMax",
    "BadInputError",
    "Concepts",
    "Conv2d",
    "Dense",
    "DoesNotFitError",
    "Encode",
    "Flatten",
    "GroupSum",
    "HtaflowError",
    "Layer",
    "Lookup",
    "LookupConv2d",
    "MaxPool2d",
    "MismatchError",
    "MissingToolError",
    "Network",
    "Problem",
    "Quantise",
    "Run",
    "Spiking",
    "Steps",
    "Unflatten",
    "Values",
    "check_file",
    "load_network",
    "run",
    "save_network",
    "trace",
]


if not TYPE_CHECKING:  # with it, a type checker would accept any name

    def __getattr__(name: str) -> Any:
        if name not in _HOMES:
            raise AttributeError(f"module '{__name__}' has no attribute '{name}'")
        globals()[name] = value = getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
        return value

    def __dir__() -> list[str]:
        return sorted({*globals(), *__all__})
