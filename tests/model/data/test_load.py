import gzip
import hashlib
import io
import zipfile

import numpy as np
import pytest

from htaflow.model.data.dataset import make_dataset, split
from htaflow.model.data.idx import read_idx
from htaflow.model.data.load import load
from htaflow.model.data.mnist import cache_folder, load_mnist
from htaflow.model.support.errors import BadInputError


def idx(array: np.ndarray) -> bytes:
    header = bytes([0, 0, 8, array.ndim]) + b"".join(n.to_bytes(4, "big") for n in array.shape)
    return header + array.astype(np.uint8).tobytes()


def idx_files(rng: np.random.Generator) -> dict[str, bytes]:
    """Four small files in MNIST's form."""
    files = {}
    for part, count in (("train", 12), ("t10k", 4)):
        files[f"{part}-images-idx3-ubyte"] = idx(rng.integers(0, 256, (count, 3, 2)))
        files[f"{part}-labels-idx1-ubyte"] = idx(np.arange(count) % 3)
    return files


@pytest.fixture
def files(rng):
    return idx_files(rng)


@pytest.fixture
def folder(tmp_path, files):
    for name, content in files.items():
        (tmp_path / name).write_bytes(content)
    return tmp_path


def refuse(match: str, spec) -> None:
    with pytest.raises(BadInputError, match=match) as caught:
        load(spec)
    assert caught.value.exit_code == 2


# Built in


def test_digits_are_real_balanced_and_always_split_the_same():
    data = load("digits")
    assert (data.features, data.feature_bits, data.signed) == (64, 5, False)
    assert data.classes == tuple("0123456789")
    assert len(data.x_train) + len(data.x_test) == 1797
    assert 340 <= len(data.x_test) <= 380
    assert np.bincount(data.y_test).min() >= 34
    assert data.digest == load("digits").digest
    assert data.x_train.max() == 16


def test_unknown_data_are_refused_with_the_nearest_name():
    refuse("no data 'digit'.*did you mean 'digits'", "digit")


def test_unknown_kinds_of_file_are_refused(tmp_path):
    path = tmp_path / "data.parquet"
    path.write_bytes(b"")
    refuse("not '.parquet'", path)


# IDX files


@pytest.mark.parametrize("zipped", [False, True])
@pytest.mark.parametrize("dot", ["-", "."])
@pytest.mark.parametrize("place", [".", "raw", "MNIST/raw"])
def test_folder_of_idx_files_under_its_usual_names(tmp_path, files, zipped, dot, place):
    (tmp_path / place).mkdir(parents=True, exist_ok=True)
    for name, content in files.items():
        path = tmp_path / place / (name.replace("-idx", f"{dot}idx") + ".gz" * zipped)
        path.write_bytes(gzip.compress(content) if zipped else content)
    data = load(tmp_path)
    assert data.x_train.shape == (12, 6)
    assert data.y_test.tolist() == [0, 1, 2, 0]
    assert data.feature_bits == 8


def test_folder_that_lacks_a_file_is_refused(folder):
    (folder / "t10k-labels-idx1-ubyte").unlink()
    refuse("lacks t10k-labels-idx1-ubyte", folder)


@pytest.mark.parametrize(
    ("change", "match"),
    [
        (lambda b: b[:-1], "it is cut off"),
        (lambda b: b + b"x", "cut off or altered"),
        (lambda b: b[:6], "cut off in its header"),
        (lambda b: b"", "no IDX file"),
        (lambda b: b"\0\0\x0d\x03" + b[4:], "starts with 00 00 0d 03, not 00 00 08 03"),
        (lambda b: gzip.compress(b)[:-9], "cannot be read"),
        (lambda b: gzip.compress(b)[:20] + b"????????", "cannot be read|claims"),
    ],
)
def test_damaged_idx_files_are_refused_by_name(folder, change, match):
    path = folder / "train-images-idx3-ubyte"
    path.write_bytes(change(path.read_bytes()))
    refuse(f"train-images-idx3-ubyte: .*{match}", folder)


def test_a_folder_in_place_of_an_idx_file_is_refused(tmp_path):
    with pytest.raises(BadInputError, match="cannot be read"):
        read_idx(tmp_path, 3)


# Download


@pytest.fixture
def mirror(tmp_path, files):
    place = tmp_path / "mirror"
    place.mkdir()
    for name, content in files.items():
        (place / f"{name}.gz").write_bytes(gzip.compress(content))
    return place


def sums(files):
    return {name: hashlib.sha256(content).hexdigest() for name, content in files.items()}


def test_mnist_is_downloaded_once_and_checked(tmp_path, files, mirror):
    said: list[str] = []
    data = load_mnist(tmp_path / "cache", mirror.as_uri(), sums(files), said.append)
    assert len(said) == 4
    assert data.name == "mnist"
    again = load_mnist(tmp_path / "cache", "file:///nowhere", sums(files))
    assert again.digest == data.digest


def test_damaged_cache_is_downloaded_again(tmp_path, files, mirror):
    load_mnist(tmp_path / "cache", mirror.as_uri(), sums(files))
    (tmp_path / "cache" / "mnist" / "t10k-labels-idx1-ubyte").write_bytes(b"half")
    said: list[str] = []
    load_mnist(tmp_path / "cache", mirror.as_uri(), sums(files), said.append)
    assert len(said) == 1


def test_wrong_checksum_is_refused_and_nothing_kept(tmp_path, files, mirror):
    wrong = {**sums(files), "train-images-idx3-ubyte": "0" * 64}
    with pytest.raises(BadInputError, match=r"SHA-256 is .* by hand"):
        load_mnist(tmp_path / "cache", mirror.as_uri(), wrong)
    assert not list((tmp_path / "cache").rglob("train-images*"))


@pytest.mark.parametrize(
    "damage", [lambda path: path.unlink(), lambda path: path.write_bytes(b"?")]
)
def test_failed_download_says_what_to_do(tmp_path, files, mirror, damage):
    damage(mirror / "train-images-idx3-ubyte.gz")
    with pytest.raises(BadInputError, match=r"cannot download file:.*by hand"):
        load_mnist(tmp_path / "cache", mirror.as_uri(), sums(files))


def test_cache_folder_follows_the_environment(monkeypatch, tmp_path):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.delenv("HTAFLOW_CACHE", raising=False)
    assert cache_folder() == tmp_path / "htaflow"
    monkeypatch.setenv("HTAFLOW_CACHE", str(tmp_path / "own"))
    assert cache_folder() == tmp_path / "own"
    monkeypatch.delenv("HTAFLOW_CACHE")
    monkeypatch.delenv("XDG_CACHE_HOME")
    monkeypatch.setenv("HOME", str(tmp_path))
    assert cache_folder().parts[-2:] == (".cache", "htaflow")


# .npz


def write_npz(path, **arrays):
    np.savez(path, **arrays)
    return path


def frames(count: int = 20, features: int = 3) -> np.ndarray:
    return np.arange(count * features).reshape(count, features)


def test_npz_with_its_own_split(tmp_path):
    path = write_npz(
        tmp_path / "own.npz",
        x_train=frames().reshape(20, 3, 1) - 30.0,  # whole numbers, if not integers
        y_train=np.array(["cat", "dog"] * 10),
        x_test=frames(2),
        y_test=np.array(["dog", "cat"]),
    )
    data = load(str(path))
    assert data.name == "own"
    assert data.classes == ("cat", "dog")
    assert data.y_test.tolist() == [1, 0]
    assert data.x_train.shape == (20, 3)
    assert (data.feature_bits, data.signed) == (6, True)


def test_npz_without_split_is_split_by_class(tmp_path):
    data = load(write_npz(tmp_path / "d.npz", x=frames(20), y=np.repeat([7, 3], 10)))
    assert data.classes == ("3", "7")
    assert np.bincount(data.y_test).tolist() == [2, 2]
    assert np.bincount(data.y_train).tolist() == [8, 8]


@pytest.mark.parametrize(
    ("x", "y", "match"),
    [
        (frames(3), np.zeros(4, int), r"x has shape \[3, 3\] and y \[4\]"),
        (np.arange(4), np.arange(4), "use .N, ...."),
        (frames() / 2, np.arange(20) % 2, "frame 0, feature 1 is 0.5; .*scale and round"),
        (np.full((20, 2), np.nan), np.arange(20) % 2, "frame 0, feature 0 is nan"),
        (frames() * 1e300, np.arange(20) % 2, "scale to 16 bits"),
        (frames() * 60000 // 59 - 30000, np.arange(20) % 2, None),
        (frames() * 2200 - 65000, np.arange(20) % 2, "which takes 18 bits|takes 17 bits"),
        (frames(), np.zeros(20, int), "all training frames are of class '0'"),
        (frames(), np.arange(20) / 2, "labels are float64"),
        (frames().astype(complex), np.arange(20) % 2, "features are complex128"),
        (frames(0), np.zeros(0, int), "there are none"),
        (frames(4), np.arange(4) // 2, "test frames: there are none.*at least 3 of a class"),
        (np.array([[{}]] * 20), np.arange(20) % 2, "plain arrays"),
    ],
)
def test_npz_data_that_cannot_be_used_are_refused(tmp_path, x, y, match):
    path = write_npz(tmp_path / "bad.npz", x=x, y=y)
    if match is None:
        assert load(path).feature_bits == 16
    else:
        refuse(f"bad.npz.*({match})", path)


def test_npz_without_the_arrays_is_refused(tmp_path):
    refuse("holds images; give x and y", write_npz(tmp_path / "a.npz", images=frames()))


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04 not a zip", b"no zip at all"])
def test_file_that_is_no_npz_is_refused(tmp_path, content):
    path = tmp_path / "bad.npz"
    path.write_bytes(content)
    refuse("not a valid .npz", path)


def test_single_array_is_refused(tmp_path):
    with (tmp_path / "bad.npz").open("wb") as file:
        np.save(file, frames())
    refuse("holds one array", tmp_path / "bad.npz")


def test_truncated_npz_is_refused(tmp_path):
    path = write_npz(tmp_path / "bad.npz", x=frames(), y=np.arange(20) % 2)
    path.write_bytes(path.read_bytes()[:-40])
    refuse("not a valid .npz", path)


def encrypted(content: bytes) -> bytes:
    """Return a zip file's content with the flag that says that its files are encrypted."""
    return mark(mark(content, b"PK\x03\x04", 6, 1), b"PK\x01\x02", 8, 1)


def unknown_compression(content: bytes) -> bytes:
    return mark(mark(content, b"PK\x03\x04", 8, 99), b"PK\x01\x02", 10, 99)


def mark(content: bytes, header: bytes, offset: int, value: int) -> bytes:
    """Set the byte at ``offset`` of every ``header`` in a zip file's content."""
    changed = bytearray(content)
    start = -1
    while (start := content.find(header, start + 1)) >= 0:
        changed[start + offset] = value
    return bytes(changed)


def claiming_too_much(content: bytes) -> bytes:
    """Return a zip file of an array whose header says that it has 2^48 elements."""
    array, whole = io.BytesIO(), io.BytesIO()
    claim = {"descr": "<i8", "fortran_order": False, "shape": (1 << 40, 256)}
    np.lib.format.write_array_header_1_0(array, claim)
    with zipfile.ZipFile(whole, "w") as file:
        file.writestr("x.npy", array.getvalue())
    return whole.getvalue()


def scrambled(content: bytes) -> bytes:
    """Return a compressed zip file's content with its data altered, its headers as they were."""
    start = content.index(b".npy") + 40
    return (
        content[:start]
        + bytes(byte ^ 90 for byte in content[start : start + 9])
        + content[start + 9 :]
    )


@pytest.mark.parametrize("damage", [encrypted, unknown_compression, claiming_too_much, scrambled])
def test_npz_that_cannot_be_unpacked_is_refused(tmp_path, damage):
    path = tmp_path / "bad.npz"
    np.savez_compressed(path, x=frames(), y=np.arange(20) % 2)
    path.write_bytes(damage(path.read_bytes()))
    refuse("not a valid .npz", path)


def test_split_sets_must_match():
    train = frames(), np.arange(20) % 2
    with pytest.raises(BadInputError, match="training frames have 3 features, test frames 2"):
        make_dataset("d", "d", train, (frames(2, 2), np.arange(2)))
    with pytest.raises(BadInputError, match="test frame 1 is of class '5', which no training"):
        make_dataset("d", "d", train, (frames(2), np.array([0, 5])))


def test_split_takes_every_fifth_frame_of_each_class():
    (_, y_train), (x_test, y_test) = split(np.arange(20)[:, None], np.arange(20) % 2)
    assert x_test[:, 0].tolist() == [4, 5, 14, 15]
    assert y_test.tolist() == [0, 1, 0, 1]
    assert len(y_train) == 16


# .csv


def write_csv(path, text):
    path.write_text(text, encoding="utf-8")
    return path


def test_csv_with_text_labels(tmp_path):
    rows = "".join(f"{n},{'ab'[n % 2]},{-n}.0\n" for n in range(10))
    data = load(write_csv(tmp_path / "mine.csv", "\ufeffwidth, label ,height\n" + rows + "\n"))
    assert data.classes == ("a", "b")
    assert data.features == 2
    assert data.x_train[1].tolist() == [1, -1]
    assert (data.feature_bits, data.signed) == (5, True)


def test_csv_integer_labels_are_ordered_as_numbers(tmp_path):
    rows = "".join(f"{n % 5},{9 + n % 2}\n" for n in range(20))
    assert load(write_csv(tmp_path / "d.csv", "a,label\n" + rows)).classes == ("9", "10")


@pytest.mark.parametrize(
    ("text", "match"),
    [
        ("", "d.csv: is empty"),
        ("a,b\n1,2\n", "d.csv: lacks the column 'label'; its columns are a, b"),
        ("label\n1\n", "no column but 'label'"),
        ("a,a,label\n1,2,0\n", "column 'a' is there twice"),
        ("a,label\n", "no frames"),
        ("a,label\n1,0\n2\n", "line 3: has 1 cells, the header 2"),
        ("a,label\n1,0\nx,1\n", "line 3, column 'a': 'x' is no number"),
        ("a,label\n1,0\n,1\n", "line 3, column 'a': '' is a missing value; fill it in"),
        ("a,label\nnan,0\n", "line 2, column 'a': 'nan' is a missing value"),
        ("a,label\n-inf,0\n", "line 2, column 'a': '-inf' is not finite"),
        ("a,label\n0.5,0\n", "line 2, column 'a': '0.5' is not whole; .*scale and round"),
        ("a,label\n1e40,0\n", "line 2, column 'a': '1e40' is too large"),
        ("a,label\n1,\n", "line 2: the label is empty"),
        ("a,label\n1,0\n2,0\n3,0\n4,0\n", "all training frames are of class '0'"),
        ("a,label\n" + "70000,0\n1,1\n" * 5, "frame 0, feature 0 is 70000; scale to 16 bits"),
    ],
)
def test_csv_that_cannot_be_used_is_refused(tmp_path, text, match):
    refuse(match, write_csv(tmp_path / "d.csv", text))


def test_csv_that_is_no_text_is_refused(tmp_path):
    (tmp_path / "d.csv").write_bytes(b"a,label\n\xff\xfe,1\n")
    refuse("cannot be read as UTF-8 CSV", tmp_path / "d.csv")
