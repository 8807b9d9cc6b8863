import errno
import os
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from htaflow.model.support.files import locked_folder, replace_folder, restore_folder, write_atomic


def test_a_file_is_replaced_whole_and_folders_are_made(tmp_path: Path) -> None:
    file = tmp_path / "a" / "b" / "text"
    for text in ("first", "second"):
        write_atomic(file, text)
        assert file.read_text() == text
    assert list(file.parent.iterdir()) == [file]


def test_a_full_disk_names_the_file_and_leaves_the_old_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(handle: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    file = tmp_path / "text"
    write_atomic(file, "old")
    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space left") as caught:
        write_atomic(file, "new")
    assert caught.value.filename == str(file)
    assert file.read_text() == "old"
    assert list(tmp_path.iterdir()) == [file]


def test_a_folder_that_cannot_be_made_names_the_file(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(NotADirectoryError) as caught:
        write_atomic(tmp_path / "file" / "folder" / "text", "new")
    assert caught.value.filename == str(tmp_path / "file" / "folder" / "text")


def test_what_a_killed_writer_left_is_deleted_and_what_a_living_one_writes_is_not(
    tmp_path: Path,
) -> None:
    script = (
        "import sys, os, signal; from pathlib import Path\n"
        "from htaflow.model.support import files\n"
        "os.fsync = lambda _: (print('here', flush=True), sys.stdin.read())\n"
        "files.write_atomic(Path('text'), 'half')"
    )
    with subprocess.Popen(
        [sys.executable, "-c", script],
        cwd=tmp_path,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    ) as writer:
        assert writer.stdout is not None
        assert writer.stdout.read(4) == b"here"
        (left,) = tmp_path.iterdir()
        write_atomic(tmp_path / "text", "mine")
        assert left.exists()
        writer.kill()
    assert left.exists()
    write_atomic(tmp_path / "text.other", "another file does not care")
    assert left.exists()
    write_atomic(tmp_path / "text", "again")
    assert {path.name: path.read_text() for path in tmp_path.iterdir()} == {
        "text": "again",
        "text.other": "another file does not care",
    }


def test_a_folder_that_another_process_holds_is_waited_for_and_freed_by_its_death(
    tmp_path: Path,
) -> None:
    script = (
        "import sys; from pathlib import Path\n"
        "from htaflow.model.support.files import locked_folder\n"
        "with locked_folder(Path('folder'), lambda: None):\n"
        "    print('held', flush=True); sys.stdin.read()"
    )
    with subprocess.Popen(
        [sys.executable, "-c", script],
        cwd=tmp_path,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    ) as holder:
        assert holder.stdout is not None
        assert holder.stdout.read(4) == b"held"
        told: list[str] = []

        def waiting() -> None:
            told.append("waiting")
            holder.kill()

        with locked_folder(tmp_path / "folder", waiting):
            assert told == ["waiting"]


def test_a_folder_that_its_holder_deletes_is_made_again_for_the_next(tmp_path: Path) -> None:
    folder, entered = tmp_path / "folder", threading.Event()
    inside: list[bool] = []

    def second() -> None:
        with locked_folder(folder, entered.set):
            inside.append(folder.is_dir())

    thread = threading.Thread(target=second)
    with locked_folder(folder, lambda: None):
        thread.start()
        assert entered.wait(20)
        folder.rmdir()
    thread.join(20)
    assert inside == [True]


@pytest.mark.parametrize("killed_after", [0, 1, 2])
def test_a_folder_is_replaced_whole_or_stays_wherever_it_was_stopped(
    tmp_path: Path, killed_after: int
) -> None:
    new, path, aside = (tmp_path / name for name in ("new", "path", "aside"))
    for folder, text in ((new, "new"), (path, "old")):
        folder.mkdir()
        (folder / "file").write_text(text)
    # What a process does that is killed after so many of the two renames.
    for before, after in [(path, aside), (new, path)][:killed_after]:
        before.rename(after)
    restore_folder(path, aside)
    assert (path / "file").read_text() == ("new" if killed_after == 2 else "old")
    assert not aside.exists()
    if new.exists():
        replace_folder(new, path, aside)
    assert (path / "file").read_text() == "new"
    assert list(tmp_path.iterdir()) == [path]


def test_a_folder_that_cannot_be_moved_leaves_the_old_one_in_place(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    new, path = tmp_path / "new", tmp_path / "path"
    new.mkdir()
    path.mkdir()
    (path / "file").write_text("old")
    rename = Path.rename

    def full(self: Path, target: Path) -> Path:
        if self == new:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(self))
        return rename(self, target)

    monkeypatch.setattr(Path, "rename", full)
    with pytest.raises(OSError, match="No space left"):
        replace_folder(new, path, tmp_path / "aside")
    assert (path / "file").read_text() == "old"
    assert not (tmp_path / "aside").exists()


def test_what_is_renamed_into_place_is_flushed_with_its_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A power cut must not leave a name without its content, nor take back the name."""
    done: list[tuple[str, str]] = []
    fsync, replace = os.fsync, Path.replace

    def flush(handle: int) -> None:
        name = Path(f"/proc/self/fd/{handle}").readlink().name
        done.append(("flush", name.split(".")[-1]))
        fsync(handle)

    def rename(self: Path, target: Path) -> Path:
        done.append(("rename", target.name))
        return replace(self, target)

    monkeypatch.setattr(os, "fsync", flush)
    monkeypatch.setattr(Path, "replace", rename)
    write_atomic(tmp_path / "folder" / "text", "x")
    assert done == [("flush", "tmp~"), ("rename", "text"), ("flush", "folder")]
