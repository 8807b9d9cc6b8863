"""A user's own data: ``.npz`` and ``.csv`` files.

``.npz``: either ``x_train``, ``y_train``, ``x_test``, ``y_test``, or ``x`` and ``y``, which are
then split; x is ``[N, ...]`` of numbers, y is ``[N]`` of integers or text, or one-hot. ``.csv``: a
header row; the column ``label`` is the class (text or integer), every other column a feature.
Features are whole numbers, or are scaled to such (see :mod:`htaflow.model.data.scale`).
"""

import csv
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from htaflow.model.data.dataset import MAX_LABEL, Array, Dataset, make_dataset, split
from htaflow.model.data.features import Features
from htaflow.model.data.images.layout import channels_first
from htaflow.model.data.labels import flat_labels, read_labels, require_classes
from htaflow.model.data.options import DataOptions
from htaflow.model.data.tables.cells import read_row
from htaflow.model.data.tables.header import SEPARATORS, Header, read_header
from htaflow.model.support.errors import BadInputError, abbreviate
from htaflow.model.support.npz import read_npz
from htaflow.model.support.progress import Progress, silent

_SPLIT = ("x_train", "y_train", "x_test", "y_test")
_WHOLE = ("x", "y")
_DEFAULT = DataOptions()


def load_npz(path: Path, options: DataOptions = _DEFAULT, progress: Progress = silent) -> Dataset:
    """Return the dataset in an ``.npz`` file; pickled content is refused, not run.

    Raises ``BadInputError``.
    """
    options.require(str(path), "an .npz file", "scale", "layout", "many_classes")
    arrays, names = read_npz(path, (*_SPLIT, *_WHOLE))
    found = abbreviate(", ".join(names), 200)[1:-1] or "nothing"
    for name in arrays:
        if name.startswith("y"):
            arrays[name] = flat_labels(arrays[name], f"{path}, {name}", progress)
    if all(key in arrays for key in _SPLIT):
        train = arrays["x_train"], arrays["y_train"]
        test = arrays["x_test"], arrays["y_test"]
    elif all(key in arrays for key in _WHOLE):
        _require_pairs(path, arrays["x"], arrays["y"])
        require_classes(arrays["y"], f"{path}, y", options.many_classes)
        train, test = split(arrays["x"], arrays["y"])
    else:
        raise BadInputError(f"{path}: holds {found}; give x and y, or {', '.join(_SPLIT)}")
    require_classes(train[1], f"{path}, training labels", options.many_classes)
    x_train, x_test, known = channels_first(train[0], test[0], options.layout, str(path), progress)
    return make_dataset(
        path.stem,
        str(path),
        (x_train, train[1]),
        (x_test, test[1]),
        known=known,
        scale=options.scale,
        progress=progress,
    )


def load_csv(path: Path, options: DataOptions = _DEFAULT, progress: Progress = silent) -> Dataset:
    """Return the dataset in a ``.csv`` file. Raises ``BadInputError`` that names the line."""
    options.require(str(path), "a .csv file", "label", "drop", "scale", "many_classes")
    try:
        header = read_header(path, options.label, options.drop)
        if header.separator != ",":
            progress(f"{path}: columns are separated by {SEPARATORS[header.separator]}")
        rows, labels, lines = _read_rows(path, header, scaled=options.scale is not None)
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise BadInputError(f"{path}: cannot be read as UTF-8 CSV ({error})") from error
    if not rows:
        raise BadInputError(f"{path}: has a header but no frames; add rows")
    if header.index is not None:
        progress(f"{path}: the first column has no name and numbers the rows; it is left out")
    where = f"{path}, column {abbreviate(header.names[header.label])}"
    y = read_labels(labels, lines, where, progress, options.many_classes)
    train, test = split(np.stack(rows), y)
    known = Features(names=tuple(header.names[place] for place in header.features))
    return make_dataset(
        path.stem, str(path), train, test, known=known, scale=options.scale, progress=progress
    )


def _read_rows(
    path: Path, header: Header, *, scaled: bool
) -> tuple[list[npt.NDArray[Any]], list[str], list[int]]:
    """Return the features, the label and the line of each row. Raises ``BadInputError``."""
    rows: list[npt.NDArray[Any]] = []
    labels: list[str] = []
    numbers: list[int] = []
    columns = [header.names[place] for place in header.features]
    first = None
    with path.open(encoding="utf-8-sig", newline="") as file:
        lines = csv.reader(file, delimiter=header.separator)
        next(lines)
        for row in lines:
            if not row:
                continue
            where = f"{path}, line {lines.line_num}"
            if len(row) != len(header.names):
                comma = (
                    "; write decimal numbers with a point, as 1.5"
                    if "," in header.separator
                    else ""
                )
                raise BadInputError(
                    f"{where}: has {len(row)} cells, the header {len(header.names)}"
                    + (comma if len(row) > len(header.names) else "")
                )
            if header.index is not None:
                first = _count_on(row[header.index], len(rows), first, where, header)
            labels.append(_label(row[header.label], where))
            numbers.append(lines.line_num)
            cells = [row[place] for place in header.features]
            # Row by row: as text, numbers take ten times the memory.
            found = read_row(cells, columns, where, scaled=scaled)
            rows.append(found if scaled else found.astype(np.int64))
    return rows, labels, numbers


def _count_on(cell: str, before: int, first: int | None, where: str, header: Header) -> int:
    """Return with which number, 0 or 1, the column without a name counts the rows.

    Raises ``BadInputError`` if it does not.
    """
    text = cell.strip()
    if first is None:
        first = 1 if text == "1" else 0
    if text != str(first + before):
        raise BadInputError(
            f"{where}: the first column has no name and is no count of the rows, for it is "
            f"{abbreviate(text)} here; name it if it is a feature, or leave it out with --drop "
            f"{abbreviate(header.names[0])}"
        )
    return first


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
