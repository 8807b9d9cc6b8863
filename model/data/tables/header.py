"""The header row of a table: what separates columns, which is the label, which are features."""

import csv
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from htaflow.model.data.tables.cells import NUMBER
from htaflow.model.support.errors import BadInputError, abbreviate, did_you_mean

LABEL = "label"
"""The column that holds the class, unless another is named."""

SEPARATORS = {",": "commas", ";": "semicolons", "\t": "tabs", "|": "bars"}

_LIKE_LABEL = re.compile(r"(label|class)e?s?([^a-z].*)?", re.IGNORECASE)
_UNNAMED = re.compile(r"|Unnamed: [0-9]+(_level_[0-9]+)?")  # pandas reads a name that is missing so


@dataclass(frozen=True)
class Header:
    """The columns of a table, by their places in a row.

    Attributes:
        names: of all columns.
        separator: the character between them.
        label: the column of the class.
        features: the columns of features.
        index: the first column, if it has no name and may number the rows.
    """

    names: tuple[str, ...]
    separator: str
    label: int
    features: tuple[int, ...]
    index: int | None


def read_header(path: Path, label: str | None, drop: Sequence[str]) -> Header:
    """Return the header of the table at ``path``.

    Columns are separated by the first of :data:`SEPARATORS` for which there is a column ``label``.

    Raises:
        BadInputError: there are no columns of that name, or two, or none of features, or a column
            without a name that does not come first.
        OSError, UnicodeDecodeError, csv.Error: the file cannot be read.
    """
    wanted = LABEL if label is None else label.strip()
    rows = _first_rows(path)
    fitting = [separator for separator, row in rows.items() if wanted in row]
    separator = (fitting or [max(rows, key=lambda separator: len(rows[separator]))])[0]
    names = rows[separator]
    if not names:
        raise BadInputError(f"{path}: is empty; give a header row, then a row a frame")
    dropped = {name.strip() for name in drop}
    for name in sorted(dropped - set(names)):
        raise BadInputError(
            f"{path}: has no column {abbreviate(name)} to leave out{did_you_mean(name, names)}"
        )
    if wanted in dropped:
        raise BadInputError(
            f"{path}: column {abbreviate(wanted)} is the label; do not leave it out"
        )
    kept = [place for place, name in enumerate(names) if name not in dropped]
    _require_distinct(path, [names[place] for place in kept])
    _require_label(path, names, wanted)
    if label is None:
        _require_one_label(path, [names[place] for place in kept])
    index = 0 if kept[0] == 0 and _UNNAMED.fullmatch(names[0]) and wanted != names[0] else None
    features = tuple(place for place in kept if place != index and names[place] != wanted)
    for place in features:
        if _UNNAMED.fullmatch(names[place]):
            raise BadInputError(
                f"{path}: column {place + 1} has no name; name it in the header, or leave it out "
                f"with --drop {abbreviate(names[place])}"
            )
    if not features:
        raise BadInputError(f"{path}: has no column but {abbreviate(wanted)}; add features")
    return Header(tuple(names), separator, names.index(wanted), features, index)


def _first_rows(path: Path) -> dict[str, list[str]]:
    """Return the cells of the first row for each separator with which it can be read."""
    rows, error = {}, None
    for separator in SEPARATORS:
        with path.open(encoding="utf-8-sig", newline="") as file:
            try:
                row = next(csv.reader(file, delimiter=separator), [])
            except csv.Error as wrong:  # not its separator: one cell would hold all of a long row
                error = error or wrong
            else:
                rows[separator] = [cell.strip() for cell in row]
    if not rows:
        assert error is not None
        raise error
    return rows


def _require_distinct(path: Path, names: list[str]) -> None:
    seen: set[str] = set()
    for name in names:
        if name in seen:
            what = (
                f"column {abbreviate(name)} is there twice" if name else "two columns have no name"
            )
            raise BadInputError(f"{path}: {what}; rename one, or leave both out with --drop")
        seen.add(name)


def _require_label(path: Path, names: list[str], wanted: str) -> None:
    """Raise ``BadInputError`` if no column is called ``wanted``."""
    if wanted in names:
        return
    if all(NUMBER.fullmatch(name) for name in names):
        raise BadInputError(
            f"{path}: the first row holds numbers only; give a header row that names the columns, "
            f"one of them {abbreviate(wanted)}"
        )
    alike = [name for name in names if _LIKE_LABEL.fullmatch(name)]
    more = f" and {len(names) - 20} more" if len(names) > 20 else ""
    text = (
        f"{path}: lacks the column {abbreviate(wanted)}; its columns are "
        f"{', '.join(abbreviate(name)[1:-1] or '(no name)' for name in names[:20])}{more}"
    )
    if len(alike) > 1:
        text += (
            f"; {abbreviate(alike[0])} and {abbreviate(alike[1])} look like labels: if they are "
            "one-hot, make one column of them, in which each row names its class"
        )
    else:
        name = abbreviate(alike[0] if alike else "NAME")
        text += f"; say which one holds the class, with --label {name}"
    raise BadInputError(text)


def _require_one_label(path: Path, names: list[str]) -> None:
    """Raise ``BadInputError`` if another column looks like a label, which gives the class away."""
    for name in names:
        if name != LABEL and re.fullmatch(r"labels?([^a-z].*)?", name, re.IGNORECASE):
            raise BadInputError(
                f"{path}: {abbreviate(LABEL)} and {abbreviate(name)} both look like labels; leave "
                f"the other out with --drop {abbreviate(name)}, or, if it is a feature, add "
                f"--label {LABEL}"
            )
