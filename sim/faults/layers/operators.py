"""Faults that a layer can have: one registration a layer type, in its own module here."""

from collections.abc import Callable, Mapping
from functools import singledispatch
from typing import Any

import numpy as np

from htaflow.model.integer.network import IntArray, Layer, Values

Site = dict[str, int | str]
Draw = Callable[[np.random.Generator, Any], Site | None]
"""Draws a place for the fault in a layer; None if there is none this time."""

Change = Callable[[Any, Mapping[str, Any]], Layer]
"""Returns the layer with the fault at a place."""

Operators = dict[str, tuple[Draw, Change]]
"""The faults of a layer, by kind."""


@singledispatch
def operators(layer: Layer, fed: Values) -> Operators:
    """Return the faults that ``layer``, fed ``fed``, can have.

    Raises ``NotImplementedError`` for a type that nothing is registered for: one whose numbers
    cannot be wrong says so by registering none.
    """
    raise NotImplementedError(f"no faults are known of a {layer.type}")


def changed_at(array: IntArray, place: Any, value: int) -> IntArray:
    """Return ``array`` with another value at ``place``."""
    changed = array.astype(np.int64)
    changed[place] = value
    return changed
