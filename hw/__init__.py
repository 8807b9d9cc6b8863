"""Hardware: Amaranth components and the logic of each layer."""

from typing import TYPE_CHECKING

from htaflow.model.support.exports import export

if TYPE_CHECKING:
    from htaflow.hw.network import NetworkCore
    from htaflow.hw.verilog import describe, generate

__all__ = [
    "NetworkCore",
    "describe",
    "generate",
]

export(
    __name__,
    {
        "network": "NetworkCore",
        "verilog": "describe generate",
    },
)
