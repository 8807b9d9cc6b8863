"""Labelled frames for training and testing, checked once, from any source."""

import math
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from htaflow.model.data.features import Features, Shape
from htaflow.model.data.scale import LARGEST, fit_scale
from htaflow.model.data.tables.cells import SCALING
from htaflow.model.integer.network import MAX_FEATURE_BITS, MAX_FEATURES, IntArray, Values
from htaflow.model.support.errors import BadInputError
from htaflow.model.support.files import digest
from htaflow.model.support.progress import Progress, silent

Array = npt.NDArray[Any]

MAX_LABEL = 100
"""Characters of a class's name, at most."""
_LAST_CODE = 0x10FFFF  # of Unicode

TEST_SHARE = 5
"""One frame in this many is for testing, where the data come without a split."""


@dataclass(frozen=True, eq=False)
class Dataset:
    """Labelled frames of integer features.

    ``x_train`` and ``x_test`` are integers ``[N, features]`` of ``feature_bits`` bits, two's
    complement if ``signed``; ``y_train`` and ``y_test`` are int64 ``[N]``, indices into
    ``classes``, the names of the classes. ``known`` is what people need to read the features; of
    it, ``digest`` holds the shape of images, and it says nothing of names and units.
    """

    name: str
    x_train: IntArray
    y_train: IntArray
    x_test: IntArray
    y_test: IntArray
    feature_bits: int
    signed: bool
    classes: tuple[str, ...]
    known: Features = field(default_factory=Features)
    digest: str = field(init=False)

    def __post_init__(self) -> None:
        parts: list[str | bytes] = [repr((self.feature_bits, self.signed, self.classes))]
        if self.image_shape != _square(self.features):
            parts.append(repr(self.image_shape))
        for array in (self.x_train, self.y_train, self.x_test, self.y_test):
            parts += [repr(array.shape), array.astype("<i4").tobytes()]
        object.__setattr__(self, "digest", digest(*parts))

    @property
    def features(self) -> int:
        """Number of features of a frame."""
        return int(self.x_train.shape[1])

    @property
    def image_shape(self) -> Shape | None:
        """Channels, height and width of the image that a frame is, or may be if it is square."""
        return self.known.shape or _square(self.features)


def _square(features: int) -> Shape | None:
    """Return the shape of a square grey image of that many pixels, if there is one."""
    side = math.isqrt(features)
    return (1, side, side) if side * side == features else None


def make_dataset(
    name: str,
    where: str,
    train: tuple[Array, Array],
    test: tuple[Array, Array],
    *,
    known: Features | None = None,
    scale: int | None = None,
    least_bits: int = 1,
    progress: Progress = silent,
) -> Dataset:
    """Check frames and labels, and return them as a :class:`Dataset`.

    Args:
        name: what the dataset is called.
        where: what errors call it, e.g. a file name.
        train: (frames ``[N, ...]``, labels ``[N]``) to learn from; the frames' further axes are
            flattened, and their numbers must be whole unless ``scale`` is given; labels are
            integers or text.
        test: the same to test on, with the same features.
        known: names of the features, and the shape of images.
        scale: bits to which features are scaled by the range of the training frames: each for
            itself, of an image all pixels of a channel alike.
        least_bits: least bits of a feature.
        progress: told of the scaling.

    Raises:
        BadInputError: says what is wrong with which frame.
    """
    known = known or Features()
    scaled = scale is not None
    flat_train, y_train = _checked(f"{where}, training frames", *train, scaled=scaled)
    flat_test, y_test = _checked(f"{where}, test frames", *test, scaled=scaled)
    if flat_train.shape[1] != flat_test.shape[1]:
        raise BadInputError(
            f"{where}: training frames have {flat_train.shape[1]} features, test frames "
            f"{flat_test.shape[1]}; give both the same"
        )
    if y_train.dtype.kind != y_test.dtype.kind:
        raise BadInputError(
            f"{where}: labels are {y_train.dtype} in training frames and {y_test.dtype} in test "
            "frames; give both the same"
        )
    classes = np.unique(y_train)
    if len(classes) < 2:
        raise BadInputError(
            f"{where}: all training frames are of class '{classes[0]}'; give at least two classes"
        )
    unknown = np.flatnonzero(~np.isin(y_test, classes))
    if len(unknown):
        raise BadInputError(
            f"{where}: test frame {unknown[0]} is of class '{y_test[unknown[0]]}', which no "
            "training frame has; add such frames to the training set"
        )
    if scale is None:
        x_train, x_test = flat_train.astype(np.int32), flat_test.astype(np.int32)
    else:
        shared = 1 if known.shape is None else known.shape[1] * known.shape[2]
        made = fit_scale(flat_train, scale, shared)
        known, least_bits = replace(known, scale=made), scale
        x_train = made.encode(flat_train)
        x_test, clipped = made.encode_and_count(flat_test)
        progress(
            f"features are scaled to {scale} bits by the range of the training frames; of "
            f"{x_test.size} test values, {clipped} lie outside and are clipped"
        )
    low = int(min(x_train.min(), x_test.min()))
    high = int(max(x_train.max(), x_test.max()))
    width = max(least_bits, Values((1,), min(low, 0), max(high, 0)).width)
    if width > MAX_FEATURE_BITS:
        raise BadInputError(
            f"{where}: features are in {low}..{high}, which takes {width} bits; "
            f"scale them to at most {MAX_FEATURE_BITS} bits, as --scale {MAX_FEATURE_BITS} does"
        )
    return Dataset(
        name,
        x_train,
        np.searchsorted(classes, y_train).astype(np.int64),
        x_test,
        np.searchsorted(classes, y_test).astype(np.int64),
        width,
        low < 0,
        tuple(str(label) for label in classes),
        known,
    )


def split(x: Array, y: Array) -> tuple[tuple[Array, Array], tuple[Array, Array]]:
    """Split labelled frames into (train, test): of each class, every fifth frame is for testing.

    Always the same way for the same data, in the given order.
    """
    order = np.argsort(y, kind="stable")
    ordered = y[order]
    starts = np.flatnonzero(np.append(True, ordered[1:] != ordered[:-1])[: len(y)])
    sizes = np.diff(np.append(starts, len(y)))
    within = np.arange(len(y)) - np.repeat(starts, sizes)  # the how many-th of its class
    test = np.zeros(len(y), np.bool_)
    test[order[within % TEST_SHARE == TEST_SHARE // 2]] = True
    return (x[~test], y[~test]), (x[test], y[test])


def _checked(where: str, x: Array, y: Array, *, scaled: bool) -> tuple[Array, Array]:
    """Return frames as ``[N, features]`` and labels ``[N]``, or raise ``BadInputError``.

    Features are whole numbers of few bits, unless they are to be ``scaled``.
    """
    if y.ndim != 1 or x.ndim < 2 or len(x) != len(y):
        raise BadInputError(
            f"{where}: frames have shape {list(x.shape)} and labels {list(y.shape)}; "
            "use [N, ...] and [N]"
        )
    if x.size == 0:
        raise BadInputError(
            f"{where}: there are none (shape {list(x.shape)}); give at least one frame, and where "
            f"htaflow splits the data, at least {TEST_SHARE // 2 + 1} of a class"
        )
    if x.dtype.kind not in "biuf":
        raise BadInputError(f"{where}: features are {x.dtype}; give integers")
    if y.dtype.kind not in "iuU":
        raise BadInputError(f"{where}: labels are {y.dtype}; give integers or text")
    y = _checked_labels(where, y)
    flat = x.reshape(len(x), -1)
    if flat.shape[1] > MAX_FEATURES:
        raise BadInputError(
            f"{where}: a frame has {flat.shape[1]} features, and {MAX_FEATURES} is the most"
        )
    if flat.dtype == np.float16:
        flat = flat.astype(np.float32)  # it does not hold the limits
    if flat.dtype.kind == "f":
        _require(np.isfinite(flat), flat, where, "replace it or drop the frame")
        if not scaled:
            _require(flat == np.floor(flat), flat, where, SCALING)
    limit = LARGEST if scaled else 1 << MAX_FEATURE_BITS
    fix = f"scale to {MAX_FEATURE_BITS} bits, as --scale {MAX_FEATURE_BITS} does"
    if not scaled or flat.dtype.kind == "f":
        _require((-limit < flat) & (flat < limit), flat, where, fix)
    return flat, y


def _checked_labels(where: str, y: Array) -> Array:
    """Return labels as int64 or as text that can be written, or raise ``BadInputError``."""
    if y.dtype.kind == "U":
        y = np.ascontiguousarray(y, y.dtype.newbyteorder("="))
        longest = int(np.strings.str_len(y).max()) if y.dtype.itemsize else 0
        if not 1 <= longest <= MAX_LABEL:
            raise BadInputError(
                f"{where}: the longest label has {longest} characters; use 1 to {MAX_LABEL}"
            )
        codes = y.view(np.uint32)
        if ((codes > _LAST_CODE) | ((codes >= 0xD800) & (codes < 0xE000))).any():
            raise BadInputError(f"{where}: a label holds what is no character; write it again")
        return y
    if y.max() > np.iinfo(np.int64).max:
        raise BadInputError(f"{where}: label {y.max()} does not fit 64 bits; use smaller numbers")
    return y.astype(np.int64)


def _require(good: Array, flat: Array, where: str, fix: str) -> None:
    """Raise ``BadInputError`` that names the first feature that is not ``good``."""
    if not good.all():
        frame, feature = np.argwhere(~good)[0]
        value = flat[frame, feature]
        raise BadInputError(f"{where}: frame {frame}, feature {feature} is {value}; {fix}")
