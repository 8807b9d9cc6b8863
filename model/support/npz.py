"""Arrays from ``.npz`` files of any content: read whole, or refused in one way."""

import math
import struct
import tokenize
import warnings
import zipfile
import zlib
from collections.abc import Iterable
from pathlib import Path
from typing import IO, Any

import numpy as np
import numpy.typing as npt

from htaflow.model.support.errors import BadInputError, abbreviate

MAX_BYTES = 1 << 30
"""Bytes of an array, at most: a small file can claim, or unpack to, as many as it likes."""

_PACKINGS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)  # those that NumPy writes
_HEADERS = {
    (1, 0): np.lib.format.read_array_header_1_0,
    (2, 0): np.lib.format.read_array_header_2_0,
}


def read_npz(
    path: Path, names: Iterable[str]
) -> tuple[dict[str, npt.NDArray[Any]], tuple[str, ...]]:
    """Return those of the arrays ``names`` that the file at ``path`` has, and all that it names.

    Pickled content is refused, not run. Raises ``BadInputError`` if it is no valid ``.npz`` file of
    plain arrays, or one of them has more than :data:`MAX_BYTES`, and ``FileNotFoundError`` if it is
    not there.
    """
    try:
        # A header that only nearly is one makes NumPy and Python warn.
        with path.open("rb") as file, warnings.catch_warnings(action="error"):
            if file.read(6) == np.lib.format.MAGIC_PREFIX:
                raise BadInputError(f"{path}: holds one array, not several; use numpy.savez")
            with zipfile.ZipFile(file) as archive:
                there = tuple(name.removesuffix(".npy") for name in archive.namelist())
                return {name: _read(archive, name) for name in names if name in there}, there
    except FileNotFoundError:
        raise
    # zipfile raises RuntimeError for an encrypted file, and NotImplementedError, which is one, for
    # an unknown compression; NumPy TokenError and SyntaxError where a header is no Python, and
    # TypeError where it is some of another kind.
    except (
        OSError,
        EOFError,
        ValueError,
        KeyError,
        TypeError,
        OverflowError,
        RuntimeError,
        MemoryError,
        SyntaxError,
        Warning,
        struct.error,
        tokenize.TokenError,
        zipfile.BadZipFile,
        zlib.error,
    ) as error:
        what = abbreviate(str(error), 200)[1:-1]
        raise BadInputError(
            f"{path}: is truncated or not a valid .npz file of plain arrays ({what})"
        ) from error


def _read(archive: zipfile.ZipFile, name: str) -> npt.NDArray[Any]:
    """Return one array. Raises ``ValueError``, or what zipfile and NumPy raise."""
    member = archive.getinfo(f"{name}.npy")
    if member.compress_type not in _PACKINGS:
        raise ValueError(f"'{name}' is packed in a way that NumPy does not use")
    with archive.open(member) as file:
        _require_sane(name, file)
    with archive.open(member) as file:
        return np.asarray(np.lib.format.read_array(file, allow_pickle=False))


def _require_sane(name: str, file: IO[bytes]) -> None:
    """Raise ``ValueError`` if the header of an array claims an absurd size or type."""
    version = np.lib.format.read_magic(file)
    if version not in _HEADERS:
        raise ValueError(f"'{name}' has a header of version {version}")
    shape, _, dtype = _HEADERS[version](file)
    if dtype.hasobject:
        raise ValueError(f"'{name}' holds Python objects")
    size = math.prod(shape) * max(1, dtype.itemsize)
    if not 0 <= size <= MAX_BYTES or min(shape, default=0) < 0:
        raise ValueError(
            f"'{name}' claims {size} bytes, and {MAX_BYTES} is the most that is read: keep "
            "features in a narrow type, such as uint8"
        )
