"""Bounds within which everything must stay: time, memory, the folder that it may write to."""

import os
import resource
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

MEMORY = 1 << 30
"""Bytes that reading one file may take beside what the process had before."""


@contextmanager
def bounded_memory(more: int = MEMORY) -> Iterator[None]:
    """Let the process grow by ``more`` bytes: beyond, Python raises ``MemoryError``."""
    pages = int(Path("/proc/self/statm").read_text().split()[0])
    soft, hard = resource.getrlimit(resource.RLIMIT_AS)
    resource.setrlimit(resource.RLIMIT_AS, (pages * os.sysconf("SC_PAGE_SIZE") + more, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_AS, (soft, hard))


@contextmanager
def bounded_time(seconds: float) -> Iterator[None]:
    """Raise ``TimeoutError`` in the main thread if the block takes longer."""

    def stop(*_: object) -> None:
        raise TimeoutError(f"it took more than {seconds} s")

    before = signal.signal(signal.SIGALRM, stop)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


def tree(folder: Path, but: Path | None = None) -> dict[str, bytes | None]:
    """Return every file below ``folder`` with its content, folders too, but for what is in ``but``.

    Two such trees are equal only if nothing was written.
    """
    found: dict[str, bytes | None] = {}
    for path in sorted(folder.rglob("*")):
        if but is None or but not in (path, *path.parents):
            found[str(path)] = path.read_bytes() if path.is_file() else None
    return found
