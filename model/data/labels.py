"""Labels as users write them: text, numbers, one-hot rows, and quantities that are no classes."""

import re
from collections import defaultdict
from collections.abc import Iterable, Sequence
from decimal import Decimal
from typing import Any

import numpy as np
import numpy.typing as npt

from htaflow.model.data.tables.cells import MISSING, NUMBER
from htaflow.model.support.errors import BadInputError, abbreviate
from htaflow.model.support.progress import Progress

Array = npt.NDArray[Any]

FEW = 20
"""Different numbers that may be classes however few rows each has."""

ROWS_A_CLASS = 10
"""Rows of each number, on average, that more numbers, or fractions, must have to be classes."""

_INTEGER = re.compile(r"0|-?[1-9][0-9]{0,17}")
_DIGITS = re.compile(r"-?[0-9]+")
_NEVER_A_CLASS = {"nan", "<na>", "#n/a", "?"}


def read_labels(
    labels: Sequence[str],
    lines: Sequence[int],
    where: str,
    progress: Progress,
    many_classes: bool = False,
) -> Array:
    """Return the labels of a table, ``[N]``: as integers where all are, as text elsewhere.

    An integer is written without leading zeros or a decimal point; anything else makes all labels
    text, which is kept as it stands: ``01`` and ``1`` are two classes. Integers are ordered as
    numbers, so that 10 follows 9.

    Args:
        labels: the cells, without surrounding space, none empty.
        lines: the line of each.
        where: what errors call the file and column.
        progress: told of labels that only look different.
        many_classes: whether many numbers are classes all the same.

    Raises:
        BadInputError: a label is missing, is one number in two notations such as ``1`` and ``1.0``,
            or the labels are a measured quantity.
    """
    first: dict[str, int] = {}
    for label, line in zip(labels, lines, strict=True):
        first.setdefault(label, line)
    numbers = [label for label in first if NUMBER.fullmatch(label)]
    _require_none_missing(first, numbers, where)
    _require_one_notation(first, numbers, where, progress)
    if len(numbers) == len(first):
        whole = all(_is_whole(label) for label in numbers if _short(label))
        _require_classes(numbers, len(labels), whole, where, many_classes)
    return as_classes(labels)


def require_classes(y: Array, where: str, many_classes: bool) -> None:
    """Raise ``BadInputError`` if integer labels ``[N]`` are as many as a measured quantity's."""
    if not many_classes and y.ndim == 1 and y.dtype.kind in "iu" and len(y):
        _require_classes(np.unique(y), len(y), True, where, many_classes)


def flat_labels(y: Array, where: str, progress: Progress) -> Array:
    """Return labels as ``[N]`` where they are ``[N, 1]`` or one-hot ``[N, classes]``.

    Other shapes are returned as they are. Raises ``BadInputError`` for rows that are not one-hot,
    and for fractions.
    """
    if y.ndim == 2 and y.shape[1] == 1:
        progress(f"{where}: labels of shape {list(y.shape)} are taken as [N]")
        y = y[:, 0]
    elif y.ndim == 2 and y.shape[1] > 1 and len(y) and y.dtype.kind in "biuf":
        with np.errstate(invalid="ignore"):  # damaged numbers are not one-hot either
            ones = y == 1
            good = (ones | (y == 0)).all(axis=1) & (ones.sum(axis=1) == 1)
        if not good.all():
            row = int(np.argmin(good))
            raise BadInputError(
                f"{where}: labels have shape {list(y.shape)}, but row {row} is not one-hot, one 1 "
                "and else 0; give one class a frame, such as y.argmax(axis=1)"
            )
        progress(f"{where}: labels of shape {list(y.shape)} are one-hot; the 1's column is taken")
        y = np.argmax(y, axis=1)
    if y.dtype.kind == "f":
        with np.errstate(invalid="ignore"):
            whole = bool((y == np.floor(y)).all())
        if whole:
            fix = "give integers or text, such as y.astype(int)"
        else:
            fix = (
                "with fractions, as of a measured quantity, and htaflow learns classes; put ranges "
                "of it into classes, as integers or text"
            )
        raise BadInputError(f"{where}: labels are {y.dtype}; {fix}")
    return y


def _require_none_missing(first: dict[str, int], numbers: list[str], where: str) -> None:
    """Raise ``BadInputError`` if a label says that there is none."""
    for label, line in first.items():
        low = label.casefold()
        among_numbers = low in MISSING and numbers and len(numbers) + 1 >= len(first)
        if low in _NEVER_A_CLASS or among_numbers:
            raise BadInputError(
                f"{where}, line {line}: the label {abbreviate(label)} is a missing value; name its "
                "class, or leave the row out"
            )


def _require_one_notation(
    first: dict[str, int], numbers: list[str], where: str, progress: Progress
) -> None:
    """Raise ``BadInputError`` if two labels are one number, written with and without a point."""
    same: defaultdict[Decimal, list[str]] = defaultdict(list)
    for label in numbers:
        if _short(label):
            same[Decimal(label)].append(label)
    for one, *others in same.values():
        for other in others:
            told = [f"{abbreviate(each)} (line {first[each]})" for each in (one, other)]
            lines = " and ".join(told)
            if _DIGITS.fullmatch(one) and _DIGITS.fullmatch(other):
                progress(f"{where}: {lines} are two classes")
            else:
                raise BadInputError(
                    f"{where}: {lines} are the same number; write both alike if they are one "
                    "class, or as text, such as c1, if they are two"
                )


def _require_classes(
    numbers: Iterable[Any], rows: int, whole: bool, where: str, many_classes: bool
) -> None:
    """Raise ``BadInputError`` if there are too many different numbers for classes."""
    count = len(list(numbers))
    rare = rows < ROWS_A_CLASS * count
    quantity = (count > FEW and rare) if whole else (count > FEW or rare)
    if quantity and not many_classes:
        raise BadInputError(
            f"{where}: {count} different numbers in {rows} rows look like a measured quantity, and "
            "htaflow learns classes: put ranges of it into classes, such as low and high; or, if "
            "each number is a class, add --many-classes"
        )


def _is_whole(label: str) -> bool:
    """Whether a number of any size is whole."""
    number = Decimal(label)
    return number == number.to_integral_value()


def _short(label: str) -> bool:
    """Whether a number's exponent, if any, is of a size that is counted with."""
    _, _, exponent = label.casefold().partition("e")
    return len(label) <= 60 and len(exponent) <= 3


def as_classes(names: Sequence[str]) -> Array:
    """Return names of classes, ``[N]``: as integers where all are, as text elsewhere."""
    if all(_INTEGER.fullmatch(name) for name in set(names)):
        return np.array([int(name) for name in names], np.int64)
    return np.array(names)
