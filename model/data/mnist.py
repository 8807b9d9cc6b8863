"""MNIST (LeCun, Cortes, Burges) from a public mirror, checked by SHA-256 and kept in a cache.

60,000 training and 10,000 test images of handwritten digits, 28 x 28 pixels of 0..255. The cache is
``$HTAFLOW_CACHE``, else ``htaflow`` in the cache folder of
:mod:`htaflow.model.support.environment`.
"""

import gzip
import hashlib
import os
import urllib.request
import zlib
from pathlib import Path

from htaflow.model.data.dataset import Dataset
from htaflow.model.data.idx import load_idx_folder
from htaflow.model.support.environment import cache_home
from htaflow.model.support.errors import BadInputError
from htaflow.model.support.files import write_atomic
from htaflow.model.support.progress import Progress, silent

MIRROR = "https://ossci-datasets.s3.amazonaws.com/mnist"

FILES = {
    "train-images-idx3-ubyte": "ba891046e6505d7aadcbbe25680a0738ad16aec93bde7f9b65e87a2fc25776db",
    "train-labels-idx1-ubyte": "65a50cbbf4e906d70832878ad85ccda5333a97f0f4c3dd2ef09a8a9eef7101c5",
    "t10k-images-idx3-ubyte": "0fa7898d509279e482958e8ce81c8e77db3f2f8254e26661ceb7762c4d494ce7",
    "t10k-labels-idx1-ubyte": "ff7bcfd416de33731a308c3f266cc351222c34898ecbeaf847f06e48f7ec33f2",
}
"""SHA-256 of the uncompressed files, by name."""

_TIMEOUT = 60  # seconds without a byte
_LARGEST = 1 << 26  # bytes of a compressed file: none is near; a wrong address may send anything


def cache_folder() -> Path:
    """Return the folder in which downloads are kept; it need not exist."""
    own = os.environ.get("HTAFLOW_CACHE")
    return Path(own) if own else cache_home() / "htaflow"


def load_mnist(
    cache: Path | None = None,
    mirror: str = MIRROR,
    files: dict[str, str] = FILES,
    progress: Progress = silent,
) -> Dataset:
    """Return MNIST, downloading what the cache lacks or holds damaged.

    Args:
        cache: where to keep the files; by default :func:`cache_folder`.
        mirror: address of a folder that holds each file as ``NAME.gz``.
        files: SHA-256 of the uncompressed files by name.
        progress: told of each download.

    Raises:
        BadInputError: a download failed or is not the file that its checksum says.
    """
    folder = (cache or cache_folder()) / "mnist"
    for name, checksum in files.items():
        path = folder / name
        if not path.is_file() or hashlib.sha256(path.read_bytes()).hexdigest() != checksum:
            address = f"{mirror}/{name}.gz"
            progress(f"downloading {address}")
            write_atomic(path, _download(address, checksum))
    return load_idx_folder(folder, "mnist")


def _download(address: str, checksum: str) -> bytes:
    """Return the uncompressed file at ``address``. Raises ``BadInputError``."""
    by_hand = "download the four files of MNIST by hand and name their folder instead of 'mnist'"
    try:
        # The scheme is the caller's own: MIRROR unless a program passes another.
        with urllib.request.urlopen(address, timeout=_TIMEOUT) as answer:  # noqa: S310
            content = gzip.decompress(answer.read(_LARGEST))
    except (OSError, EOFError, ValueError, zlib.error) as error:
        raise BadInputError(f"cannot download {address} ({error}); {by_hand}") from error
    found = hashlib.sha256(content).hexdigest()
    if found != checksum:
        raise BadInputError(f"{address}: its SHA-256 is {found}, not {checksum}; {by_hand}")
    return content
