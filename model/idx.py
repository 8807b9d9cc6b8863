"""IDX files, the form in which MNIST and its relatives come, plain or gzipped.

The format is described at the end of http://yann.lecun.com/exdb/mnist: two zero bytes, a type (8:
unsigned bytes), the number of axes, each axis's length as a big-endian 32-bit integer, the data.
"""

import gzip
import zlib
from pathlib import Path

import numpy as np
import numpy.typing as npt

from htaflow.model.dataset import Dataset, make_dataset
from htaflow.model.errors import BadInputError

_GZIP = b"\x1f\x8b"
_UNSIGNED_BYTES = 8


def read_idx(path: Path, axes: int) -> npt.NDArray[np.uint8]:
    """Return the array of ``axes`` axes in an IDX file. Raises ``BadInputError``."""
    try:
        content = path.read_bytes()
        if content.startswith(_GZIP):
            content = gzip.decompress(content)
    except (OSError, EOFError, zlib.error) as error:
        raise BadInputError(f"{path}: cannot be read ({error}); fetch it again") from error
    magic = bytes([0, 0, _UNSIGNED_BYTES, axes])
    if content[:4] != magic:
        raise BadInputError(
            f"{path}: starts with {content[:4].hex(' ')}, not {magic.hex(' ')}; it is no IDX file "
            f"of {axes} axes of bytes"
        )
    start = 4 + 4 * axes
    if len(content) < start:
        raise BadInputError(f"{path}: is cut off in its header; fetch it again")
    shape = [int.from_bytes(content[4 * i : 4 * i + 4], "big") for i in range(1, axes + 1)]
    size = 1
    for length in shape:
        size *= length
    if len(content) - start != size:
        raise BadInputError(
            f"{path}: holds {len(content) - start} bytes of data, its header says {size}; "
            "it is cut off or altered: fetch it again"
        )
    return np.frombuffer(content, np.uint8, offset=start).reshape(shape)


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
    return make_dataset(name, str(folder), train, test)


def _find(folder: Path, stem: str, axes: int) -> Path:
    names = [f"{stem}{dot}idx{axes}-ubyte{end}" for dot in "-." for end in ("", ".gz")]
    for place in (folder, folder / "raw", folder / "MNIST" / "raw"):
        for name in names:
            if (place / name).is_file():
                return place / name
    raise BadInputError(
        f"{folder}: lacks {names[0]} (or .gz); a folder of data holds MNIST's four IDX files"
    )
