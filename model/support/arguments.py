"""Arguments of the wrong type, refused in words: which function, which argument, what it got."""

import collections.abc
import functools
import inspect
import os
import types
import typing
from collections.abc import Callable
from typing import Any, ParamSpec, TypeVar

import numpy as np

from htaflow.model.support.errors import BadInputError, kind_of, with_article

_Arguments = ParamSpec("_Arguments")
_Result = TypeVar("_Result")


class WrongTypeError(BadInputError, TypeError):
    """An argument is of a type that a function of htaflow does not take."""


def checked(function: Callable[_Arguments, _Result]) -> Callable[_Arguments, _Result]:
    """Return ``function``, made to raise :class:`WrongTypeError` for what its hints do not allow.

    NumPy's numbers count as Python's, and a whole number as a ``float``; arrays and tensors are for
    the function itself to check, and so are the values of a ``Literal``.
    """
    signature = inspect.signature(function)
    name = function.__qualname__.removesuffix(".__init__")
    hints: dict[str, Any] = {}

    @functools.wraps(function)
    def call(*args: _Arguments.args, **kwargs: _Arguments.kwargs) -> _Result:
        if not hints:  # not at import: hints may name what is defined later
            hints.update(typing.get_type_hints(function))
        for argument, value in signature.bind(*args, **kwargs).arguments.items():
            if argument in hints and not fits(value, hints[argument]):
                wanted = described(hints[argument])
                raise WrongTypeError(f"{name}: {argument} is {kind_of(value)}; use {wanted}")
        return function(*args, **kwargs)

    return call


def fits(value: object, hint: Any) -> bool:
    """Whether ``value`` is of the type ``hint``, as far as :func:`checked` looks."""
    origin, parts = typing.get_origin(hint), typing.get_args(hint)
    if origin in (typing.Union, types.UnionType):
        return any(fits(value, part) for part in parts)
    if hint is None or hint is type(None):
        return value is None
    if origin is typing.Literal:
        return isinstance(value, str)
    if hint is Any or origin is np.ndarray or not isinstance(origin or hint, type):
        return True
    if hint in _ALSO:
        return isinstance(value, _ALSO[hint]) and (hint is bool or not isinstance(value, bool))
    if not isinstance(value, origin or hint):
        return False
    if origin is tuple and parts and parts[-1] is not Ellipsis:
        return len(value) == len(parts) and all(map(fits, value, parts))
    if origin in (tuple, list, collections.abc.Sequence):
        return not isinstance(value, str) and all(fits(each, parts[0]) for each in value)
    return True


_ALSO: dict[Any, tuple[type, ...]] = {
    int: (int, np.integer),
    float: (int, float, np.integer, np.floating),
    bool: (bool, np.bool_),
}

_WORDS = {
    int: "a whole number",
    float: "a number",
    bool: "True or False",
    str: "a str",
    os.PathLike: "a path",
    type(None): "None",
    collections.abc.Callable: "a function",
    collections.abc.Mapping: "a dict",
    collections.abc.Iterable: "a list",
}


def described(hint: Any) -> str:
    """Return in words what :func:`fits` takes for ``hint``."""
    origin, parts = typing.get_origin(hint), typing.get_args(hint)
    if origin in (typing.Union, types.UnionType):
        return " or ".join(dict.fromkeys(map(described, parts)))
    if origin is typing.Literal:
        return " or ".join(f"'{part}'" for part in parts)
    if origin is tuple and parts[-1] is not Ellipsis:
        return f"({', '.join(map(described, parts))})"
    if origin in (tuple, list, collections.abc.Sequence):
        inner = described(parts[0])
        return f"a {'tuple' if origin is tuple else 'list'}, each of it {inner}"
    kind = origin or hint
    return _WORDS.get(kind) or with_article(getattr(kind, "__name__", str(kind)))
