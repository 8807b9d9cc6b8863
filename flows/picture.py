"""Frames as pictures: small grey PNG files, as ``data:`` addresses for a page."""

import base64
import math
import struct
import zlib

import numpy as np
import numpy.typing as npt

from htaflow.model.network import IntArray

_GAP = 1  # pixels between two frames


def strip(frames: IntArray, black: int, white: int) -> str:
    """Return frames ``[K, features]`` beside one another, features from ``black`` to ``white``.

    A frame whose features make a square is one, row by row; another is a column.
    """
    count = frames.shape[1]
    side = math.isqrt(count)
    shape = (side, side) if side * side == count else (count, 1)
    scaled = (frames.astype(np.int64) - black) * 255 // max(1, white - black)
    images = scaled.astype(np.uint8).reshape(len(frames), *shape)
    padded = np.pad(images, ((0, 0), (0, 0), (0, _GAP)), constant_values=128)
    joined = padded.transpose(1, 0, 2).reshape(shape[0], -1)[:, : -_GAP or None]
    return "data:image/png;base64," + base64.b64encode(_png(joined)).decode()


def _png(pixels: npt.NDArray[np.uint8]) -> bytes:
    """Return a grey picture, ``[height, width]``, as a PNG file (RFC 2083)."""
    height, width = pixels.shape
    rows = np.pad(pixels, ((0, 0), (1, 0)))  # each row begins with its filter: none
    header = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    chunks = ((b"IHDR", header), (b"IDAT", zlib.compress(rows.tobytes(), 9)), (b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
        for kind, data in chunks
    )
