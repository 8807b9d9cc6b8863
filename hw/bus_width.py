"""Which widths of a bus AXI4-Stream IP takes, and what another input bus costs.

The protocol sets no limit. Its IP does: AMD's DataMover, and so its DMA engines, takes 8, 16, 32
and so on to 1,024 bits (PG022), a Vitis kernel's streams end at 512 (UG1393); stream switches, such
as those of PG085, take any number of bytes up to 512.
"""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from htaflow.model.support.results import NarrowerBus

if TYPE_CHECKING:  # what is only described needs no Amaranth, which takes a while to import
    from htaflow.hw.network import NetworkCore

COMMON_BITS, MOST_BITS = 512, 1024
"""Where much IP ends, and where DMA engines do."""


def narrower_bus(core: "NetworkCore") -> NarrowerBus | None:
    """Return an input bus that common IP takes, and the cycles on it; None if it is as narrow."""
    if core.input_layout.bus_bits <= COMMON_BITS:
        return None
    beats, cycles = core.cycles_on(COMMON_BITS)
    return {
        "bus_bits": COMMON_BITS,
        "beats": beats,
        "latency_cycles": cycles.latency,
        "interval_cycles": cycles.interval,
    }


def describe_wide(interface: Mapping[str, Any], *, bus_chosen: bool) -> list[str]:
    """Return in words what is too wide for common IP, and what to do; nothing if nothing is.

    ``interface`` is ``rtl/top.json``. Of an input bus that was chosen nothing is said.
    """
    lines = []
    other = interface.get("narrower_bus")
    if other is not None and not bus_chosen:
        latency, interval = (
            f"{other[name]} cycles instead of {interface[name]}"
            if other[name] != interface[name]
            else f"{interface[name]} cycles as now"
            for name in ("latency_cycles", "interval_cycles")
        )
        lines.append(
            f"s_axis_tdata has {interface['bus_bits']} bits, and {_ends(interface['bus_bits'])}: "
            f"--bus {other['bus_bits']} takes a frame in {other['beats']} beats, latency "
            f"{latency}, one result every {interval}"
        )
    if interface["output_bits"] > COMMON_BITS:
        lines.append(
            f"m_axis_tdata has {interface['output_bits']} bits, and "
            f"{_ends(interface['output_bits'])}: no option narrows it, so cut it into beats behind "
            "top, or have fewer outputs"
        )
    return lines


def describe_odd(interface: Mapping[str, Any]) -> list[str]:
    """Return in words which buses are not 1, 2, 4, 8... bytes wide, and what to do.

    Nothing is said of those that are too wide anyway.
    """
    widths = {"s_axis_tdata": interface["bus_bits"], "m_axis_tdata": interface["output_bits"]}
    odd = {name: bits for name, bits in widths.items() if bits & (bits - 1) and bits < COMMON_BITS}
    if not odd:
        return []
    told = ", ".join(f"{name} ({bits // 8} bytes)" for name, bits in odd.items())
    return [
        f"Not a power of two bytes wide, as DMA engines want it: {told}; connect it to the low "
        "bits of a wider bus, and pad a result with zeroes"
    ]


def _ends(bits: int) -> str:
    if bits > MOST_BITS:
        return f"AXI4-Stream DMA engines end at {MOST_BITS}, much other IP at {COMMON_BITS}"
    return f"much AXI4-Stream IP ends at {COMMON_BITS}"
