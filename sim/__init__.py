"""Cycle-accurate verification with cocotb."""

from htaflow.sim.verify import verify_design, verify_rtl

__all__ = ["verify_design", "verify_rtl"]
