"""Errors that a user can cause: each says what is wrong, where, and what to do."""

import difflib
from collections.abc import Iterable


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


def nearest(name: str, known: Iterable[str]) -> str:
    """Return ``"; did you mean 'x'?"`` for the closest known name, or the list of all of them."""
    known = sorted(known)
    close = difflib.get_close_matches(name, known, n=1)
    if close:
        return f"; did you mean '{close[0]}'?"
    return f"; known: {', '.join(known)}"
