"""Frames as pictures: small PNG files, as ``data:`` addresses for a page."""

import base64
import math
import struct
import zlib

import numpy as np
import numpy.typing as npt

from htaflow.model.data.features import Shape
from htaflow.model.integer.network import IntArray

_GAP = 1  # pixels between two frames
_COLOURS = 3


def strip(frames: IntArray, black: int, white: int, shape: Shape | None = None) -> str:
    """Return frames ``[K, features]`` beside one another, features from ``black`` to ``white``.

    ``shape`` is that of the image that a frame is: of 3 channels in colour, of others channel
    below channel. Where it is not known, a frame whose features make a square is one, row by row;
    another is a column.
    """
    count = frames.shape[1]
    side = math.isqrt(count)
    if shape is None:
        shape = (1, side, side) if side * side == count else (1, count, 1)
    channels, height, width = shape
    coloured = channels == _COLOURS
    scaled = (frames.astype(np.int64) - black) * 255 // max(1, white - black)
    images = scaled.astype(np.uint8).reshape(len(frames), channels, height, width)
    if coloured:
        images = images.transpose(0, 2, 3, 1)
    else:
        images = images.reshape(len(frames), channels * height, width, 1)
    padded = np.pad(images, ((0, 0), (0, 0), (0, _GAP), (0, 0)), constant_values=128)
    rows, colours = images.shape[1], images.shape[3]
    joined = padded.transpose(1, 0, 2, 3).reshape(rows, -1, colours)[:, : -_GAP or None]
    return "data:image/png;base64," + base64.b64encode(_png(joined)).decode()


def _png(pixels: npt.NDArray[np.uint8]) -> bytes:
    """Return a picture, ``[height, width, 1]`` or 3 colours, as a PNG file (RFC 2083)."""
    height, width, colours = pixels.shape
    flat = pixels.reshape(height, -1)
    rows = np.pad(flat, ((0, 0), (1, 0)))  # each row begins with its filter: none
    kind = 2 if colours == _COLOURS else 0
    header = struct.pack(">IIBBBBB", width, height, 8, kind, 0, 0, 0)
    chunks = ((b"IHDR", header), (b"IDAT", zlib.compress(rows.tobytes(), 9)), (b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))
        for name, data in chunks
    )
