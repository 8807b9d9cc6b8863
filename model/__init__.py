"""Trained binary networks and the integer networks they are lowered to.

The integer network alone is exported here: NumPy, without PyTorch or hardware.
"""

from typing import TYPE_CHECKING

from htaflow.model.support.exports import export

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
    from htaflow.model.integer.network import LAYER_TYPES, Network
    from htaflow.model.integer.problems import Problem
    from htaflow.model.run_directory import Run
    from htaflow.model.support.errors import (
        BadInputError,
        DoesNotFitError,
        HtaflowError,
        MismatchError,
        MissingToolError,
    )

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

export(
    __name__,
    {
        "integer.file": "check_file load_network save_network",
        "integer.golden.executor": "run trace",
        "integer.layers.base": "Layer Values",
        "integer.layers.concepts": "Concepts",
        "integer.layers.conv": "Conv2d LookupConv2d",
        "integer.layers.dense": "Dense",
        "integer.layers.encode": "Encode",
        "integer.layers.image": "Flatten Unflatten",
        "integer.layers.lookup": "Lookup",
        "integer.layers.quantise": "Quantise",
        "integer.layers.spiking": "Spiking",
        "integer.layers.steps": "Accumulate Steps",
        "integer.layers.vote": "ArgMax GroupSum",
        "integer.layers.window": "MaxPool2d",
        "integer.network": "LAYER_TYPES Network",
        "integer.problems": "Problem",
        "run_directory": "Run",
        "support.errors": "BadInputError DoesNotFitError HtaflowError MismatchError "
        "MissingToolError",
    },
)
