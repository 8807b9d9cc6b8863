"""From a network to a bitstream: synthesis, place and route, packing."""

from htaflow.flows.build.build import build
from htaflow.flows.build.parallel import BuildError, build_all
from htaflow.flows.build.reproduce import rebuild

__all__ = ["BuildError", "build", "build_all", "rebuild"]
