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
from htaflow.model.dataset import MAX_LABEL, SCALING, Array, Dataset, make_dataset, split
from htaflow.model.errors import BadInputError, shown

LABEL = "label"

_SPLIT = ("x_train", "y_train", "x_test", "y_test")
_WHOLE = ("x", "y")


def load_npz(path: Path) -> Dataset:
    """Return the dataset in an ``.npz`` file; pickled content is refused, not run.

    Raises ``BadInputError``.
    """
    arrays, names = read_npz(path, (*_SPLIT, *_WHOLE))
    found = shown(", ".join(names), 200)[1:-1] or "nothing"
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
    rows, labels = [], []
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            lines = csv.reader(file)
            header = [cell.strip() for cell in next(lines, [])]
            _require_header(path, header)
            at = header.index(LABEL)
            columns = header[:at] + header[at + 1 :]
            for row in lines:
                if not row:
                    continue
                where = f"{path}, line {lines.line_num}"
                if len(row) != len(header):
                    raise BadInputError(f"{where}: has {len(row)} cells, the header {len(header)}")
                labels.append(_label(row.pop(at), where))
                # Row by row: as text, numbers take ten times the memory.
                rows.append(np.array(_numbers(row, columns, where), np.int64))
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise BadInputError(f"{path}: cannot be read as UTF-8 CSV ({error})") from error
    if not rows:
        raise BadInputError(f"{path}: has a header but no frames; add rows")
    train, test = split(np.stack(rows), _labels(labels))
    return make_dataset(path.stem, str(path), train, test)


def _require_header(path: Path, header: list[str]) -> None:
    """Raise ``BadInputError`` if the columns are no label and features."""
    if not header:
        raise BadInputError(f"{path}: is empty; give a header row, then a row a frame")
    seen: set[str] = set()
    for column in header:
        if column in seen:
            raise BadInputError(f"{path}: column {shown(column)} is there twice; rename one")
        seen.add(column)
    if LABEL not in seen:
        more = f" and {len(header) - 20} more" if len(header) > 20 else ""
        raise BadInputError(
            f"{path}: lacks the column '{LABEL}'; its columns are "
            f"{', '.join(shown(name)[1:-1] for name in header[:20])}{more}"
        )
    if len(header) < 2:
        raise BadInputError(f"{path}: has no column but '{LABEL}'; add features")


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
    if len(label) > MAX_LABEL:
        raise BadInputError(
            f"{where}: the label has {len(label)} characters; use at most {MAX_LABEL}"
        )
    return label


def _labels(labels: list[str]) -> Array:
    """Return labels as integers where all are, so that 10 follows 9; as text elsewhere."""
    try:
        return np.array([int(label) for label in labels], np.int64)
    except (ValueError, OverflowError):
        return np.array(labels)


def _numbers(cells: list[str], columns: list[str], where: str) -> list[int]:
    """Return the whole numbers that ``cells`` hold, or raise ``BadInputError``."""
    return [_whole(cell, where, column) for cell, column in zip(cells, columns, strict=True)]


def _whole(cell: str, line: str, column: str) -> int:
    """Return the whole number that ``cell`` holds, or raise ``BadInputError``."""
    try:
        value = float(cell)
    except ValueError:
        what = f"is no number; {SCALING}"
    else:
        if not math.isfinite(value):
            what = "is not finite; replace it or drop the frame"
        elif value != math.floor(value):
            what = f"is not whole; {SCALING}"
        elif abs(value) >= 1 << 62:
            what = "is too large; scale it to 16 bits"
        else:
            return int(value)
    raise BadInputError(f"{line}, column {shown(column)}: {shown(cell)} {what}")
