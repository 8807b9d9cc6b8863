"""Whether a layer's fields are of the types that its class declares, and in words, which."""

import types
import typing
from collections.abc import Iterator, Mapping
from dataclasses import fields
from typing import Any

import numpy as np

from htaflow.model.integer.layers.base import Layer


def field_types(kind: type[Layer]) -> dict[str, Any]:
    """Return the declared type of each field of ``kind``, by name.

    Of strings that stand for a choice only that they are strings: which ones there are, the
    layer's own ``problems`` say.
    """
    hints = typing.get_type_hints(kind)
    return {field.name: hints[field.name] for field in fields(kind)}


def ill_typed(kind: type[Layer], given: Mapping[str, object]) -> Iterator[tuple[str, str]]:
    """Yield (what is wrong, what to do) for each field of ``kind`` that has not its type."""
    for name, hint in field_types(kind).items():
        if name in given and not fits_type(given[name], hint):
            yield f"field '{name}' of {kind.type} has the wrong type", f"use {described(hint)}"


def fits_type(value: object, hint: Any) -> bool:
    """Whether ``value`` is of the type ``hint``, one that a field of a layer declares."""
    origin, parts = typing.get_origin(hint), typing.get_args(hint)
    if origin in (typing.Union, types.UnionType):
        return any(fits_type(value, option) for option in parts)
    if origin is typing.Literal:
        return isinstance(value, str)
    if origin is tuple:
        if not isinstance(value, tuple):
            return False
        if parts[-1] is Ellipsis:  # any number of the same
            return all(fits_type(entry, parts[0]) for entry in value)
        return len(value) == len(parts) and all(map(fits_type, value, parts))
    if origin is np.ndarray:
        return isinstance(value, np.ndarray) and value.dtype.kind in "iu"
    return type(value) is hint


_WORDS: dict[Any, str] = {
    int: "a whole number",
    bool: "True or False",
    str: "text",
    type(None): "none",
}


def described(hint: Any) -> str:
    """Return in words what :func:`fits_type` takes for ``hint``."""
    origin, parts = typing.get_origin(hint), typing.get_args(hint)
    if origin in (typing.Union, types.UnionType):
        return " or ".join(map(described, parts))
    if origin is typing.Literal:
        return " or ".join(f"'{part}'" for part in parts)
    if origin is tuple:
        if parts[-1] is Ellipsis:
            return "a list of texts" if parts[0] is str else "a list of whole numbers"
        return f"{len(parts)} whole numbers"
    if origin is np.ndarray:
        return "an array of integers"
    return _WORDS[hint]
