"""The families whose bitstreams can be read: each has a folder here, with a ``READER``."""

import pkgutil
from importlib import import_module
from pathlib import Path

from htaflow.flows.families import FAMILIES
from htaflow.flows.recovery.reader import BitstreamReader


def _find_readers() -> dict[str, BitstreamReader]:
    """Return the readers of the families that have a folder here, by name."""
    folder, package = Path(__file__).parent, __name__.rpartition(".")[0]
    here = {each.name for each in pkgutil.iter_modules([str(folder)]) if each.ispkg}
    return {
        family: import_module(f"{package}.{family}.reader").READER
        for family in FAMILIES
        if family in here
    }


READERS = _find_readers()
"""How bitstreams are read, by family."""
