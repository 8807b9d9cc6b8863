"""Cycle-accurate verification with cocotb."""

from typing import TYPE_CHECKING

from htaflow.model.support.exports import export

if TYPE_CHECKING:
    from htaflow.sim.verify import verify_design, verify_rtl

__all__ = [
    "verify_design",
    "verify_rtl",
]

export(
    __name__,
    {
        "verify": "verify_design verify_rtl",
    },
)
