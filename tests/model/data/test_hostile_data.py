"""Data that mean no good: .npz, IDX and table files.

Each of these once crashed, hung or filled memory, or easily could.
"""

import gzip
import io
import struct
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from fuzz.guard import bounded_memory, bounded_time
from fuzz.targets.data import idx

from htaflow.model.data.dataset import split
from htaflow.model.data.load import load
from htaflow.model.support.errors import BadInputError
from htaflow.model.support.npz import MAX_BYTES


def npz(path: Path, members: dict[str, bytes], packing: int = zipfile.ZIP_DEFLATED) -> Path:
    with zipfile.ZipFile(path, "w", packing) as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return path


def npy(array: np.ndarray[Any, Any]) -> bytes:
    buffer = io.BytesIO()
    np.save(buffer, array, allow_pickle=False)
    return buffer.getvalue()


def header(text: str) -> bytes:
    padded = text.ljust(117) + "\n"
    return b"\x93NUMPY\x01\x00" + struct.pack("<H", len(padded)) + padded.encode()


X, Y = np.arange(32).reshape(8, 4) % 9, np.arange(8) % 2
GOOD = {"x.npy": npy(X), "y.npy": npy(Y)}


@pytest.mark.parametrize(
    ("members", "message"),
    [
        ({"x.npy": b"no array at all", "y.npy": npy(Y)}, "is truncated or not a valid .npz"),
        ({"x": npy(X), "y.npy": npy(Y)}, "is truncated or not a valid .npz"),
        (
            {
                **GOOD,
                "x.npy": header("{'descr': '<i8', 'fortran_order': False, 'shape': (8, 1<<9)}"),
            },
            "is truncated or not a valid .npz",
        ),
        (
            {
                **GOOD,
                "x.npy": header(
                    "{'descr': '<i8', 'fortran_order': False, 'shape': (8, 99999999999)}"
                ),
            },
            f"'x' claims 6399999999936 bytes, and {MAX_BYTES} is the most",
        ),
        (
            {
                **GOOD,
                "x.npy": header("{'descr': '|V0', 'fortran_order': False, 'shape': (1 << 40)}"),
            },
            "is truncated or not a valid .npz",
        ),
        ({**GOOD, "x.npy": header("(" * 100)}, "is truncated or not a valid .npz"),
        ({**GOOD, "y.npy": npy(np.array(["a" * 200] * 8))}, "longest label has 200 characters"),
        ({**GOOD, "y.npy": npy(np.full(8, 1 << 63, np.uint64))}, "does not fit 64 bits"),
        (
            {
                **GOOD,
                "y.npy": header("{'descr': '<U1', 'fortran_order': False, 'shape': (8,)}")
                + struct.pack("<8I", *[0xFFFFFFFF, 65] * 4),
            },
            "a label holds what is no character",
        ),
        (
            {
                **GOOD,
                "y.npy": header("{'descr': '<U1', 'fortran_order': False, 'shape': (8,)}")
                + struct.pack("<8I", *[0xD800, 65] * 4),
            },
            "a label holds what is no character",
        ),
        (
            {
                "x_train.npy": npy(X),
                "x_test.npy": npy(X),
                "y_train.npy": npy(Y),
                "y_test.npy": npy(np.array(["a", "b"] * 4)),
            },
            "labels are int64 in training frames and <U1 in test frames",
        ),
        ({**GOOD, "x.npy": npy(np.zeros((8, 2), "<c8"))}, "features are complex64"),
        ({"x.npy": npy(np.full((8, 2), np.inf, np.float16)), "y.npy": npy(Y)}, "is inf"),
    ],
)
def test_an_npz_file_of_something_else_is_refused(
    members: dict[str, bytes], message: str, tmp_path: Path
) -> None:
    with bounded_memory(256 << 20), pytest.raises(BadInputError, match=message):
        load(npz(tmp_path / "d.npz", members))


def test_numbers_of_half_precision_are_read(tmp_path: Path) -> None:
    data = load(npz(tmp_path / "d.npz", {"x.npy": npy(X.astype(np.float16)), "y.npy": npy(Y)}))
    assert data.x_train.max() == 8


def test_a_packing_that_numpy_does_not_write_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BadInputError, match="packed in a way that NumPy does not use"):
        load(npz(tmp_path / "d.npz", GOOD, zipfile.ZIP_LZMA))


def test_a_small_npz_file_that_unpacks_to_more_than_it_says_takes_no_memory(tmp_path: Path) -> None:
    bomb = npy(X) + bytes(300 << 20)
    path = npz(tmp_path / "d.npz", {**GOOD, "x.npy": bomb})
    assert path.stat().st_size < 1 << 20
    del bomb
    with bounded_memory(64 << 20):
        assert load(path).features == 4


def test_a_small_idx_file_that_unpacks_to_much_takes_no_memory(tmp_path: Path) -> None:
    for name in ("train-images-idx3", "t10k-images-idx3", "train-labels-idx1", "t10k-labels-idx1"):
        array = np.zeros((9, 2, 2)) if "idx3" in name else np.arange(9)
        (tmp_path / f"{name}-ubyte").write_bytes(idx(array))
    (tmp_path / "train-images-idx3-ubyte").write_bytes(
        gzip.compress(idx(np.zeros((9, 2, 2))) + bytes(300 << 20), 1)
    )
    with (
        bounded_memory(64 << 20),
        pytest.raises(BadInputError, match="holds more than 36 bytes of data, its header says 36"),
    ):
        load(tmp_path)
    many = idx(np.zeros((1, 1, 1)))[:4] + struct.pack(">3I", 1 << 20, 1 << 16, 1) + b"x"
    (tmp_path / "train-images-idx3-ubyte").write_bytes(many)
    with bounded_memory(64 << 20), pytest.raises(BadInputError, match="claims 68719476736 bytes"):
        load(tmp_path)


def test_a_table_of_very_many_columns_is_read_in_seconds(tmp_path: Path) -> None:
    columns = 60_000
    lines = ["label," + ",".join(map(str, range(columns)))]
    lines += [f"{row % 2}," + ",".join("1" * columns) for row in range(6)]
    (tmp_path / "d.csv").write_text("\n".join(lines))
    with bounded_time(20):
        assert load(tmp_path / "d.csv").features == columns
    (tmp_path / "d.csv").write_text("x" * 1000 + "," + ",".join(map(str, range(columns))))
    with pytest.raises(BadInputError, match="and 59981 more") as caught:
        load(tmp_path / "d.csv")
    assert len(str(caught.value)) < 1000


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (f"label,a\n{'x' * 5000},1\n", "the label has 5000 characters"),
        (f"label,a\n1,{'x' * 5000}\n", "'xxx"),
        (f"label,{'a' * 5000}\n1,z\n", "column 'aaa"),
        (f"{'a' * 5000},{'a' * 5000}\n1,z\n", "is there twice"),
        ("label,a\n" + "1,1" * 50_000, "cannot be read|is no number|cells"),
    ],
)
def test_long_cells_are_refused_in_a_short_line(text: str, message: str, tmp_path: Path) -> None:
    (tmp_path / "d.csv").write_text(text)
    with pytest.raises(BadInputError, match=message) as caught:
        load(tmp_path / "d.csv")
    assert len(str(caught.value)) < 600


def test_as_many_classes_as_frames_are_split_in_no_time() -> None:
    with bounded_time(10):
        (_, y), (x_test, _) = split(np.zeros((300_000, 1)), np.arange(300_000))
    assert len(y) == 300_000
    assert len(x_test) == 0


@pytest.mark.parametrize("seed", range(3))
def test_every_fifth_frame_of_a_class_from_the_third_on_is_for_testing(seed: int) -> None:
    y = np.random.default_rng(seed).integers(0, 4, 60)
    x = np.arange(60)[:, None]
    _, (x_test, y_test) = split(x, y)
    expected = sorted(int(i) for c in range(4) for i in np.flatnonzero(y == c)[2::5])
    assert x_test[:, 0].tolist() == expected
    assert y_test.tolist() == y[expected].tolist()
