"""Files that appear whole or not at all, and digests that name their content."""

import hashlib
import json
import os
import tempfile
from collections.abc import Iterable
from pathlib import Path
from typing import Any


def write_atomic(path: Path, content: str | bytes) -> None:
    """Write ``content`` beside ``path``, flush it to disk, then rename it into place.

    Creates the parent folders. Raises ``OSError`` as the operating system does; nothing is left
    behind and an older file at ``path`` stays as it was.
    """
    data = content.encode() if isinstance(content, str) else content
    path.parent.mkdir(parents=True, exist_ok=True)
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
