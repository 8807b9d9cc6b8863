"""``htaflow build --check``: is a build still what the same inputs give, byte for byte?"""

import shutil
from itertools import zip_longest
from pathlib import Path
from typing import NoReturn

from htaflow.flows.boards.board import Board, load_board
from htaflow.flows.build.build import build
from htaflow.flows.build.folders import failed_folder, work_folder
from htaflow.flows.build.lock import LOCK, Lock, read_lock
from htaflow.flows.build.options import BuildOptions
from htaflow.flows.tools.tools import ToolError
from htaflow.model.run_directory import Run
from htaflow.model.support.arguments import checked
from htaflow.model.support.errors import BadInputError, DoesNotFitError, MismatchError
from htaflow.model.support.files import locked_folder, replace_folder
from htaflow.model.support.progress import Progress, silent

_SHOWN = 60
"""Characters of a line that a message shows."""


@checked
def rebuild(
    run: str | Path, board: str, *, timeout: float | None = None, progress: Progress = silent
) -> Lock:
    """Build again what ``RUN/boards/NAME/lock.json`` describes, and compare every file.

    The build itself stays as it is. Options come from the lock file; versions are those of today.

    Args:
        run: the run directory.
        board: a board's name, or the path of a .toml file that describes one.
        timeout: seconds that each tool may take.
        progress: called with a line of text now and then.

    Returns:
        The lock of the new build: its ``files`` are those of the old one.

    Raises:
        BadInputError: there is no build with a lock file, no valid network, or no such board.
        MissingToolError: Yosys or nextpnr is absent.
        MismatchError: something is not the same; the message says which file was the first, how it
            differs, and which versions do.
        ToolError: a tool failed, or said that the hardware may not work. The folder
            RUN/boards/NAME.failed keeps its log.
    """
    run = Path(run)
    here, target = Run(run), load_board(board)
    folder = here.board(target.name)
    lock = read_lock(folder)
    if lock is None:
        raise BadInputError(
            f"{folder}: there is nothing to check: it holds no {LOCK}; build it with 'htaflow "
            f"build {run} --board {board}'"
        )
    network = here.load_network()
    if network.digest != lock.network:
        raise MismatchError(
            f"{here.network}: it differs from what {folder} was built from: its digest is "
            f"{network.digest[:12]}, not {lock.network[:12]}"
        )
    changed = lock.first_change(folder)
    if changed is not None:
        how = "differs from what was built" if (folder / changed).is_file() else "is gone"
        raise MismatchError(f"{folder / changed}: it {how}: its SHA-256 is not that in {LOCK}")

    def waiting() -> None:
        progress(f"check {target.name}: waiting for another 'htaflow build' of it")

    work = work_folder(folder)
    with locked_folder(work, waiting):
        try:
            again = work / "again"
            again.mkdir()
            shutil.copyfile(here.network, Run(again).network)
            new = _build(again, board, folder, target, lock, timeout, progress)
            first = new.first_change(folder)
            if first is not None or new.files.keys() != lock.files.keys():
                raise MismatchError(_explain(lock, new, folder, Run(again).board(target.name)))
        finally:
            shutil.rmtree(work)
    progress(f"check {target.name}: identical")
    return new


def _build(
    run: Path,
    board: str,
    folder: Path,
    target: Board,
    lock: Lock,
    timeout: float | None,
    progress: Progress,
) -> Lock:
    """Build in the run directory ``run`` and return the lock that it gives."""
    try:
        build(run, board, BuildOptions(**lock.options, timeout=timeout), progress=progress)
    except ToolError as error:
        _keep_failure(error, folder)
    except DoesNotFitError as error:  # a clock that is missed leaves all but the bitstream
        new = read_lock(Run(run).board(target.name))
        if new is None:
            raise MismatchError(f"{target.title}: it cannot be built again: {error}") from None
    else:
        new = read_lock(Run(run).board(target.name))
    assert new is not None
    return new


def _keep_failure(error: ToolError, folder: Path) -> NoReturn:
    """Keep what the tool left where a build keeps it, and raise its error with that name."""
    left, failed = error.log.parent, failed_folder(folder)
    replace_folder(left, failed, work_folder(folder) / "old")
    message = str(error).replace(str(left), str(failed))
    raise ToolError(message, log=failed / error.log.name, timed_out=error.timed_out) from None


def _explain(old: Lock, new: Lock, before: Path, after: Path) -> str:
    """Say which file is the first that differs, how, and what may be the reason."""
    names = [*old.files, *(name for name in new.files if name not in old.files)]
    first = next(name for name in names if old.files.get(name) != new.files.get(name))
    differing = [name for name in names if old.files.get(name) != new.files.get(name)]
    lines = [f"{before}: built again, {len(differing)} of {len(names)} files differ"]
    lines.append(f"the first is {first}: {_difference(before / first, after / first)}")
    if len(differing) > 1:
        lines.append(f"then {', '.join(differing[1:])}")
    versions = _version_changes(old.versions, new.versions)
    if versions:
        lines.append(f"versions differ: {'; '.join(versions)}")
    elif old.inputs != new.inputs:
        lines.append(f"no version differs, but what the tools were given does: see {first}")
    else:
        lines.append("no version differs and no input: a tool does not repeat itself")
    return "\n  ".join(lines)


def _difference(old: Path, new: Path) -> str:
    """Return in words where two files part."""
    if not new.is_file():
        return "it is not made any more"
    if not old.is_file():
        return "it was not made before"
    one, other = old.read_bytes(), new.read_bytes()
    try:
        texts = one.decode().splitlines(), other.decode().splitlines()
    except UnicodeDecodeError:
        pairs = enumerate(zip_longest(one, other))
        at = next(index for index, (a, b) in pairs if a != b)
        return f"from byte {at} on ({len(one)} bytes then, {len(other)} now)"
    for number, (a, b) in enumerate(zip_longest(*texts, fillvalue=""), 1):
        if a != b:
            start = max(0, _common(a, b) - _SHOWN // 2)
            was, now = (line[start : start + _SHOWN] for line in (a, b))
            return f"line {number} was '{was}', is '{now}'"
    return "in its line ends"


def _common(one: str, other: str) -> int:
    """Return how many characters two lines begin with in common."""
    pairs = enumerate(zip_longest(one, other))
    return next((index for index, (a, b) in pairs if a != b), 0)


def _version_changes(old: dict[str, str], new: dict[str, str]) -> list[str]:
    """Return in words each tool or library whose version is another."""
    return [
        f"{name} was {_short(old.get(name))}, is {_short(new.get(name))}"
        for name in sorted(old | new)
        if old.get(name) != new.get(name)
    ]


def _short(version: str | None) -> str:
    """Return a version, or the beginning of a digest, for people."""
    if version is None:
        return "absent"
    return version[:12] if len(version) == 64 else version
