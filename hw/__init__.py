"""Hardware: Amaranth components and the logic of each layer."""

from htaflow.hw.network import NetworkCore
from htaflow.hw.verilog import describe, generate

__all__ = ["NetworkCore", "describe", "generate"]
