"""Files that appear whole or not at all, and digests that name their content."""

import fcntl
import hashlib
import json
import os
import tempfile
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any


def write_atomic(path: Path, content: str | bytes) -> None:
    """Write ``content`` beside ``path``, flush it to disk, then rename it into place.

    Creates the parent folders. Raises ``OSError`` as the operating system does, but for the name,
    which is ``path``; nothing is left behind and an older file at ``path`` stays as it was.
    """
    data = content.encode() if isinstance(content, str) else content
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        _write(path, data)
    except OSError as error:  # a full disk names no file at all, others the temporary one
        raise OSError(error.errno, error.strerror, str(path)) from error


def _write(path: Path, data: bytes) -> None:
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        umask = os.umask(0)
        os.umask(umask)
        Path(name).chmod(0o666 & ~umask)  # mkstemp's 0600 would hide results from other users
        Path(name).replace(path)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise


@contextmanager
def alone(folder: Path, waiting: Callable[[], None]) -> Iterator[None]:
    """Hold ``folder``, made if need be, for one process at a time, and leave nothing in it.

    If another process holds it, ``waiting`` is called and then the other's end awaited. Where the
    file system has no locks, nothing is awaited.
    """
    folder.mkdir(parents=True, exist_ok=True)
    handle = os.open(folder, os.O_RDONLY)
    try:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            waiting()
            fcntl.flock(handle, fcntl.LOCK_EX)
        except OSError:
            pass
        yield
    finally:
        os.close(handle)


def write_json(path: Path, value: Any) -> None:
    """Write ``value`` as indented JSON with a final newline, atomically."""
    write_atomic(path, json.dumps(value, indent=2, allow_nan=False) + "\n")


def digest(*parts: str | bytes | memoryview) -> str:
    """Return the SHA-256 of ``parts``, each preceded by its length, as 64 hex digits."""
    return digest_all(parts)


def digest_all(parts: Iterable[str | bytes | memoryview]) -> str:
    """Return the :func:`digest` of ``parts``, of which only one need be in memory at a time."""
    sha = hashlib.sha256()
    for part in parts:
        data = part.encode() if isinstance(part, str) else part
        sha.update(len(data).to_bytes(8, "little"))
        sha.update(data)
    return sha.hexdigest()
