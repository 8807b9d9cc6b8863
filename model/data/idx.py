"""IDX files, the form in which MNIST and its relatives come, plain or gzipped.

The format is described at the end of http://yann.lecun.com/exdb/mnist: two zero bytes, a type (8:
unsigned bytes), the number of axes, each axis's length as a big-endian 32-bit integer, the data.
"""

import gzip
import math
import zlib
from io import BufferedIOBase
from pathlib import Path

import numpy as np
import numpy.typing as npt

from htaflow.model.data.dataset import Dataset, make_dataset
from htaflow.model.data.features import Features
from htaflow.model.support.errors import BadInputError
from htaflow.model.support.npz import MAX_BYTES

_GZIP = b"\x1f\x8b"
_UNSIGNED_BYTES = 8
_PART = 1 << 20  # bytes read at once: a file need not hold what its header says


def read_idx(path: Path, axes: int) -> npt.NDArray[np.uint8]:
    """Return the array of ``axes`` axes in an IDX file. Raises ``BadInputError``."""
    try:
        with path.open("rb") as file:
            if file.peek(2)[:2] != _GZIP:
                return _read(path, file, axes)
            with gzip.GzipFile(fileobj=file) as unpacked:
                return _read(path, unpacked, axes)
    except (OSError, EOFError, zlib.error) as error:
        raise BadInputError(f"{path}: cannot be read ({error}); fetch it again") from error


def _read(path: Path, file: BufferedIOBase, axes: int) -> npt.NDArray[np.uint8]:
    """Return the array in ``file``, of which no more is read than its header says."""
    header = file.read(4 + 4 * axes)
    magic = bytes([0, 0, _UNSIGNED_BYTES, axes])
    if header[:4] != magic:
        raise BadInputError(
            f"{path}: starts with {header[:4].hex(' ')}, not {magic.hex(' ')}; it is no IDX file "
            f"of {axes} axes of bytes"
        )
    if len(header) < 4 + 4 * axes:
        raise BadInputError(f"{path}: is cut off in its header; fetch it again")
    shape = [int.from_bytes(header[4 * i : 4 * i + 4], "big") for i in range(1, axes + 1)]
    size = math.prod(shape)
    if size > MAX_BYTES:
        raise BadInputError(
            f"{path}: claims {size} bytes of data, and {MAX_BYTES} is the most that is read; it is "
            "altered, or give fewer frames"
        )
    content = bytearray()
    while len(content) <= size and (part := file.read(min(_PART, size + 1 - len(content)))):
        content += part
    if len(content) != size:
        more = "more than " if len(content) > size else ""
        raise BadInputError(
            f"{path}: holds {more}{min(size, len(content))} bytes of data, its header says {size}; "
            "it is cut off or altered: fetch it again"
        )
    return np.frombuffer(bytes(content), np.uint8).reshape(shape)


def is_idx_folder(folder: Path) -> bool:
    """Whether any of MNIST's four files is in ``folder``."""
    return any(
        _there(folder, f"{part}-{what}", axes)
        for part in ("train", "t10k")
        for what, axes in (("images", 3), ("labels", 1))
    )


def load_idx_folder(folder: Path, name: str) -> Dataset:
    """Return the dataset of the four IDX files in ``folder`` (or its ``raw`` or ``MNIST/raw``).

    The files have MNIST's usual names: ``train-images-idx3-ubyte``, ``t10k-labels.idx1-ubyte`` and
    so on, with or without ``.gz``. Raises ``BadInputError``.
    """
    train, test = (
        (
            read_idx(_find(folder, f"{part}-images", 3), 3),
            read_idx(_find(folder, f"{part}-labels", 1), 1),
        )
        for part in ("train", "t10k")
    )
    shape = (1, *train[0].shape[1:])
    known = Features(shape=shape) if len(shape) == 3 and train[0].size and test[0].size else None
    return make_dataset(name, str(folder), train, test, known=known)


def _find(folder: Path, stem: str, axes: int) -> Path:
    found = _there(folder, stem, axes)
    if found is None:
        raise BadInputError(
            f"{folder}: lacks {_names(stem, axes)[0]} (or .gz); a folder of data holds MNIST's "
            "four IDX files"
        )
    return found


def _there(folder: Path, stem: str, axes: int) -> Path | None:
    """Return the file of that name, if it is there."""
    for place in (folder, folder / "raw", folder / "MNIST" / "raw"):
        for name in _names(stem, axes):
            if (place / name).is_file():
                return place / name
    return None


def _names(stem: str, axes: int) -> list[str]:
    return [f"{stem}{dot}idx{axes}-ubyte{end}" for dot in "-." for end in ("", ".gz")]
