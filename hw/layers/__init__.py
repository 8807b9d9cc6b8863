"""The hardware of each kind of layer."""

from htaflow.hw.layers import (  # each registers the logic and the parts of its layers
    concepts,
    image,
    lookup,
    scale,
    spiking,
    steps,
    threshold,
    vote,
    weighted,
    window,
)
from htaflow.hw.layers.encode import encoder
from htaflow.hw.layers.placement import Part, Placement, layer_logic, layer_parts, widest_word

__all__ = [
    "Part",
    "Placement",
    "concepts",
    "encoder",
    "image",
    "layer_logic",
    "layer_parts",
    "lookup",
    "scale",
    "spiking",
    "steps",
    "threshold",
    "vote",
    "weighted",
    "widest_word",
    "window",
]
