"""Errors that a user can cause: each says what is wrong, where, and what to do."""

import difflib
from collections.abc import Iterable

_LONGEST = 100
"""Characters of a name that are compared with those that are known."""


class HtaflowError(Exception):
    """Base of every error shown to a user without a traceback.

    ``exit_code`` is what the command line returns: 1 when the answer is no, 2 for bad input.
    """

    exit_code = 2


class BadInputError(HtaflowError):
    """A file, an option or data that htaflow refuses."""


class MissingToolError(HtaflowError):
    """An external tool is absent or too old; the message names the remedy."""


class MismatchError(HtaflowError):
    """Two stations of the flow gave different numbers."""

    exit_code = 1


class DoesNotFitError(HtaflowError):
    """A network is too large or too slow for its target."""

    exit_code = 1


def abbreviate(value: object, most: int = 60) -> str:
    """Return ``repr(value)`` as an error shows it: its middle left out if it is a long one.

    What stands in a file may be of any length, and a message is read in a terminal.
    """
    text = repr(value[: 2 * most] if isinstance(value, str) else value)
    if len(text) <= most:
        return text
    return f"{text[: most - 12]}...{text[-4:]}"


def kind_of(value: object) -> str:
    """Return what ``value`` is, for an error about its type: ``a Linear``, ``None``, ``an int``."""
    if value is None:
        return "None"
    if isinstance(value, type):
        return f"the class {value.__name__}, not one made of it"
    return with_article(type(value).__name__)


def with_article(name: str) -> str:
    """Return ``name`` with the article that its first sound asks for."""
    return f"{'an' if name[:1] in 'AEIOaeio' or name[:2] in _SPELT else 'a'} {name}"


_SPELT = ("HT", "nd")  # HTAF and ndarray begin with the name of a letter


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """Return ``"; did you mean 'x'?"`` for the closest known name, or the list of all of them."""
    known = sorted(known)
    name = name[:_LONGEST]  # comparing takes as long as the name is
    close = difflib.get_close_matches(name, known, n=1)
    if close:
        return f"; did you mean '{close[0]}'?"
    return f"; known: {', '.join(known)}"
