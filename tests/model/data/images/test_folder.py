"""Images in class folders and .zip files: read as they are, or refused by name."""

import io
import os
import zipfile
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from htaflow.model.data.images import source
from htaflow.model.data.images.file import read_image
from htaflow.model.data.load import load
from htaflow.model.data.options import DataOptions
from htaflow.model.support.errors import BadInputError


def packed(image: Image.Image, kind: str = "PNG", **options) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


def png(array, mode=None, **options) -> bytes:
    array = np.asarray(array, np.uint8)
    return packed(
        Image.fromarray(array) if mode is None else Image.fromarray(array).convert(mode), **options
    )


def grey(n: int, shape=(4, 6)) -> np.ndarray:
    return (np.arange(np.prod(shape)).reshape(shape) * 3 + n) % 101


def colour(n: int) -> np.ndarray:
    """Rows by columns by RGB, with one bright green pixel in row 1, column 4."""
    image = np.full((4, 6, 3), n % 7)
    image[1, 4, 1] = 250
    return image


def files(make=grey, per_class=5, prefix="") -> dict[str, bytes]:
    return {
        f"{prefix}{name}/{n}.png": png(make(10 * at + n))
        for at, name in enumerate(("cat", "dog"))
        for n in range(per_class)
    }


@pytest.fixture(params=["folder", "zip"])
def store(request, tmp_path):
    """Return a function that stores files in a folder or a .zip file."""

    def store(content: dict[str, bytes]) -> Path:
        if request.param == "zip":
            with zipfile.ZipFile(tmp_path / "mine.zip", "w", zipfile.ZIP_DEFLATED) as archive:
                for name in sorted(content, reverse=True):
                    archive.writestr(name, content[name])
            return tmp_path / "mine.zip"
        for name, data in content.items():
            path = tmp_path / "mine" / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(data)
        return tmp_path / "mine"

    return store


def refuse(match, path, **options):
    with pytest.raises(BadInputError, match=match):
        load(path, options=DataOptions(**options))


def test_grey_images_stay_one_channel_in_the_order_of_their_names(store):
    said: list[str] = []
    data = load(store(files()), said.append)
    assert (data.name, data.classes) == ("mine", ("cat", "dog"))
    assert data.image_shape == data.known.shape == (1, 4, 6)
    assert (data.feature_bits, data.signed) == (8, False)  # though no pixel is above 100
    expected = [grey(n).ravel().tolist() for n in (0, 1, 3, 4, 10, 11, 13, 14)]
    assert data.x_train.tolist() == expected
    assert data.x_test.tolist() == [grey(n).ravel().tolist() for n in (2, 12)]
    assert "10 grey images of 4 x 6 pixels" in said[-1]


def test_colour_images_have_their_channels_first(store):
    data = load(store(files(colour)))
    assert data.known.shape == (3, 4, 6)
    image = data.x_train[0].reshape(3, 4, 6)
    assert np.argwhere(image == 250).tolist() == [[1, 1, 4]]


def test_the_folder_and_its_zip_file_are_the_same_data(tmp_path):
    content = files(colour)
    for name, data in content.items():
        (tmp_path / "d" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "d" / name).write_bytes(data)
    with zipfile.ZipFile(tmp_path / "d.zip", "w") as archive:
        for name, data in content.items():
            archive.writestr("wrapped\\in\\" + name.replace("/", "\\"), data)
    assert load(tmp_path / "d").digest == load(tmp_path / "d.zip").digest


def test_folders_for_training_and_testing(store):
    content = files(prefix="data/train/") | files(per_class=2, prefix="data/Test/")
    data = load(store(content | files(per_class=3, prefix="data/val/")), (said := []).append)
    assert (len(data.x_train), len(data.x_test)) == (10, 4)
    assert any("'val' is left out; 'Test' is the test set" in line for line in said)


def test_val_is_the_test_set_if_there_is_no_other(store):
    data = load(store(files(prefix="train/") | files(per_class=3, prefix="val/")))
    assert (len(data.x_train), len(data.x_test)) == (10, 6)


def test_a_folder_for_training_alone_is_split(store):
    data = load(store(files(prefix="train/")))
    assert (len(data.x_train), len(data.x_test)) == (8, 2)


def test_classes_may_be_called_train_and_be_numbers(store):
    content = {
        name.replace("cat", "train").replace("dog", "test"): d for name, d in files().items()
    }
    assert load(store(content)).classes == ("test", "train")


def test_numbered_classes_are_in_their_order(store):
    content = {name.replace("cat", "10").replace("dog", "9"): d for name, d in files().items()}
    assert load(store(content)).classes == ("9", "10")


def test_files_of_systems_are_ignored(store):
    more = ("__MACOSX/cat/._0.png", "cat/.DS_Store", "dog/Thumbs.db", ".git/x/y.png", "readme.txt")
    data = load(store(files() | dict.fromkeys(more, b"?")))
    assert len(data.x_train) == 8


@pytest.mark.parametrize(
    ("extra", "match"),
    [
        ({"loose.png": png(grey(1))}, "'loose.png' lies in no class folder"),
        ({"dog/x.bmp": b"BM"}, "'dog/x.bmp' is neither PNG nor JPEG; convert"),
        ({"cow/notes.txt": b""}, "class folder 'cow' holds no PNG or JPEG"),
        ({"dog/x.png": b"no image"}, r"dog/x.png: cannot be read as a PNG or JPEG"),
        ({"dog/x.jpg": png(grey(1))[:60]}, r"dog/x.jpg: cannot be read"),
        (
            {"dog/x.png": png(grey(1, (9, 5)))},
            r"dog/x.png: has 9 x 5 pixels, and cat/0.png 4 x 6;.*--size 4x6",
        ),
        ({"dog/x.png": b""}, "dog/x.png: cannot be read"),
    ],
)
def test_what_is_wrong_is_named(store, extra, match):
    refuse(match, store(files() | extra))


def test_a_folder_without_images_is_refused(store):
    refuse("holds no PNG or JPEG files", store({"cat/a.txt": b""}))
    refuse("mine.*: --label says nothing about images", store(files()), label="x")


def test_test_images_without_training_images_are_refused(store):
    refuse(
        "holds test, val and no|holds test and no 'train'",
        store(files(prefix="test/") | files(prefix="val/")),
    )


def test_images_are_resized_if_asked(store):
    content = files() | {"cat/big.png": png(np.full((30, 20), 77))}
    data = load(store(content), options=DataOptions(size=(3, 2)))
    assert data.known.shape == (1, 3, 2)
    assert [77] * 6 in np.concatenate([data.x_train, data.x_test]).tolist()


def test_grey_among_colour_becomes_colour(store):
    data = load(store(files(colour) | {"cat/x.png": png(grey(5))}), (said := []).append)
    assert data.known.shape == (3, 4, 6)
    assert any("1 images are grey, 10 in colour; all are taken as RGB" in line for line in said)


# One file


def test_kinds_of_files_that_are_read():
    plain = Image.fromarray(grey(3).astype(np.uint8))
    assert np.array_equal(read_image(packed(plain), "f", None), grey(3))
    assert np.array_equal(read_image(packed(plain.convert("LA")), "f", None), grey(3))
    assert read_image(packed(plain.convert("RGBA")), "f", None).shape == (4, 6, 3)
    one_bit = plain.point(lambda v: 255 * (v > 50)).convert("1")
    assert set(np.unique(read_image(packed(one_bit), "f", None))) == {0, 255}
    palette = Image.fromarray(colour(1).astype(np.uint8)).quantize(4)
    assert np.array_equal(read_image(packed(palette), "f", None), np.array(palette.convert("RGB")))
    four_bits = plain.quantize(16)
    assert read_image(packed(four_bits, bits=4), "f", None).shape == (4, 6, 3)
    jpeg = read_image(packed(Image.new("L", (6, 4), 90), "JPEG", quality=95), "f", None)
    assert jpeg.shape == (4, 6)
    assert abs(jpeg.astype(int) - 90).max() <= 2


def test_the_orientation_that_a_camera_noted_is_applied():
    image = Image.new("RGB", (16, 8))
    image.paste((255, 0, 0), (8, 0, 16, 8))  # the right half is red
    exif = Image.Exif()
    exif[0x0112] = 6  # to be turned by 90 degrees clockwise
    turned = read_image(packed(image, "JPEG", exif=exif, quality=95), "f", None)
    assert turned.shape == (16, 8, 3)
    assert turned[12, 4, 0] > 200 > 50 > turned[4, 4, 0]


def _palette_with_a_hole() -> bytes:
    image = Image.fromarray(colour(1).astype(np.uint8)).quantize(4)
    return packed(image, transparency=0)


@pytest.mark.parametrize(
    ("content", "match"),
    [
        (packed(Image.new("RGBA", (4, 4), (1, 2, 3, 128))), "has transparent pixels; put it on"),
        (packed(Image.new("LA", (4, 4), (1, 0))), "has transparent pixels"),
        (_palette_with_a_hole(), "has transparent pixels"),
        (packed(Image.new("RGB", (4, 4), (1, 2, 3)), transparency=(1, 2, 3)), "has transparent"),
        (packed(Image.new("CMYK", (4, 4)), "JPEG"), "is in CMYK, for print; convert it to RGB"),
        (packed(Image.fromarray(np.full((4, 4), 999, np.uint16))), "has 16 bits a channel"),
        (
            packed(
                Image.new("L", (4, 4)), save_all=True, append_images=[Image.new("L", (4, 4), 9)]
            ),
            "is animated",
        ),
        (packed(Image.new("L", (4, 4)), "BMP"), "cannot be read as a PNG or JPEG"),
        (packed(Image.new("L", (4, 4)), "GIF"), "cannot be read as a PNG or JPEG"),
        (packed(Image.new("L", (300, 300))), "has 300 x 300 pixels, and 10000 is the most"),
    ],
)
def test_kinds_that_would_not_come_out_as_they_are(content, match):
    with pytest.raises(BadInputError, match=f"^f: .*{match}"):
        read_image(content, "f", None, 10_000)


# What a stranger sends


def zipped(path, **members: bytes):
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in members.items():
            archive.writestr(name, data)
    return path


@pytest.mark.parametrize(
    "name", ["../evil.png", "/etc/evil.png", "cat/../../evil.png", "..\\evil.png"]
)
def test_names_that_lead_out_of_an_archive_are_refused(tmp_path, name):
    refuse("leads out of it", zipped(tmp_path / "d.zip", **files(), **{name: png(grey(1))}))
    assert [path.name for path in tmp_path.iterdir()] == ["d.zip"]


def test_bombs_are_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(source, "MAX_FILE", 1 << 16)
    bomb = zipped(tmp_path / "d.zip", **files(), **{"dog/x.png": bytes(1 << 20)})
    refuse("dog/x.png: unpacks to more than 65536 bytes", bomb)
    wide = png(np.zeros((3000, 3000)))
    refuse(
        "dog/x.png: has 3000 x 3000 pixels",
        zipped(tmp_path / "d.zip", **files(), **{"dog/x.png": wide}),
    )
    monkeypatch.setattr(source, "MAX_FILES", 9)
    refuse("holds more than 9 files", zipped(tmp_path / "d.zip", **files()))


def test_damaged_archives_are_refused(tmp_path):
    path = zipped(tmp_path / "d.zip", **files())
    whole = path.read_bytes()
    for damage in (b"", b"PK\x03\x04", whole[:-30], b"no zip"):
        path.write_bytes(damage)
        refuse("d.zip: is no .zip file, or damaged", path)
    twice = io.BytesIO(whole)
    with pytest.warns(UserWarning, match="Duplicate"), zipfile.ZipFile(twice, "a") as archive:
        archive.writestr("cat/0.png", png(grey(9)))
    path.write_bytes(twice.getvalue())
    refuse("'cat/0.png' twice", path)


def test_an_encrypted_member_is_refused(tmp_path):
    path = zipped(tmp_path / "d.zip", **files())
    data = bytearray(path.read_bytes())
    for header, offset in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        start = -1
        while (start := data.find(header, start + 1)) >= 0:
            data[start + offset] |= 1
    path.write_bytes(bytes(data))
    refuse("cannot be unpacked .*without a password", path)


def test_links_are_followed_but_not_in_circles_and_pipes_are_no_files(tmp_path):
    for name, data in files().items():
        (tmp_path / "far" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "far" / name).write_bytes(data)
    (tmp_path / "d").mkdir()
    for name in ("cat", "dog"):
        (tmp_path / "d" / name).symlink_to(tmp_path / "far" / name)
    os.mkfifo(tmp_path / "far" / "cat" / "pipe.png")
    (tmp_path / "far" / "cat" / "gone.png").symlink_to(tmp_path / "nowhere")
    assert len(load(tmp_path / "d").x_train) == 8
    (tmp_path / "far" / "cat" / "back").symlink_to(tmp_path / "d")
    refuse("in a circle", tmp_path / "d")
