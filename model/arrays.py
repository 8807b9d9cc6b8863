"""Arrays from ``.npz`` files, whatever these hold: read whole, or refused in one way."""

import io
import tokenize
import zipfile
import zlib
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from htaflow.model.errors import BadInputError


def read_npz(
    path: Path, names: Iterable[str]
) -> tuple[dict[str, npt.NDArray[Any]], tuple[str, ...]]:
    """Return those of the arrays ``names`` that the file at ``path`` has, and all that it names.

    Pickled content is refused, not run. Raises ``BadInputError`` if it is no whole ``.npz`` file of
    plain arrays, and ``FileNotFoundError`` if it is not there.
    """
    try:
        file = np.load(io.BytesIO(path.read_bytes()), allow_pickle=False)
        if isinstance(file, np.ndarray):
            raise BadInputError(f"{path}: holds one array, not several; use numpy.savez")
        with file:
            return {name: file[name] for name in names if name in file}, tuple(file.files)
    except FileNotFoundError:
        raise
    # zipfile raises RuntimeError for an encrypted file, and NotImplementedError, which is one, for
    # an unknown compression; NumPy MemoryError where a header claims more than there is room for,
    # and TokenError where it is no Python.
    except (
        OSError,
        EOFError,
        ValueError,
        RuntimeError,
        MemoryError,
        tokenize.TokenError,
        zipfile.BadZipFile,
        zlib.error,
    ) as error:
        raise BadInputError(f"{path}: is no whole .npz file of plain arrays ({error})") from error
