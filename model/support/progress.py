"""Progress messages of long operations: one line of text at a time, to whoever listens."""

from collections.abc import Callable

Progress = Callable[[str], None]
"""Takes one line, without its line feed."""


def silent(line: str) -> None:
    """Listen to nothing: the default of every function that takes a ``Progress``."""
