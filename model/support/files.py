"""Files that appear whole or not at all, and digests that name their content."""

import contextlib
import errno
import fcntl
import glob
import hashlib
import json
import os
import shutil
import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from htaflow.model.support.errors import BadInputError, kind_of

_TEMPORARY = ".tmp~"


def as_path(value: object, what: str) -> Path:
    """Return ``value`` as a path; a ``BadInputError`` that calls it ``what`` if it is none."""
    if isinstance(value, str | os.PathLike):
        return Path(value)
    raise BadInputError(f"{what} is {kind_of(value)}; give a path, as a str or a Path")


def write_atomic(path: Path, content: str | bytes) -> None:
    """Write ``content`` beside ``path``, flush it to disk, then rename it into place.

    Creates the parent folders. Raises ``OSError`` as the operating system does, but for the name,
    which is ``path``; nothing is left behind and an older file at ``path`` stays as it was. What a
    process left that was killed here is deleted by the next call for the same path.
    """
    with with_path(path):
        with _written_beside(path, content) as temporary:
            temporary.replace(path)
        _flush_folder(path.parent)


def write_together(contents: Mapping[Path, str | bytes]) -> None:
    """Write several files, the last of which says what the others are.

    All are written beside their places first: what cannot be written leaves all as they were. Then
    each takes its place. The last one, if there is an older one, is deleted before, so that it is
    never beside files that it does not describe.
    """
    with contextlib.ExitStack() as stack:
        written = []
        for path, content in contents.items():
            with with_path(path):
                written.append((path, stack.enter_context(_written_beside(path, content))))
        written[-1][0].unlink(missing_ok=True)
        for path, temporary in written:
            with with_path(path):
                temporary.replace(path)
    for folder in {path.parent for path in contents}:
        _flush_folder(folder)


@contextmanager
def _written_beside(path: Path, content: str | bytes) -> Iterator[Path]:
    """Write and flush a temporary file beside ``path``; it is deleted unless it is renamed."""
    path.parent.mkdir(parents=True, exist_ok=True)
    for stale in path.parent.glob(f".{glob.escape(path.name)}.*{_TEMPORARY}"):
        _delete_abandoned(stale)
    data = content.encode() if isinstance(content, str) else content
    while True:
        handle, name = tempfile.mkstemp(_TEMPORARY, f".{path.name}.", path.parent)
        with os.fdopen(handle, "wb") as file:
            # The lock tells that somebody is at it, unless it was taken for abandoned just before.
            if _lock(handle, wait=False) is False or not _is_at(handle, Path(name)):
                continue
            try:
                file.write(data)
                file.flush()
                os.fsync(handle)
                umask = os.umask(0)
                os.umask(umask)
                Path(name).chmod(0o666 & ~umask)  # mkstemp's 0600 hides results from other users
                yield Path(name)
                return
            finally:
                Path(name).unlink(missing_ok=True)


def _delete_abandoned(path: Path) -> None:
    """Delete a temporary file unless a process, still alive, is writing it."""
    with contextlib.suppress(OSError):
        handle = os.open(path, os.O_RDONLY)
        try:
            if _lock(handle, wait=False):
                path.unlink()
        finally:
            os.close(handle)


def replace_folder(new: Path, path: Path, aside: Path) -> None:
    """Move folder ``new``, whole and flushed to disk, to ``path``; what was there is deleted.

    It passes through ``aside``, a name that nothing else uses: a process killed in between leaves
    it there, and :func:`restore_folder` puts it back.
    """
    for file in new.rglob("*"):
        if file.is_file():
            with file.open("rb") as opened:
                os.fsync(opened.fileno())
    _flush_folder(new)
    with contextlib.suppress(FileNotFoundError):
        path.rename(aside)
    try:
        new.rename(path)
    finally:
        restore_folder(path, aside)
    _flush_folder(path.parent)


def restore_folder(path: Path, aside: Path) -> None:
    """Finish or undo what :func:`replace_folder` was killed at: ``path`` is old or new, whole."""
    if not path.exists():
        with contextlib.suppress(FileNotFoundError):
            aside.rename(path)
    shutil.rmtree(aside, ignore_errors=True)


def _flush_folder(folder: Path) -> None:
    """Flush a folder's names to disk, where the file system can: what a power cut must not undo."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    except OSError as error:
        if error.errno not in (errno.EINVAL, errno.ENOTSUP):
            raise
    finally:
        os.close(handle)


@contextmanager
def with_path(path: Path) -> Iterator[None]:
    """Give an ``OSError`` the name ``path``: a full disk names no file, others a temporary one."""
    try:
        yield
    except OSError as error:
        raise OSError(error.errno, error.strerror or str(error), str(path)) from error


@contextmanager
def locked_folder(folder: Path, waiting: Callable[[], None]) -> Iterator[None]:
    """Hold ``folder``, made if need be, for one process at a time, and leave nothing in it.

    If another process holds it, ``waiting`` is called and then the other's end awaited, however it
    ends. The holder may delete the folder. Where the file system has no locks, nothing is awaited.
    """
    told = False
    while True:
        folder.mkdir(parents=True, exist_ok=True)
        try:
            handle = os.open(folder, os.O_RDONLY)
        except FileNotFoundError:  # the other has just deleted it
            continue
        try:
            if _lock(handle, wait=False) is False:
                if not told:
                    waiting()
                told = True
                _lock(handle, wait=True)
            if _is_at(handle, folder):
                yield
                return
        finally:
            os.close(handle)


def _lock(handle: int, *, wait: bool) -> bool | None:
    """Lock an open file or folder; ``False`` if another has it, ``None`` where there are no locks.

    The lock ends with its process, however that ends; a process that it starts does not hold it.
    """
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
    except BlockingIOError:
        return False
    except OSError:
        return None
    return True


def _is_at(handle: int, path: Path) -> bool:
    """Whether the open file or folder is still the one at ``path``."""
    try:
        return os.path.samestat(os.fstat(handle), path.stat())
    except FileNotFoundError:
        return False


def write_json(path: Path, value: Any) -> None:
    """Write ``value`` as :func:`to_json` says, atomically."""
    write_atomic(path, to_json(value))


def to_json(value: Any) -> str:
    """Return ``value`` as indented JSON with a final newline."""
    return json.dumps(value, indent=2, allow_nan=False) + "\n"


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
