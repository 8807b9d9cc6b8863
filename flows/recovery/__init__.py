"""From a finished bitstream back to its logic, as a netlist that can be simulated and proved."""

from typing import TYPE_CHECKING

from htaflow.model.support.exports import export

if TYPE_CHECKING:
    from htaflow.flows.recovery.bitstream import prove_bitstream, recover_bitstream

__all__ = [
    "prove_bitstream",
    "recover_bitstream",
]

export(
    __name__,
    {
        "bitstream": "prove_bitstream recover_bitstream",
    },
)
