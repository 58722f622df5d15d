"""One image file → RGB pixels of one size: what training, and whoever predicts, sees of it.

Of what image formats can hold, this is what counts:

orientation    turned as its EXIF says, as every viewer shows it
frames         the first one of an animation or a file with several images
transparency   ignored: the colour that is stored, as torchvision's ImageFolder takes it
palettes, gray, CMYK, YCbCr   converted to RGB by Pillow
16 bits        the upper 8
size           bilinear, antialiased when shrinking; each side by its own factor, so the whole picture is kept
refused        floating-point pixels, and integers beyond 16 bits: nothing says which value is white; more
               than MAX_PIXELS, which a few bytes can claim
"""

from __future__ import annotations

import struct
import zlib
from pathlib import Path
from typing import BinaryIO

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageOps

from .plain_png import read_plain_png

Pixels = npt.NDArray[np.uint8]

SUFFIXES = frozenset(
    (
        *(".apng", ".avif", ".bmp", ".dib", ".gif", ".j2k", ".jfif", ".jp2", ".jpe", ".jpeg", ".jpg"),
        *(".pbm", ".pcx", ".pgm", ".png", ".pnm", ".ppm", ".qoi", ".sgi", ".tga", ".tif", ".tiff", ".webp"),
    )
)
"""Endings, in any case, of what Pillow reads by itself and people keep pictures in; in src/store too."""

MAX_PIXELS = 178_956_970
"""As in Pillow, which calls more a decompression bomb: 512 MiB of RGB."""

_PARSER_ERRORS = (
    *(OSError, SyntaxError, ValueError, TypeError, LookupError, EOFError, OverflowError),
    *(struct.error, zlib.error),
)
"""What Pillow stumbles over in a broken file; each format in its own way."""

Image.MAX_IMAGE_PIXELS = None  # we look at the size ourselves: Pillow also warns from half of that on


class PictureError(Exception):
    """Why there are no pixels; the message is a clause."""


def read_picture(path: Path, image_size: int) -> Pixels:
    """The image's pixels (3, S, S) uint8.

    Raises:
        PictureError: no image, a broken one, or one of those refused.
    """
    try:
        with path.open("rb") as file:
            plain = read_plain_png(file, image_size)
            return _read_any(file, image_size) if plain is None else plain
    except _PARSER_ERRORS as error:
        raise PictureError("the image cannot be decoded") from error


def _read_any(file: BinaryIO, image_size: int) -> Pixels:
    file.seek(0)
    with Image.open(file) as image:
        if image.width * image.height > MAX_PIXELS:
            raise PictureError(
                f"the image has {image.width} x {image.height} pixels, at most {MAX_PIXELS} are decoded"
            )
        return np.asarray(resized(_rgb(_upright(image)), image_size)).transpose(2, 0, 1)


def resized(image: Image.Image, image_size: int) -> Image.Image:
    """The whole picture in ``image_size`` x ``image_size`` pixels."""
    size = (image_size, image_size)
    return image if image.size == size else image.resize(size, Image.Resampling.BILINEAR)


def _upright(image: Image.Image) -> Image.Image:
    try:
        return ImageOps.exif_transpose(image)
    except Exception:  # of malformed EXIF, whose reader fails in any way; the pixels are no worse for it
        image.load()
        return image


def _rgb(image: Image.Image) -> Image.Image:
    if image.mode.startswith(("I", "F")):
        return _gray_of_16_bits(image).convert("RGB")
    if image.mode in ("P", "PA", "LA", "La", "RGBa"):
        return image.convert("RGBA").convert("RGB")  # straight to RGB, Pillow warns of transparent palettes
    return image.convert("RGB")


def _gray_of_16_bits(image: Image.Image) -> Image.Image:
    values = np.asarray(image)
    if values.dtype.kind == "f":
        raise PictureError("the image has floating-point pixels, and nothing says which of them is white")
    if values.min() < 0 or values.max() > 0xFFFF:
        raise PictureError(
            "the image has pixels of more than 16 bits, and nothing says which of them is white"
        )
    return Image.fromarray((values >> 8).astype(np.uint8))
