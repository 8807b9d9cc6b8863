"""Lattice's ECP5, by Project Trellis's tables."""

from collections.abc import Mapping

from htaflow.flows.families.family import Family, LookupCell, Pin, PlaceAndRoute


def _constraints(
    pins: Mapping[str, Pin], oscillator_mhz: float, io_standard: str | None
) -> list[str]:
    """Return the lines of an LPF file."""
    lines = [f'LOCATE COMP "{name}" SITE "{pin.at}";' for name, pin in pins.items()]
    lines += [
        f'IOBUF PORT "{name}" PULLMODE={(pin.pull or "none").upper()} IO_TYPE={io_standard};'
        for name, pin in pins.items()
    ]
    return [*lines, f'FREQUENCY PORT "clk" {oscillator_mhz:g} MHZ;']


FAMILY = Family(
    name="ecp5",
    title="an ECP5",
    synthesis="synth_ecp5 -abc9",
    carry="CCU2C",
    lookups={"LUT4": LookupCell("INIT", ("A", "B", "C", "D"), "Z")},
    closed_models="cells_bb.v",
    place_and_route=PlaceAndRoute(
        tool="nextpnr-ecp5",
        logic_cells={
            **dict.fromkeys(("12k", "25k", "um-25k", "um5g-25k"), 24288),
            **dict.fromkeys(("45k", "um-45k", "um5g-45k"), 43848),
            **dict.fromkeys(("85k", "um-85k", "um5g-85k"), 83640),
        },
        cells={"LUT": "TRELLIS_COMB", "FF": "TRELLIS_FF", "BRAM": "DP16KD", "IO": "TRELLIS_IO"},
        constraints=_constraints,
        constraints_file="pins.lpf",
        constraints_option="--lpf",
        routed="top.config",
        routed_option="--textcfg",
        packer="ecppack",
        packing=("--compress", "--input", "top.config", "--bit", "top.bit"),
        bitstream="top.bit",
        routed_ending=rb"\n\n",  # a blank line ends each part
        bitstream_ending=rb"\x5e\x00\x00\x00\xff{4}",  # the command that programming is done
        global_clock=r"\$glbnet\$(.*)",
        clock_pad="$TRELLIS_IO_IN",
        # Where random wires fill a part, router1 takes hours and router2 minutes. Elsewhere router2
        # may never end, and router1 does if cells are placed for short wires, not for speed.
        unhurried="router2",
        short_wires=("--no-tmdriv",),
        needed=("speed", "io_standard"),
        has_pll=True,
    ),
)
