"""A user's own data: ``.npz`` and ``.csv`` files.

``.npz``: either ``x_train``, ``y_train``, ``x_test``, ``y_test``, or ``x`` and ``y``, which are
then split; x is ``[N, ...]`` of whole numbers, y is ``[N]`` of integers or text. ``.csv``: a header
row; the column ``label`` is the class (text or integer), every other column a feature of whole
numbers.
"""

import csv
import math
from pathlib import Path

import numpy as np

from htaflow.model.arrays import read_npz
from htaflow.model.dataset import SCALING, Array, Dataset, make_dataset, split
from htaflow.model.errors import BadInputError

LABEL = "label"

_SPLIT = ("x_train", "y_train", "x_test", "y_test")
_WHOLE = ("x", "y")


def load_npz(path: Path) -> Dataset:
    """Return the dataset in an ``.npz`` file; pickled content is refused, not run.

    Raises ``BadInputError``.
    """
    arrays, names = read_npz(path, (*_SPLIT, *_WHOLE))
    found = ", ".join(names) or "nothing"
    if all(key in arrays for key in _SPLIT):
        train = arrays["x_train"], arrays["y_train"]
        test = arrays["x_test"], arrays["y_test"]
    elif all(key in arrays for key in _WHOLE):
        _require_pairs(path, arrays["x"], arrays["y"])
        train, test = split(arrays["x"], arrays["y"])
    else:
        raise BadInputError(f"{path}: holds {found}; give x and y, or {', '.join(_SPLIT)}")
    return make_dataset(path.stem, str(path), train, test)


def load_csv(path: Path) -> Dataset:
    """Return the dataset in a ``.csv`` file. Raises ``BadInputError`` that names the line."""
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            lines = csv.reader(file)
            header = [cell.strip() for cell in next(lines, [])]
            rows = [(lines.line_num, row) for row in lines if row]
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise BadInputError(f"{path}: cannot be read as UTF-8 CSV ({error})") from error
    if not header:
        raise BadInputError(f"{path}: is empty; give a header row, then a row a frame")
    for index, column in enumerate(header):
        if column in header[:index]:
            raise BadInputError(f"{path}: column '{column}' is there twice; rename one")
    if LABEL not in header:
        raise BadInputError(
            f"{path}: lacks the column '{LABEL}'; its columns are {', '.join(header)}"
        )
    if len(header) < 2:
        raise BadInputError(f"{path}: has no column but '{LABEL}'; add features")
    if not rows:
        raise BadInputError(f"{path}: has a header but no frames; add rows")
    at = header.index(LABEL)
    x = np.empty((len(rows), len(header) - 1), np.int64)
    labels = []
    for index, (line, row) in enumerate(rows):
        if len(row) != len(header):
            raise BadInputError(
                f"{path}, line {line}: has {len(row)} cells, the header {len(header)}"
            )
        labels.append(_label(row[at], f"{path}, line {line}"))
        cells = zip(row[:at] + row[at + 1 :], header[:at] + header[at + 1 :], strict=True)
        x[index] = [
            _whole(cell, f"{path}, line {line}, column '{column}'") for cell, column in cells
        ]
    train, test = split(x, _labels(labels))
    return make_dataset(path.stem, str(path), train, test)


def _require_pairs(path: Path, x: Array, y: Array) -> None:
    """Refuse frames and labels that cannot be split because they do not pair up."""
    if y.ndim != 1 or x.ndim < 2 or len(x) != len(y):
        raise BadInputError(
            f"{path}: x has shape {list(x.shape)} and y {list(y.shape)}; use [N, ...] and [N]"
        )


def _label(cell: str, where: str) -> str:
    label = cell.strip()
    if not label:
        raise BadInputError(f"{where}: the label is empty; name a class")
    return label


def _labels(labels: list[str]) -> Array:
    """Return labels as integers where all are, so that 10 follows 9; as text elsewhere."""
    try:
        return np.array([int(label) for label in labels], np.int64)
    except (ValueError, OverflowError):
        return np.array(labels)


def _whole(cell: str, where: str) -> int:
    """Return the whole number that ``cell`` holds, or raise ``BadInputError``."""
    try:
        value = float(cell)
    except ValueError:
        raise BadInputError(f"{where}: {cell!r} is no number; {SCALING}") from None
    if not math.isfinite(value):
        raise BadInputError(f"{where}: {cell!r} is not finite; replace it or drop the frame")
    if value != math.floor(value):
        raise BadInputError(f"{where}: {cell!r} is not whole; {SCALING}")
    if abs(value) >= 1 << 62:
        raise BadInputError(f"{where}: {cell!r} is too large; scale it to 16 bits")
    return int(value)
