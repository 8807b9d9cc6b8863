"""The order of an image's axes: channels first, as in PyTorch, or last, as in many files."""

from typing import Any

import numpy as np
import numpy.typing as npt

from htaflow.model.data.features import Features
from htaflow.model.support.errors import BadInputError
from htaflow.model.support.progress import Progress

_CHANNELS = (1, 3, 4)
"""Lengths that an axis of channels usually has: grey, colour, colour with transparency."""

Array = npt.NDArray[Any]


def channels_first(
    train: Array, test: Array, layout: str | None, where: str, progress: Progress
) -> tuple[Array, Array, Features]:
    """Return training and test frames with the channels of images first, and what they are.

    Frames ``[N, height, width]`` are grey images; of ``[N, a, b, c]`` ``layout`` says whether it
    means ``"nchw"`` or ``"nhwc"``, or else the axis that alone has as many elements as channels
    usually are. Frames of other shapes are no images, and returned as they are.

    Raises:
        BadInputError: the order cannot be told, or both sets have images of different shapes.
    """
    if train.ndim not in (3, 4) or 0 in train.shape:
        if layout is not None:
            raise BadInputError(
                f"{where}: frames have shape {list(train.shape)}, and --layout is about images of "
                "three axes; leave it out"
            )
        return train, test, Features()
    if train.ndim == 3:
        return train, test, _grey(train, test, layout, where)
    if train.shape[1:] != test.shape[1:]:
        raise BadInputError(
            f"{where}: training frames have shape {list(train.shape)}, test frames "
            f"{list(test.shape)}; give both images of the same shape"
        )
    order = layout or _recognised(train, where)
    height, width, channels = train.shape[1:]
    if order == "nchw":
        channels, height, width = train.shape[1:]
    else:
        train, test = (np.ascontiguousarray(each.transpose(0, 3, 1, 2)) for each in (train, test))
    told = (
        "channels first" if order == "nchw" else "channels last, and are turned to channels first"
    )
    told += "" if layout else " (--layout says otherwise)"
    colours = f"{channels} channel{'' if channels == 1 else 's'}"
    progress(f"{where}: images of {colours}, {height} x {width} pixels, come {told}")
    source = "nhwc" if order == "nhwc" else None
    return train, test, Features(shape=(channels, height, width), source=source)


def _grey(train: Array, test: Array, layout: str | None, where: str) -> Features:
    """Return what frames ``[N, height, width]`` are: images, unless the test frames are others."""
    if layout is not None:
        raise BadInputError(
            f"{where}: frames have shape {list(train.shape)}, which is no order of channels; leave "
            "--layout out"
        )
    if train.shape[1:] != test.shape[1:]:
        return Features()
    return Features(shape=(1, int(train.shape[1]), int(train.shape[2])))


def _recognised(frames: Array, where: str) -> str:
    """Return the layout of frames ``[N, a, b, c]``. Raises ``BadInputError`` if it may be both."""
    first, last = frames.shape[1] in _CHANNELS, frames.shape[3] in _CHANNELS
    if first != last:
        return "nchw" if first else "nhwc"
    why = "either could be" if first else "neither looks like"
    raise BadInputError(
        f"{where}: frames have shape {list(frames.shape)}, and of the axes with "
        f"{frames.shape[1]} and {frames.shape[3]} elements {why} the channels; add --layout nchw "
        "([N, channels, height, width]) or --layout nhwc ([N, height, width, channels])"
    )
