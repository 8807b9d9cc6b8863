"""Data: tables, arrays, IDX files, images, exemplars."""

import functools
import gzip
import io
import json
import random
import zipfile
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image

from fuzz import mutate
from fuzz.guard import bounded_memory, tree
from fuzz.targets.network import concept_network
from fuzz.targets.target import refusals, scratch, told
from htaflow.model.data.load import load
from htaflow.model.integer import golden
from htaflow.model.integer.exemplars import find_exemplars, load_exemplars, save_exemplars
from htaflow.model.run_directory import Run
from htaflow.model.support.errors import BadInputError


def _npz(**arrays: npt.NDArray[Any]) -> bytes:
    buffer = io.BytesIO()
    np.savez(buffer, allow_pickle=False, **arrays)
    return buffer.getvalue()


@functools.cache
def npz_seeds() -> list[bytes]:
    rng = np.random.default_rng(1)
    x, y = rng.integers(0, 8, (8, 4)), np.arange(8) % 3
    network = concept_network()
    with scratch() as folder:
        save_exemplars(find_exemplars(network, x), network, folder / "e")
        exemplars = (folder / "e").read_bytes()
    text = np.array(["ant", "bee"])[y % 2]
    return [
        _npz(x=x, y=y),
        _npz(x=x.astype(np.float32), y=text),
        _npz(x_train=x, y_train=y, x_test=x[:3].astype(np.uint8), y_test=y[:3]),
        _npz(x=x.reshape(8, 2, 2).astype(np.int8), y=y.astype(np.uint8)),
        exemplars,
    ]


def check_npz(data: bytes, folder: Path) -> bool:
    """An ``.npz`` file: as a user's data, as a test set, and as exemplars."""
    run = Run(folder)
    network = concept_network()
    (folder / "data.npz").write_bytes(data)
    run.test.write_bytes(data)
    accepted = check_data(folder / "data.npz")
    with bounded_memory():
        try:
            test = run.load_test(network)
        except BadInputError as error:
            told(error)
        else:
            assert test is not None
            with refusals():
                golden.run(network, test[0])
                accepted = True
        try:
            exemplars = load_exemplars(run.test, network)
        except BadInputError as error:
            told(error)
        else:
            if exemplars is not None:
                assert exemplars.frames[exemplars.most].shape[2] == network.input.count
                accepted = True
    return accepted


def check_data(path: Path) -> bool:
    """Data for training: a dataset whose facts are true, or a refusal."""
    with bounded_memory():
        try:
            data = load(path)
        except BadInputError as error:
            told(error)
            return False
        low = -(1 << (data.feature_bits - 1)) if data.signed else 0
        high = (1 << (data.feature_bits - data.signed)) - 1
        for x, y in ((data.x_train, data.y_train), (data.x_test, data.y_test)):
            assert x.shape == (len(y), data.features)
            assert low <= int(x.min()) <= int(x.max()) <= high
            assert 0 <= int(y.min()) <= int(y.max()) < len(data.classes)
        json.dumps(list(data.classes))
        assert len(set(data.classes)) == len(data.classes)
    return True


def csv_seeds() -> list[bytes]:
    rows = [f"{i % 3},{i},{-i * 100}" for i in range(9)]
    return [
        ("label,a,b\n" + "\n".join(rows) + "\n").encode(),
        b'x1;y,"la bel",label\n' + b"".join(b"%d.0,3e1,cat%d\r\n" % (i, i % 2) for i in range(8)),
        b"\xef\xbb\xbflabel,p\n"
        + b"\n".join(b"%s,1" % (b"ab"[i % 2 : i % 2 + 1]) for i in range(9)),
    ]


def check_csv(data: bytes, folder: Path) -> bool:
    """A table."""
    (folder / "data.csv").write_bytes(data)
    return check_data(folder / "data.csv")


def idx(array: npt.NDArray[Any]) -> bytes:
    """Return an array of bytes as an IDX file."""
    header = bytes([0, 0, 8, array.ndim]) + b"".join(n.to_bytes(4, "big") for n in array.shape)
    return header + array.astype(np.uint8).tobytes()


def idx_seeds() -> list[bytes]:
    images, labels = idx(np.arange(72).reshape(12, 3, 2)), idx(np.arange(12) % 3)
    return [images, labels, gzip.compress(images), gzip.compress(labels)]


def mutate_idx(data: bytes, rng: random.Random, raw: mutate.Raw) -> bytes:
    packed = data[:2] == b"\x1f\x8b"
    if packed and rng.random() < 0.7:
        try:
            data = zlib.decompressobj(31).decompress(data, mutate.MAX_BYTES)
        except zlib.error:
            return raw(data)
        packed = False
    if not packed and len(data) > 8 and rng.random() < 0.5:
        at = 4 * rng.randrange(1, 4)
        number = rng.choice((0, 1, 2, 3, 12, 0xFFFF, 1 << 28, 1 << 31, (1 << 32) - 1))
        data = data[:at] + number.to_bytes(4, "big") + data[at + 4 :]
    elif rng.random() < 0.3:
        data += bytes(rng.choice((1, 1 << 12)))
    else:
        data = raw(data)
    return gzip.compress(data, 1) if rng.random() < 0.5 else data


def check_idx(data: bytes, folder: Path) -> bool:
    """An IDX file, in the place of the images and of the labels of a folder of four."""
    images, labels = idx(np.arange(72).reshape(12, 3, 2)), idx(np.arange(12) % 3)
    accepted = False
    for bad in ("images-idx3", "labels-idx1"):
        for part in ("train", "t10k"):
            for name, content in (("images-idx3", images), ("labels-idx1", labels)):
                wrong = part == "train" and name == bad
                (folder / f"{part}-{name}-ubyte").write_bytes(data if wrong else content)
        accepted |= check_data(folder)
    return accepted


@functools.cache
def image_seeds() -> list[bytes]:
    """Class folders of small images of each kind that is read."""
    rng = np.random.default_rng(1)
    pixels = [rng.integers(0, 256, (5, 4, 3)).astype(np.uint8) for _ in range(3)]
    colour = [Image.fromarray(each) for each in pixels]
    kinds = {
        "grey": [image.convert("L") for image in colour],
        "colour": colour,
        "palette": [image.quantize(8) for image in colour],
        "opaque": [image.convert("RGBA") for image in colour],
        "bits": [image.convert("1") for image in colour],
    }
    forms = dict.fromkeys(kinds, ("png", "PNG")) | {"photo": ("jpg", "JPEG")}
    kinds["photo"] = colour
    found = []
    for name, images in kinds.items():
        suffix, form = forms[name]
        buffer = io.BytesIO()
        with zipfile.ZipFile(buffer, "w") as archive:
            for number, image in enumerate([*images, *images]):
                content = io.BytesIO()
                image.save(content, form)
                member = zipfile.ZipInfo(f"{'ab'[number % 2]}/{number}.{suffix}")
                archive.writestr(member, content.getvalue())
        found.append(buffer.getvalue())
    return found


def check_images(data: bytes, folder: Path) -> bool:
    """A ``.zip`` file of class folders of images."""
    (folder / "data.zip").write_bytes(data)
    before = tree(folder)
    accepted = check_data(folder / "data.zip")
    assert tree(folder) == before, "it unpacked something"
    return accepted
