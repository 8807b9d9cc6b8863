"""Folders that programs need, and the environment variables that name them.

Containers and CI often have no home directory, or one that cannot be written, or a ``TMPDIR`` that
is not there. Programs such as YoWASP's then fail with unhelpful messages.
"""

import atexit
import os
import pwd
import shutil
import stat
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from functools import cache
from pathlib import Path

_TEMPORARY = ("TMPDIR", "TEMP", "TMP")
_CACHES = ("YoWASP", "wasmtime", "htaflow")
"""Folders of the tools in a cache folder: of these, those that are there must be writable too."""


def cache_home() -> Path:
    """Return the folder for what is kept between runs.

    ``$XDG_CACHE_HOME``, else ``~/.cache``; if that cannot be written, a folder of this user's own
    in the folder for temporary files. Raises ``OSError`` if there is none of these.
    """
    return _cache_home(_user_cache(), Path(tempfile.gettempdir()))


def tool_settings() -> dict[str, str]:
    """Return environment variables that name folders which exist and which a tool may write."""
    settings: dict[str, str] = {}
    with suppress(OSError):  # many tools need none of these
        temporary = tempfile.gettempdir()
        settings |= {name: temporary for name in _TEMPORARY if name in os.environ}
        home = str(cache_home())
        settings["XDG_CACHE_HOME"] = home
        if _user_cache() != Path(home) or not Path(os.environ.get("HOME", "")).is_absolute():
            settings["HOME"] = home
        if not _is_writable(Path(os.environ.get("YOWASP_CACHE_DIR", home))):
            settings["YOWASP_CACHE_DIR"] = str(Path(home, "YoWASP"))
    return settings


@contextmanager
def changed_environment(settings: Mapping[str, str]) -> Iterator[None]:
    """Change this process's environment for the block, for libraries that start programs."""
    before = {name: os.environ.get(name) for name in settings}
    os.environ.update(settings)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value


def _user_cache() -> Path | None:
    """Return where this user's cache folder should be."""
    shared = Path(os.environ.get("XDG_CACHE_HOME", ""))
    if shared.is_absolute():
        with suppress(OSError):
            shared.mkdir(mode=0o700, parents=True, exist_ok=True)
        return shared
    home = Path(os.environ.get("HOME", ""))
    if not home.is_absolute():
        try:
            home = Path(pwd.getpwuid(os.getuid()).pw_dir)
        except KeyError:
            return None
    return home / ".cache"


@cache
def _cache_home(usual: Path | None, temporary: Path) -> Path:
    """Return ``usual`` if it will do, else a folder in ``temporary``.

    What is compiled runs only where programs may: elsewhere it is compiled again each time.
    """
    if usual is not None and _is_usable(usual) and (_executes(usual) or not _executes(temporary)):
        return usual
    own = temporary / f"htaflow-{os.getuid()}"
    with suppress(OSError):
        own.mkdir(mode=0o700, exist_ok=True)
    if _is_private(own) and _is_usable(own):
        return own
    private = tempfile.mkdtemp(prefix="htaflow-cache-", dir=temporary)
    atexit.register(shutil.rmtree, private, ignore_errors=True)
    return Path(private)


def _is_usable(folder: Path) -> bool:
    """Whether tools can keep what they like in ``folder``, which is made if it is not there."""
    with suppress(OSError):
        folder.mkdir(mode=0o700, exist_ok=True)
    return _is_writable(folder) and all(
        _is_writable(each)
        for name in _CACHES
        if (folder / name).exists()
        for each in (folder / name, *folder.glob(f"{name}/**/"))
    )


def _is_writable(folder: Path) -> bool:
    """Whether a file can be made in ``folder``."""
    try:
        with tempfile.TemporaryFile(dir=folder):
            return True
    except OSError:
        return False


def _executes(folder: Path) -> bool:
    """Whether programs in ``folder`` may run: whether it is not mounted ``noexec``."""
    return not os.statvfs(folder).f_flag & os.ST_NOEXEC


def _is_private(folder: Path) -> bool:
    """Whether ``folder`` is this user's own: compiled code in it is run."""
    try:
        found = folder.lstat()
    except OSError:
        return False
    return (
        stat.S_ISDIR(found.st_mode)
        and found.st_uid == os.getuid()
        and not stat.S_IMODE(found.st_mode) & 0o077
    )
