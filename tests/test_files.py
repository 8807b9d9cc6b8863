import errno
import os
from pathlib import Path

import pytest

from htaflow.model.files import write_atomic


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
