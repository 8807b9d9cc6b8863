import io
from pathlib import Path

import numpy as np
import pytest

from htaflow.model.run_directory import Run, read_result, source_digest, unchanged
from htaflow.model.support.errors import BadInputError
from htaflow.model.support.files import write_json
from htaflow.model.support.results import Object


def test_naming_a_run_creates_nothing(tmp_path: Path) -> None:
    run = Run(tmp_path / "run")
    assert run.boards == []
    assert run.load_test() is None
    assert not run.path.exists()


def test_a_missing_run_and_a_run_without_network_say_how_to_start(tmp_path: Path) -> None:
    with pytest.raises(BadInputError, match=r"no such run directory.*htaflow train"):
        Run(tmp_path / "run").load_network()
    with pytest.raises(BadInputError, match=r"holds no network.*htaflow convert"):
        Run(tmp_path).load_network()


def test_boards_are_those_with_a_report(tmp_path: Path) -> None:
    run = Run(tmp_path)
    run.board("begun").mkdir(parents=True)
    for name in ("b", "a", ".c.xyz"):
        write_json(run.board_report(name), {})
    assert run.boards == ["a", "b"]


def single_array() -> bytes:
    buffer = io.BytesIO()
    np.save(buffer, np.zeros((3, 2), int))
    return buffer.getvalue()


@pytest.mark.parametrize(
    "content", [b"", b"PK\x03\x04 cut off", b"\x93NUMPY", single_array()], ids=range(4)
)
def test_a_damaged_test_set_is_refused(tmp_path: Path, content: bytes) -> None:
    run = Run(tmp_path)
    run.test.write_bytes(content)
    with pytest.raises(BadInputError, match=r"test\.npz.* no test set: train again"):
        run.load_test()


def test_a_test_set_without_labels_or_with_too_few_is_refused(tmp_path: Path) -> None:
    run = Run(tmp_path)
    np.savez(run.test, x=np.zeros((3, 2), int))
    with pytest.raises(BadInputError, match=r"test\.npz.* no test set: train again"):
        run.load_test()
    np.savez(run.test, x=np.zeros((3, 2), int), y=np.zeros(2, int))
    with pytest.raises(BadInputError, match="no integers"):
        run.load_test()


def test_a_whole_test_set_is_read(tmp_path: Path) -> None:
    run = Run(tmp_path)
    np.savez(run.test, x=np.arange(6).reshape(3, 2), y=np.array([0, 1, 0]))
    read = run.load_test()
    assert read is not None
    assert read[0].tolist() == [[0, 1], [2, 3], [4, 5]]
    assert read[1].tolist() == [0, 1, 0]


def test_a_result_is_absent_read_or_refused(tmp_path: Path) -> None:
    file = tmp_path / "rtl.json"
    assert read_result(file, Object) is None
    write_json(file, {"frames": 3})
    assert read_result(file, Object) == {"frames": 3}
    for damaged in ("", "{", "[1]"):
        file.write_text(damaged)
        with pytest.raises(BadInputError, match="delete it and run its step again"):
            read_result(file, Object)


def test_a_step_is_unchanged_only_with_the_same_inputs_and_all_outputs(tmp_path: Path) -> None:
    result, output = tmp_path / "top.json", tmp_path / "top.v"
    assert unchanged(result, "a", Object, [output]) is None
    write_json(result, {"inputs": "a"})
    assert unchanged(result, "a", Object, [output]) is None
    output.touch()
    assert unchanged(result, "a", Object, [output]) == {"inputs": "a"}
    assert unchanged(result, "b", Object, [output]) is None
    result.write_text("{")
    assert unchanged(result, "a", Object, [output]) is None


def test_sources_have_a_stable_digest() -> None:
    assert source_digest("htaflow.hw") == source_digest("htaflow.hw")
    assert source_digest("htaflow.hw") != source_digest("htaflow.hw", "htaflow.sim")
