"""The cells of a table: strictly numbers, or told what they are instead."""

import re
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from htaflow.model.data.scale import LARGEST
from htaflow.model.support.errors import BadInputError, abbreviate

NUMBER = re.compile(r"[+-]?([0-9]+(\.[0-9]*)?|\.[0-9]+)([eE][+-]?[0-9]+)?")
"""A decimal number, as every language writes it."""

MISSING = {"", "na", "n/a", "#n/a", "<na>", "nan", "null", "none", "nil", "?", "-", "."}
"""How a value that is not there is written, in lower case."""

SCALING = (
    "features must be whole numbers: add --scale 8 (DataOptions(scale=8) in Python) to scale and "
    "round them to 8 bits by the range of the training data"
)
"""What to do about real-valued features."""

_CHARACTERS = frozenset("0123456789+-.eE \t")  # of what float() takes, those make numbers only
_WIDEST = float(1 << 62)


def read_row(
    cells: Sequence[str], columns: Sequence[str], where: str, *, scaled: bool
) -> npt.NDArray[np.float64]:
    """Return the numbers in a row of a table; whole ones unless they are to be ``scaled``.

    Raises ``BadInputError`` that says in which of ``columns`` a cell is none, and what it is.
    """
    try:
        if not _CHARACTERS.issuperset("".join(cells)):
            raise ValueError
        row = np.array([float(cell) for cell in cells], np.float64)
    except ValueError:
        at = next(i for i, cell in enumerate(cells) if not NUMBER.fullmatch(cell.strip(" \t")))
        raise _refusal(cells, columns, where, at, _what_it_is(cells[at].strip())) from None
    most = LARGEST if scaled else _WIDEST
    bad = ~(np.abs(row) < most)
    if bad.any():
        raise _refusal(
            cells, columns, where, int(np.argmax(bad)), "is too large; scale it to 16 bits"
        )
    if not scaled and (bad := row != np.floor(row)).any():
        raise _refusal(cells, columns, where, int(np.argmax(bad)), f"is not whole; {SCALING}")
    return row


def _refusal(
    cells: Sequence[str], columns: Sequence[str], where: str, at: int, what: str
) -> BadInputError:
    return BadInputError(
        f"{where}, column {abbreviate(columns[at])}: {abbreviate(cells[at])} {what}"
    )


def _what_it_is(cell: str) -> str:
    """Return what a cell that is no number is, and what to do."""
    low = cell.casefold()
    if low in MISSING:
        return (
            "is a missing value; fill it in, e.g. with the column's median, or leave out the row, "
            "or the column with --drop"
        )
    if low.lstrip("+-") in ("inf", "infinity"):
        return "is not finite; replace it or drop the frame"
    if re.fullmatch(r"[+-]?[0-9][0-9.' ]*,[0-9,]*|[+-]?,[0-9]+", cell):
        return (
            "has a comma; write decimal numbers with a point, as 1.5, and thousands without "
            "separators"
        )
    if low in ("true", "false"):
        return "is no number; write 1 and 0"
    return (
        "is no number; write text as numbers, such as a column of 0 and 1 for each value, or leave "
        "the column out with --drop"
    )
