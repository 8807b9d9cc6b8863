"""The families whose bitstreams can be read: each has a folder here, with a ``READER``."""

import pkgutil
from importlib import import_module

from htaflow.flows import recovery
from htaflow.flows.families import FAMILIES
from htaflow.flows.recovery.reader import BitstreamReader


def _find_readers() -> dict[str, BitstreamReader]:
    """Return the readers of the families that have a folder here, by name."""
    here = {each.name for each in pkgutil.iter_modules(recovery.__path__) if each.ispkg}
    return {
        family: import_module(f"{recovery.__name__}.{family}.reader").READER
        for family in FAMILIES
        if family in here
    }


READERS = _find_readers()
"""How bitstreams are read, by family."""
