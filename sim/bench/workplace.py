"""Where a design is compiled: a folder that every tool takes, and in which programs may run.

GNU make and the compilers split or expand paths with spaces, quotes or ``$``, and what was compiled
on a file system that is mounted ``noexec`` does not start. Where the bench lies in such a place, a
folder for temporary files serves, with symbolic links to what the tools read. It is deleted when
this process ends, however it ends.
"""

import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

_PLAIN = re.compile(r"[A-Za-z0-9_./+-]+")
_LONGEST = 1000  # characters of a path: tools add their own to it, and have buffers
_OTHERS = ("/tmp", "/var/tmp", "/dev/shm")  # noqa: S108

_DELETE = """\
import os, shutil, sys, time
sys.stdin.read()
for _ in range(20):
    shutil.rmtree(sys.argv[1], ignore_errors=True)
    if not os.path.exists(sys.argv[1]):
        break
    time.sleep(0.5)
"""


class Workplace:
    """A folder to build in, and names that tools take for what lies elsewhere.

    Args:
        build: where to compile.
        links: where to put symbolic links, or None if every path is plain.
    """

    def __init__(self, build: Path, links: Path | None) -> None:
        self.build = build
        self._links = links
        self._names: dict[Path, Path] = {}

    def name(self, path: Path) -> Path:
        """Return a path at which tools find what is at ``path``."""
        if self._links is None or _is_plain(path):
            return path
        if path not in self._names:
            self._names[path] = self._links / str(len(self._names))
            self._names[path].symlink_to(path)
        return self._names[path]

    def copy(self, file: Path) -> Path:
        """Return the same as :meth:`name` for tools that follow symbolic links first."""
        if self._links is None or _is_plain(file):
            return file
        folder = Path(tempfile.mkdtemp(dir=self._links))
        return Path(shutil.copyfile(file, folder / f"source{file.suffix}"))


@contextmanager
def workplace(here: Path, others: Iterable[Path], *, executes: bool) -> Iterator[Workplace]:
    """Yield where to compile: ``here / "build"`` if that will do.

    Args:
        here: the bench's own folder.
        others: what else the tools are to find.
        executes: whether what is compiled is a program.

    Raises ``OSError`` if there is no folder that will do.
    """
    if _is_fit(here, executes) and all(map(_is_plain, others)):
        yield Workplace(here / "build", None)
        return
    with _temporary_folder(here, executes) as folder:
        links = folder / "links"
        links.mkdir()
        yield Workplace(folder / "build", links)


def _is_plain(path: Path) -> bool:
    """Whether every tool takes ``path`` for a single name."""
    text = str(path)
    return len(text) <= _LONGEST and _PLAIN.fullmatch(text) is not None


def _is_fit(folder: Path, executes: bool) -> bool:
    """Whether a design can be compiled in ``folder``."""
    if not _is_plain(folder) or not os.access(folder, os.W_OK | os.X_OK):
        return False
    return not (executes and os.statvfs(folder).f_flag & os.ST_NOEXEC)


@contextmanager
def _temporary_folder(here: Path, executes: bool) -> Iterator[Path]:
    """Yield a new folder; it is deleted afterwards, even if this process is killed."""
    candidates = dict.fromkeys((tempfile.gettempdir(), *_OTHERS))
    parent = next((name for name in candidates if _is_fit(Path(name), executes)), None)
    if parent is None:
        raise OSError(
            f"the design cannot be compiled in {here}, nor in {', '.join(candidates)}: a path has "
            "characters other than letters, digits and '_./+-', or is too long, or the folder is "
            "mounted noexec or cannot be written; set TMPDIR to a folder that will do"
        )
    folder = Path(tempfile.mkdtemp(prefix="bench-", dir=parent)).resolve()
    # In a session of its own, it outlives whoever kills this process and its group.
    deleter = subprocess.Popen(
        [sys.executable, "-I", "-S", "-c", _DELETE, str(folder)],
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        cwd="/",
        start_new_session=True,
    )
    try:
        yield folder
    finally:
        assert deleter.stdin is not None
        deleter.stdin.close()
        deleter.wait()
