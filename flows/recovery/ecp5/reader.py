"""Reading an ECP5's bitstream: ``ecpunpack`` and :mod:`.recover`."""

from collections.abc import Mapping
from pathlib import Path

from htaflow.flows.recovery.ecp5.recover import recover_netlist
from htaflow.flows.recovery.netlist import Netlist
from htaflow.flows.recovery.reader import BitstreamReader
from htaflow.flows.tools.step import ToolRun
from htaflow.flows.tools.tools import find_tool
from htaflow.model.support.files import write_atomic

_UNPACKING = ToolRun(
    tool="ecpunpack",
    arguments=("--input", "top.bit", "--textcfg", "unpacked.config"),
    outputs=("unpacked.config",),
    log="ecpunpack.log",
)
_PLL_MODEL = """
// Of the PLL what matters to the logic: the bench's clock is the one that the PLL makes.
module EHXPLLL #(
  parameter CLKI_DIV = 1, CLKFB_DIV = 1, CLKOP_DIV = 1, CLKOP_CPHASE = 0, CLKOP_FPHASE = 0,
  parameter FEEDBK_PATH = "", CLKOP_ENABLE = "", OUTDIVIDER_MUXA = ""
) (
  input CLKI, CLKFB, RST, STDBY, PHASESEL0, PHASESEL1, PHASEDIR, PHASESTEP, PHASELOADREG,
  input PLLWAKESYNC, ENCLKOP, output CLKOP, output LOCK
);
  assign CLKOP = CLKI;
  assign LOCK = 1;
endmodule
"""


def _versions() -> dict[str, str]:
    return {"ecpunpack": find_tool("ecpunpack").version}


def _read(
    bitstream: Path, pins: Mapping[str, str], package: str, folder: Path, timeout: float | None
) -> Netlist:
    write_atomic(folder / "top.bit", bitstream.read_bytes())
    _UNPACKING.run(folder, timeout)
    return recover_netlist((folder / "unpacked.config").read_text(), pins, package)


READER = BitstreamReader(tools=("ecpunpack",), versions=_versions, read=_read, models=_PLL_MODEL)
