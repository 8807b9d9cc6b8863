"""From a network to a bitstream: synthesis, place and route, packing."""

from typing import TYPE_CHECKING

from htaflow.model.support.exports import export

if TYPE_CHECKING:
    from htaflow.flows.build.build import build
    from htaflow.flows.build.options import BuildOptions
    from htaflow.flows.build.parallel import BuildError, build_all
    from htaflow.flows.build.reproduce import rebuild

__all__ = [
    "BuildError",
    "BuildOptions",
    "build",
    "build_all",
    "rebuild",
]

export(
    __name__,
    {
        "build": "build",
        "options": "BuildOptions",
        "parallel": "BuildError build_all",
        "reproduce": "rebuild",
    },
)
