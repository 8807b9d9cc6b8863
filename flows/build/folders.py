"""The folders of a board's build, and whether what is in them is whole."""

import contextlib
import shutil
from pathlib import Path

from htaflow.flows.build.lock import read_lock, sha256
from htaflow.flows.build.route import FLOORPLAN, shrink_floorplan
from htaflow.model.run_directory import FAILED, SLOW, read_result
from htaflow.model.support.errors import BadInputError
from htaflow.model.support.files import with_path, write_atomic
from htaflow.model.support.results import Built


def work_folder(folder: Path) -> Path:
    """Return where the build in ``folder`` is made: held by the process that makes it."""
    return folder.with_name(f".{folder.name}")


def failed_folder(folder: Path) -> Path:
    """Return what keeps the logs when the build in ``folder`` fails."""
    return folder.with_name(folder.name + FAILED)


def slow_folder(folder: Path) -> Path:
    """Return what has a build that misses its clock, when the one in ``folder`` does not."""
    return folder.with_name(folder.name + SLOW)


def is_whole(folder: Path) -> bool:
    """Whether every file of an earlier build is there as it was made."""
    try:
        lock = read_lock(folder)
    except BadInputError:
        return False
    return lock is not None and lock.first_change(folder) is None


def has_bitstream(folder: Path) -> bool:
    """Whether the build in ``folder`` has a bitstream, and still as it was made."""
    try:
        report = read_result(folder / "report.json", Built)
    except BadInputError:
        return False
    return report is not None and report["met"] and same_bitstream(folder, report)


def same_bitstream(folder: Path, report: Built) -> bool:
    """Whether the bitstream in a board's folder is the one that its report describes."""
    path = folder / str(report["bitstream"])
    return path.is_file() and sha256(path) == str(report["sha256"])


def copy_files(folder: Path, to: Path) -> None:
    """Copy a folder of files."""
    to.mkdir()
    for file in folder.iterdir():
        with with_path(to / file.name):
            shutil.copyfile(file, to / file.name)


def tidy(folder: Path, *intermediate: str) -> None:
    """Delete what only the next tool needed, and shrink the drawing."""
    for name in intermediate:
        (folder / name).unlink()
    floorplan = folder / FLOORPLAN
    with contextlib.suppress(FileNotFoundError):  # it is a picture: no reason to fail
        svg = floorplan.read_text(errors="replace")
        if svg.rstrip().endswith("</svg>"):
            write_atomic(floorplan, shrink_floorplan(svg))
        else:
            floorplan.unlink()
