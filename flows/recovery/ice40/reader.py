"""Reading an iCE40's bitstream, by Project IceStorm's tools.

``iceunpack`` turns it into text, and ``icebox_vlog`` that into a list of tables and flip-flops
(:mod:`.icebox`), with IceStorm's database alone.
"""

from collections.abc import Mapping
from pathlib import Path

from htaflow.flows.recovery.ice40.icebox import read_icebox
from htaflow.flows.recovery.netlist import Netlist
from htaflow.flows.recovery.reader import BitstreamReader
from htaflow.flows.tools.step import ToolRun
from htaflow.flows.tools.tools import find_tool
from htaflow.model.support.files import digest, write_atomic

_UNPACKING = ToolRun(
    tool="iceunpack",
    arguments=("top.bin", "unpacked.asc"),
    outputs=("unpacked.asc",),
    log="iceunpack.log",
)
_LISTING = "icebox_vlog.log"
"""``icebox_vlog`` prints what it finds; its log is its output, below the line that started it."""


def _versions() -> dict[str, str]:
    listing = Path(find_tool("icebox_vlog").command[0])
    return {
        "iceunpack": find_tool("iceunpack").version,
        # It tells no version: which file it is says as much.
        "icebox_vlog": digest(listing.read_bytes())[:12] if listing.is_file() else "unknown",
    }


def _read(
    bitstream: Path, pins: Mapping[str, str], package: str, folder: Path, timeout: float | None
) -> Netlist:
    write_atomic(folder / "top.bin", bitstream.read_bytes())
    _UNPACKING.run(folder, timeout)
    ports = "".join(f"set_io {name} {at}\n" for name, at in pins.items())
    listing = ToolRun(
        tool="icebox_vlog",
        arguments=("-l", "-d", package, "-p", "ports.pcf", "unpacked.asc"),
        outputs=(_LISTING,),
        log=_LISTING,
        files={"ports.pcf": ports},
    )
    listing.run(folder, timeout)
    return read_icebox((folder / _LISTING).read_text().splitlines()[1:]).simplified()


READER = BitstreamReader(tools=("iceunpack", "icebox_vlog"), versions=_versions, read=_read)
