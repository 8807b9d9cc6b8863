"""Images in class folders, as torchvision's ``ImageFolder`` reads them, on disk or zipped.

``CLASS/anything.png``, or ``train/CLASS/anything.png`` beside ``test/`` or ``val/``. Without these,
every fifth image of each class is for testing, in the order of their names. A frame is an image
with its channels first; its features are 0..255.
"""

from collections import Counter
from collections.abc import Iterable
from pathlib import Path

import numpy as np

from htaflow.model.data.dataset import Array, Dataset, make_dataset, split
from htaflow.model.data.features import Features
from htaflow.model.data.images.file import MAX_PIXELS, Pixels, read_image
from htaflow.model.data.images.source import Folder, Name, Source, open_archive
from htaflow.model.data.labels import as_classes
from htaflow.model.data.options import DataOptions
from htaflow.model.integer.network import MAX_FEATURES
from htaflow.model.support.errors import BadInputError, abbreviate
from htaflow.model.support.npz import MAX_BYTES
from htaflow.model.support.progress import Progress

SUFFIXES = (".png", ".jpg", ".jpeg")

_OTHERS = (".bmp", ".gif", ".webp", ".tif", ".tiff", ".ppm", ".pgm", ".heic", ".avif")
_TRAIN, _TEST, _VAL = ("train", "training"), ("test", "testing"), ("val", "valid", "validation")
_PLACES = {name: names[0] for names in (_TRAIN, _TEST, _VAL) for name in names}
_OFTEN = 5000  # images between two words of progress


def load_image_folder(path: Path, options: DataOptions, progress: Progress) -> Dataset:
    """Return the dataset in a folder of class folders. Raises ``BadInputError``."""
    return _load(path, path.resolve().name, Folder(path), options, progress)


def load_image_archive(path: Path, options: DataOptions, progress: Progress) -> Dataset:
    """Return the dataset in a ``.zip`` file of class folders. Raises ``BadInputError``."""
    with open_archive(path) as archive:
        return _load(path, path.stem, archive, options, progress)


def _load(
    path: Path, name: str, source: Source, options: DataOptions, progress: Progress
) -> Dataset:
    options.require(str(path), "images in files", "scale", "size")
    names = [each for each in source.names() if _is_image(each)]
    _require_no_others(path, source)
    if not names:
        raise BadInputError(f"{path}: holds no PNG or JPEG files, nor MNIST's IDX files; {_HOW}")
    root = _root(names)
    parts = _parts(path, [each[len(root) :] for each in names], progress)
    for part, members in parts.items():
        for member in members:
            if len(member) < 2:
                where = "/".join((*root, *part, *member))
                raise BadInputError(
                    f"{path}: image {abbreviate(where)} lies in no class folder; {_HOW}"
                )
        _require_no_empty_class(path, source, (*root, *part), members)
    files = [(*root, *part, *member) for part, members in parts.items() for member in members]
    x, shape = _read_all(path, source, files, options.size, progress)
    y = as_classes([member[0] for members in parts.values() for member in members])
    if len(parts) == 1:
        train, test = split(x, y)
    else:
        count = len(next(iter(parts.values())))
        train, test = (x[:count], y[:count]), (x[count:], y[count:])
    channels = "grey" if shape[0] == 1 else "colour"
    progress(f"{path}: {len(x)} {channels} images of {shape[1]} x {shape[2]} pixels")
    return make_dataset(
        name,
        str(path),
        train,
        test,
        known=Features(shape=shape),
        scale=options.scale,
        least_bits=8,
        progress=progress,
    )


_HOW = "put each class's images into a folder of the class's name: CLASS/image.png"


def _is_image(name: Name) -> bool:
    return name[-1].lower().endswith(SUFFIXES)


def _require_no_others(path: Path, source: Source) -> None:
    """Raise ``BadInputError`` if there are images of a kind that is not read."""
    for name in source.names():
        if name[-1].lower().endswith(_OTHERS):
            raise BadInputError(
                f"{path}: {abbreviate('/'.join(name))} is neither PNG nor JPEG; convert it, or "
                "take it out"
            )


def _root(names: list[Name]) -> Name:
    """Return the folder that holds all there is: some archives have one around everything."""
    depth = 0
    while (
        min(map(len, names)) > depth + 2
        and len({name[depth] for name in names}) == 1
        and names[0][depth].lower() not in _PLACES
    ):
        depth += 1
    return names[0][:depth]


def _parts(path: Path, names: list[Name], progress: Progress) -> dict[Name, list[Name]]:
    """Return the images to train on, then those to test on, by the folder that they are in.

    Images are named from there on. If there is one entry only, it is yet to be split.
    """
    tops = {name[0] for name in names}
    if min(map(len, names)) < 3 or not all(top.lower() in _PLACES for top in tops):
        return {(): names}
    by_place: dict[str, str] = {}
    for top in sorted(tops):
        place = _PLACES[top.lower()]
        if place in by_place:
            raise BadInputError(f"{path}: has both '{by_place[place]}' and '{top}'; keep one")
        by_place[place] = top
    if "train" not in by_place:
        found = ", ".join(sorted(tops))
        raise BadInputError(f"{path}: holds {found} and no 'train'; give images to train on")
    tested = by_place.get("test", by_place.get("val"))
    if "test" in by_place and "val" in by_place:
        progress(f"{path}: '{by_place['val']}' is left out; '{tested}' is the test set")
    elif tested is not None and "val" in by_place:
        progress(f"{path}: '{tested}' is the test set")
    kept = [by_place["train"]] + ([] if tested is None else [tested])
    return {(top,): [name[1:] for name in names if name[0] == top] for top in kept}


def _require_no_empty_class(
    path: Path, source: Source, place: Name, members: Iterable[Name]
) -> None:
    """Raise ``BadInputError`` if a class folder has no image."""
    filled = {member[0] for member in members}
    for folder in sorted(source.folders()):
        if folder[:-1] == place and folder[-1] not in filled:
            raise BadInputError(
                f"{path}: class folder {abbreviate('/'.join(folder))} holds no PNG or JPEG file; "
                "add images, or delete it"
            )


def _read_all(
    path: Path,
    source: Source,
    files: list[Name],
    size: tuple[int, int] | None,
    progress: Progress,
) -> tuple[Array, tuple[int, int, int]]:
    """Return the pixels of all images, ``[N, channels, height, width]``, and their shape."""
    most = MAX_FEATURES if size is None else MAX_PIXELS
    images: list[Pixels] = []
    for name in files:
        where = f"{path}, {abbreviate('/'.join(name))[1:-1]}"
        image = read_image(source.read(name), where, size, most)
        if images and image.shape[:2] != images[0].shape[:2]:
            raise BadInputError(
                f"{where}: has {_pixels(image)} pixels, and {abbreviate('/'.join(files[0]))[1:-1]} "
                f"{_pixels(images[0])}; make all alike, or add --size "
                f"{images[0].shape[0]}x{images[0].shape[1]} to resize them"
            )
        images.append(image)
        _require_memory(path, image, len(files))
        if len(images) % _OFTEN == 0:
            progress(f"{path}: read {len(images)} of {len(files)} images")
    kinds = Counter(image.ndim for image in images)
    if len(kinds) == 2:
        progress(f"{path}: {kinds[2]} images are grey, {kinds[3]} in colour; all are taken as RGB")
        images = [
            image if image.ndim == 3 else np.repeat(image[:, :, None], 3, axis=2)
            for image in images
        ]
    height, width = images[0].shape[:2]
    channels = 3 if 3 in kinds else 1
    x = np.empty((len(images), channels, height, width), np.uint8)
    for place, image in enumerate(images):
        x[place] = image.reshape(height, width, channels).transpose(2, 0, 1)
    return x, (channels, height, width)


def _pixels(image: Pixels) -> str:
    return f"{image.shape[0]} x {image.shape[1]}"


def _require_memory(path: Path, image: Pixels, count: int) -> None:
    if image.size > MAX_FEATURES or image.size * count > MAX_BYTES:
        raise BadInputError(
            f"{path}: {count} images of {_pixels(image)} pixels are more than is read; add --size, "
            "such as --size 32x32, to make them smaller, or give fewer"
        )
