"""The smallest network with a layer of each of the usual kinds, and files of it, sound or not."""

import json
from pathlib import Path
from typing import Any

import numpy as np
from safetensors.numpy import save_file

from htaflow.model import ArgMax, Dense, Encode, Network


def small_network() -> Network:
    """Return 3 features, 3 bits, 2 neurons, 2 classes."""
    return Network(
        "small",
        (
            Encode("encode", 3, 4, False, np.arange(3), np.array([8, 4, 12])),
            Dense("hidden", np.array([[1, -1, 0], [0, 1, 1]]), np.array([0, 2])),
            Dense("scores", np.array([[1, 1], [-1, 1]])),
            ArgMax("argmax"),
        ),
    )


def write_raw(path: Path, **changed: Any) -> None:
    """Write the small network's file without validation; ``changed`` replaces tensors."""
    layers = small_network().layers
    tensors = {
        f"{index}.{name}": np.array(tensor)
        for index, layer in enumerate(layers)
        for name, tensor in layer.tensors.items()
    }
    entries = [{"type": layer.type, **layer.scalars} for layer in layers]
    header = {"format": 1, "name": "small", "layers": entries}
    save_file(tensors | changed, path, metadata={"htaflow": json.dumps(header)})
