"""Chip families: every module here that has a ``FAMILY`` holds all facts of one."""

import importlib
import pkgutil

from htaflow.flows.families.family import Family, LookupCell, Pin, PlaceAndRoute
from htaflow.model.support.errors import BadInputError, did_you_mean

__all__ = [
    "BUILT",
    "DEFAULT",
    "FAMILIES",
    "Family",
    "LookupCell",
    "Pin",
    "PlaceAndRoute",
    "find_family",
    "place_and_route",
]


def _find_all() -> dict[str, Family]:
    """Return the families of this package's modules, by name."""
    modules = (
        importlib.import_module(f"{__name__}.{each.name}")
        for each in pkgutil.iter_modules(__path__)
    )
    found = [module.FAMILY for module in modules if hasattr(module, "FAMILY")]
    return {family.name: family for family in found}


FAMILIES = _find_all()

BUILT = tuple(name for name, family in FAMILIES.items() if family.place_and_route is not None)
"""The families that bitstreams are made for."""

DEFAULT = "ice40"
"""The family of a netlist where neither a board nor the user names one."""


def find_family(name: str) -> Family:
    """Return the family called ``name``. Raises ``BadInputError`` if there is none."""
    if name not in FAMILIES:
        raise BadInputError(f"there is no family '{name}'{did_you_mean(name, FAMILIES)}")
    return FAMILIES[name]


def place_and_route(name: str) -> PlaceAndRoute:
    """Return how designs of a family of :data:`BUILT` are placed, routed and packed."""
    found = FAMILIES[name].place_and_route
    assert found is not None, name
    return found
