"""The golden executor: what an integer network computes, bit for bit."""

from htaflow.model.integer.golden import (  # each registers the kernels of its layers
    dense,
    encode,
    image,
    levels,
    lookup,
    quantise,
    scale,
    spiking,
    steps,
    vote,
    window,
)
from htaflow.model.integer.golden.executor import check_frames, run, trace
from htaflow.model.integer.golden.kernel import prepare

__all__ = [
    "check_frames",
    "dense",
    "encode",
    "image",
    "levels",
    "lookup",
    "prepare",
    "quantise",
    "run",
    "scale",
    "spiking",
    "steps",
    "trace",
    "vote",
    "window",
]
