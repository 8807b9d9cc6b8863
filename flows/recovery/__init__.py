"""From a finished bitstream back to its logic, as a netlist that can be simulated and proved."""

from htaflow.flows.recovery.bitstream import prove_bitstream, recover_bitstream

__all__ = ["prove_bitstream", "recover_bitstream"]
