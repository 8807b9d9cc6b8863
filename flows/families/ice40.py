"""Lattice's iCE40, by IceStorm's tables."""

import re
from collections.abc import Mapping
from typing import Any

from htaflow.flows.families.family import Family, LookupCell, Pin, PlaceAndRoute

_TIMING = {"u": "u", "h": "hx", "l": "lp"}
"""Yosys's name for a device's speed, by the first letter of nextpnr's name for the device."""


def _constraints(
    pins: Mapping[str, Pin], oscillator_mhz: float, io_standard: str | None
) -> list[str]:
    """Return the lines of a PCF file."""
    lines = [
        f"set_io{' -pullup yes' if pin.pull else ''} {name} {pin.at}" for name, pin in pins.items()
    ]
    return [*lines, f"set_frequency clk {oscillator_mhz:g}"]


def _split_cells(log: str, found: Mapping[str, Any]) -> dict[str, Any]:
    """Return the LUTs and the flip-flops of the logic cells, which only the log tells apart."""
    counts = {kind: int(count) for count, kind in re.findall(r"(\d+) LCs used as (.+)", log)}
    both, available = counts["LUT4 and DFF"], found["LC"]["available"]
    return {
        "LUT": {"used": counts["LUT4 only"] + both, "available": available},
        "FF": {"used": counts["DFF only"] + both, "available": available},
    }


FAMILY = Family(
    name="ice40",
    title="an iCE40",
    synthesis="synth_ice40 -abc9",
    speed_options=lambda device: f" -device {_TIMING.get(device[0], 'hx')}",
    carry="SB_CARRY",
    lookups={"SB_LUT4": LookupCell("LUT_INIT", ("I0", "I1", "I2", "I3"), "O")},
    place_and_route=PlaceAndRoute(
        tool="nextpnr-ice40",
        logic_cells={
            "lp384": 384,
            **dict.fromkeys(("lp1k", "hx1k"), 1280),
            **dict.fromkeys(("u1k", "u2k", "u4k"), 3520),
            **dict.fromkeys(("up3k", "up5k"), 5280),
            **dict.fromkeys(("lp4k", "hx4k", "lp8k", "hx8k"), 7680),
        },
        cells={"LC": "ICESTORM_LC", "BRAM": "ICESTORM_RAM", "IO": "SB_IO"},
        more_resources=_split_cells,
        constraints=_constraints,
        constraints_file="pins.pcf",
        constraints_option="--pcf",
        routed="top.asc",
        routed_option="--asc",
        packer="icepack",
        packing=("top.asc", "top.bin"),
        bitstream="top.bin",
        routed_ending=rb"\n\.sym [^\n]+\n",  # names come last
        bitstream_ending=rb"\x01\x06\x00",  # the command to wake up
        global_clock=r"(.*)_\$glb_clk",
        clock_pad="$SB_IO_IN",
        pulls=("up",),
    ),
)
