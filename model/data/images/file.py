"""One PNG or JPEG file as an array of bytes, or a refusal in words."""

import io
import struct
import warnings
import zlib
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageOps

from htaflow.model.support.errors import BadInputError, abbreviate

Pixels = npt.NDArray[np.uint8]

FORMATS = ("PNG", "JPEG")

MAX_PIXELS = 1 << 26
"""Pixels of an image that is to be resized, at most."""

_PNG = b"\x89PNG\r\n\x1a\n"
_GREY, _COLOUR = ("1", "L"), ("RGB", "P")
_OPAQUE = 255


def read_image(
    content: bytes, where: str, size: tuple[int, int] | None, most: int = MAX_PIXELS
) -> Pixels:
    """Return the pixels of a PNG or JPEG file, 0..255: ``[h, w]`` if grey, ``[h, w, 3]`` if colour.

    A palette becomes colour, and an orientation that a camera noted is applied.

    Args:
        content: of the file.
        where: what errors call it.
        size: (height, width) to resize to, if not as it is.
        most: pixels that it may have.

    Raises:
        BadInputError: it is no such file, is damaged or too large, or is of a kind that would not
            come out as it is: transparent, CMYK, of 16 bits, or animated.
    """
    if content.startswith(_PNG) and content[24:25] == b"\x10":
        raise BadInputError(f"{where}: has 16 bits a channel; convert it to 8 bits")
    try:
        with warnings.catch_warnings(action="ignore"):
            with Image.open(io.BytesIO(content), formats=FORMATS) as image:
                image.verify()  # of a PNG file that all of it is there, which reading does not ask
            with Image.open(io.BytesIO(content), formats=FORMATS) as image:
                _require_usable(image, where, most)
                upright = ImageOps.exif_transpose(image)
            plain = _without_alpha(upright, where)
            if size is not None:
                plain = plain.resize((size[1], size[0]), Image.Resampling.BILINEAR)
            return np.array(plain, np.uint8)
    # Pillow raises OSError and its kin for most damage; SyntaxError and others for some headers.
    except (
        OSError,
        EOFError,
        ValueError,
        KeyError,
        IndexError,
        TypeError,
        AttributeError,
        OverflowError,
        SyntaxError,
        MemoryError,
        NotImplementedError,
        struct.error,
        zlib.error,
        Image.DecompressionBombError,
    ) as error:
        what = abbreviate(str(error), 200)[1:-1]
        raise BadInputError(
            f"{where}: cannot be read as a PNG or JPEG file ({what}); replace it or leave it out"
        ) from error


def _require_usable(image: Image.Image, where: str, most: int) -> None:
    """Raise ``BadInputError`` if an image, of which only the header was read, cannot be taken."""
    width, height = image.size
    if width * height > most:
        raise BadInputError(
            f"{where}: has {width} x {height} pixels, and {most} is the most; make it smaller"
        )
    if getattr(image, "is_animated", False):
        raise BadInputError(f"{where}: is animated; store its frames as files of their own")
    if image.mode in ("CMYK", "YCCK"):
        raise BadInputError(f"{where}: is in CMYK, for print; convert it to RGB or grey")
    if image.mode not in (*_GREY, *_COLOUR, "LA", "PA", "RGBA"):
        raise BadInputError(
            f"{where}: has pixels of kind {image.mode}; convert it to 8 bits, RGB or grey"
        )


def _without_alpha(image: Image.Image, where: str) -> Image.Image:
    """Return an image as grey or RGB. Raises ``BadInputError`` if some pixel is transparent."""
    plain = "L" if image.mode in (*_GREY, "LA") else "RGB"
    if image.mode in ("LA", "PA", "RGBA") or "transparency" in image.info:
        # Of an RGB or grey image, one colour may be transparent: RGBA tells which pixels have it.
        least: Any = image.convert("RGBA").getchannel("A").getextrema()[0]
        if least < _OPAQUE:
            raise BadInputError(
                f"{where}: has transparent pixels; put it on a background, and store it without "
                "transparency"
            )
        image.info.pop("transparency", None)
    return image.convert(plain)
