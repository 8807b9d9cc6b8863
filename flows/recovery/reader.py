"""How bitstreams of a family are read: ``READER`` in the family's folder, module ``reader``."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from htaflow.flows.recovery.netlist import Netlist

Read = Callable[[Path, Mapping[str, str], str, Path, float | None], Netlist]
"""Takes a bitstream, the pin of each port, the package, a folder for tools, their time limit."""


@dataclass(frozen=True)
class BitstreamReader:
    """How bitstreams of a family are read.

    Attributes:
        tools: the programs that do it, of :mod:`htaflow.flows.tools`.
        versions: the versions of those programs, with their tables.
        read: the logic in a bitstream.
        models: Verilog of the cells that stay closed in it, such as a PLL.
    """

    tools: tuple[str, ...]
    versions: Callable[[], dict[str, str]]
    read: Read
    models: str = ""
