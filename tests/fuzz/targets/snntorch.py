"""Networks that snnTorch trained."""

import functools
import json
from pathlib import Path
from typing import Any

import numpy as np

from fuzz.guard import bounded_memory
from fuzz.targets.network import examine
from fuzz.targets.target import told
from htaflow.model.importers.snntorch import from_snntorch
from htaflow.model.integer.network import Encode
from htaflow.model.support.errors import BadInputError


@functools.cache
def snn_seeds() -> list[bytes]:
    state: dict[str, Any] = {
        "fc1.weight": [[0.5, 0.0, -0.5, 0.5], [0.0, 0.5, 0.5, 0.0], [0.5, 0.5, 0.0, 0.0]],
        "fc1.bias": [0.5, 0.0, 1.0],
        "lif1.beta": 0.5,
        "lif1.threshold": 1.0,
        "lif1.reset_mechanism_val": 0,
        "lif1.graded_spikes_factor": 1.0,
        "fc2.weight": [[0.5, -0.5, 0.0], [0.5, 0.5, 0.5]],
        "lif2.beta": [1.0, 1.0],
        "lif2.threshold": [1.0, 0.5],
        "lif2.reset_mechanism_val": 1,
        "lif2.graded_spikes_factor": 1.0,
    }
    return [json.dumps({"state": state, "steps": 4, "scale": 2}).encode()]


def check_snntorch(data: bytes, folder: Path) -> bool:
    """A state dict of snnTorch's, made of arrays of whatever numbers."""
    try:
        given = json.loads(data)
        state = {str(k): np.asarray(v) for k, v in given["state"].items()}
        steps, scale = given["steps"], given["scale"]
    except (ValueError, KeyError, AttributeError, TypeError, RecursionError, OverflowError):
        return False
    if type(steps) is not int or type(scale) not in (int, float) or abs(scale) > 1e300:
        return False
    encode_layer = Encode("encode", 4, 8, False, np.arange(4), np.full(4, 128))
    with bounded_memory():
        try:
            network = from_snntorch(state, encode_layer, steps, scale=scale)
        except BadInputError as error:
            told(error)
            return False
        examine(network)
    return True
