"""How long a simulation may take before it counts as hung: as its work's size allows.

A bench tells its progress by cycles, and ends by itself after a known number: while it does so it
may take any time. What says nothing for long, a compiler or the simulator before the first cycle,
may take longer the more Verilog there is.
"""

from dataclasses import dataclass
from typing import Literal

_MIB = 1 << 20

_COMPILE = {"icarus": (600.0, 600.0), "verilator": (1800.0, 1800.0)}
_QUIET = (300.0, 300.0)
"""Seconds at least, and for each MiB of Verilog: many times what a slow and busy machine needs."""


@dataclass(frozen=True)
class Limits:
    """Seconds that compiling, a silence afterwards, and all of it may take; None for any time."""

    compiling: float | None
    quiet: float | None
    total: float | None

    @classmethod
    def of(
        cls, simulator: Literal["icarus", "verilator"], size: int, timeout: float | None
    ) -> "Limits":
        """Return the limits for ``size`` bytes of Verilog, or ``timeout`` alone if it is given."""
        if timeout is not None:
            return cls(None, None, timeout)
        least, more = _COMPILE[simulator]
        quiet, more_quiet = _QUIET
        return cls(least + more * size / _MIB, quiet + more_quiet * size / _MIB, None)
