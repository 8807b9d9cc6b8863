"""Folders of files, on disk or in a ``.zip`` file, by their names: nothing is unpacked to disk."""

import os
import stat
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Protocol

from htaflow.model.support.errors import BadInputError, abbreviate

Name = tuple[str, ...]
"""The name of a file: its folders, outermost first, and its own."""

MAX_FILE = 1 << 26
"""Bytes of a file, at most."""

MAX_FILES = 1 << 21
"""Files, at most."""

_MAX_DEPTH = 16
_PACKINGS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)


class Source(Protocol):
    """Where files come from."""

    def names(self) -> list[Name]:
        """Return all files that are not hidden, sorted."""
        ...

    def folders(self) -> set[Name]:
        """Return all folders that are not hidden, those without files too."""
        ...

    def read(self, name: Name) -> bytes:
        """Return the content of a file. Raises ``BadInputError`` if it cannot be read."""
        ...


class Folder:
    """The files below a folder. Symbolic links are followed, but not in circles."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._names: list[Name] = []
        self._folders: set[Name] = set()
        self._walk(path, (), ())
        self._names.sort()

    def _walk(self, path: Path, name: Name, above: tuple[tuple[int, int], ...]) -> None:
        about = path.stat()
        here = about.st_dev, about.st_ino
        if here in above or len(name) > _MAX_DEPTH:
            raise BadInputError(f"{path}: folders contain one another too deeply, or in a circle")
        for entry in _entries(path):
            if is_hidden(entry.name):
                continue
            inner = (*name, entry.name)
            if entry.is_dir():
                self._folders.add(inner)
                self._walk(Path(entry.path), inner, (*above, here))
            elif entry.is_file():
                self._names.append(inner)
                _require_few(len(self._names), str(self._path))

    def names(self) -> list[Name]:
        """Return all files that are not hidden, sorted."""
        return self._names

    def folders(self) -> set[Name]:
        """Return all folders that are not hidden, those without files too."""
        return self._folders

    def read(self, name: Name) -> bytes:
        """Return the content of a file. Raises ``BadInputError`` if it cannot be read."""
        path = self._path.joinpath(*name)
        try:
            handle = os.open(path, os.O_RDONLY | os.O_NONBLOCK)  # a pipe would wait for a writer
            with os.fdopen(handle, "rb") as file:
                if not stat.S_ISREG(os.fstat(handle).st_mode):
                    raise BadInputError(f"{path}: is no file; leave it out")
                content = file.read(MAX_FILE + 1)
        except OSError as error:
            raise BadInputError(f"{path}: cannot be read ({error.strerror})") from error
        return _require_small(content, str(path))


class Archive:
    """The files in a ``.zip`` file that is open."""

    def __init__(self, path: Path, file: zipfile.ZipFile) -> None:
        self._path = path
        self._file = file
        self._members: dict[Name, zipfile.ZipInfo] = {}
        self._folders: set[Name] = set()
        for member in file.infolist():
            name = tuple(
                part for part in _slashed(member.filename).split("/") if part not in ("", ".")
            )
            if ".." in name or _slashed(member.filename).startswith("/"):
                raise BadInputError(
                    f"{path}: {abbreviate(member.filename)} leads out of it; pack the folder again"
                )
            if len(name) > _MAX_DEPTH:
                raise BadInputError(f"{path}: {abbreviate(member.filename)} lies too deeply")
            if not name or any(is_hidden(part) for part in name):
                continue
            if _slashed(member.filename).endswith("/"):
                self._folders.add(name)
            elif name in self._members:
                raise BadInputError(
                    f"{path}: holds {abbreviate(member.filename)} twice; pack it again"
                )
            else:
                self._members[name] = member
            self._folders |= {name[:depth] for depth in range(1, len(name))}
            _require_few(len(self._members), str(path))

    def names(self) -> list[Name]:
        """Return all files that are not hidden, sorted."""
        return sorted(self._members)

    def folders(self) -> set[Name]:
        """Return all folders that are not hidden, those without files too."""
        return self._folders

    def read(self, name: Name) -> bytes:
        """Return the content of a file. Raises ``BadInputError`` if it cannot be read."""
        member = self._members[name]
        where = f"{self._path}, {abbreviate(member.filename)[1:-1]}"
        if member.compress_type not in _PACKINGS:
            raise BadInputError(f"{where}: is packed in an unusual way; pack it by 'zip' again")
        try:
            with self._file.open(member) as file:
                content = file.read(MAX_FILE + 1)
        # zipfile raises RuntimeError for an encrypted file, and other kinds for damaged ones.
        except (
            OSError,
            EOFError,
            ValueError,
            RuntimeError,
            zipfile.BadZipFile,
            zlib.error,
        ) as error:
            raise BadInputError(
                f"{where}: cannot be unpacked ({abbreviate(str(error), 200)[1:-1]}); pack it "
                "again, without a password"
            ) from error
        return _require_small(content, where)


@contextmanager
def open_archive(path: Path) -> Iterator[Archive]:
    """Open a ``.zip`` file. Raises ``BadInputError`` if it is none."""
    try:
        file = zipfile.ZipFile(path)
    except (OSError, ValueError, RuntimeError, NotImplementedError, zipfile.BadZipFile) as error:
        what = abbreviate(str(error), 200)[1:-1]
        raise BadInputError(f"{path}: is no .zip file, or damaged ({what})") from error
    with file:
        yield Archive(path, file)


def is_hidden(name: str) -> bool:
    """Whether a file or folder of that name is a system's own, and none of the user's."""
    return name.startswith(".") or name in ("__MACOSX", "Thumbs.db", "desktop.ini")


def _entries(path: Path) -> list[os.DirEntry[str]]:
    try:
        with os.scandir(path) as entries:
            return list(entries)
    except OSError as error:
        raise BadInputError(f"{path}: cannot be read ({error.strerror})") from error


def _slashed(name: str) -> str:
    """Return the name of a member with the slashes that Windows' own packer does not write."""
    return name.replace("\\", "/")


def _require_small(content: bytes, where: str) -> bytes:
    if len(content) > MAX_FILE:
        raise BadInputError(f"{where}: unpacks to more than {MAX_FILE} bytes; make it smaller")
    return content


def _require_few(count: int, where: str) -> None:
    if count > MAX_FILES:
        raise BadInputError(f"{where}: holds more than {MAX_FILES} files; give fewer")
