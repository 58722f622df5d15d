"""From files to pixels: every data set gives its images one by one, in one size, as RGB."""

from __future__ import annotations

import gzip
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
from PIL import Image

from ..errors import UserError
from .source import DataSource

Pixels = npt.NDArray[np.uint8]


@dataclass(frozen=True)
class SplitReader:
    """One split of a data set.

    Attributes:
        labels: (N,) int64, an index into the classes.
        decode: index of an image -> its pixels (3, S, S) uint8. May be called from several threads; raises
            UserError image_broken.
    """

    labels: npt.NDArray[np.int64]
    decode: Callable[[int], Pixels]


def open_split(source: DataSource, split: str, image_size: int) -> SplitReader:
    """Prepare to decode the images of `train` or `test` at `image_size` x `image_size` pixels."""
    return (_open_folder if source.kind == "folder" else _open_idx)(source, split, image_size)


def _open_folder(source: DataSource, split: str, image_size: int) -> SplitReader:
    files = source.files[split]
    labels = {name: label for label, name in enumerate(source.classes)}

    def decode(index: int) -> Pixels:
        path = source.root / files[index]
        try:
            with Image.open(path) as image:
                return np.asarray(_resized(image.convert("RGB"), image_size)).transpose(2, 0, 1)
        # What Pillow raises on broken files: PNG chunks SyntaxError, sizes ValueError, bombs their own.
        except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
            raise UserError(
                "image_broken",
                f"{path}: the image cannot be decoded",
                "Remove the file or replace it, then run the same command again",
            ) from error

    return SplitReader(np.array([labels[path.split("/")[1]] for path in files], np.int64), decode)


def _open_idx(source: DataSource, split: str, image_size: int) -> SplitReader:
    images, labels = (_read_idx(source.root / file) for file in source.files[split])
    border = (image_size - images.shape[1]) // 2

    def decode(index: int) -> Pixels:
        # 28 -> 32 by a border, the usual way to give MNIST-like sets CIFAR's size: no pixel is interpolated.
        if image_size == 32:
            gray = np.pad(images[index], border)
        else:
            gray = np.asarray(_resized(Image.fromarray(images[index]), image_size))
        return np.broadcast_to(gray, (3, image_size, image_size))

    return SplitReader(labels.astype(np.int64), decode)


def _read_idx(path: Path) -> Pixels:
    """A gzipped IDX file: bytes 0, 0, 8 (uint8), number of dimensions, sizes as big-endian uint32, pixels."""
    data = gzip.decompress(path.read_bytes())
    dimensions = data[3]
    shape = np.frombuffer(data, ">u4", dimensions, offset=4)
    return np.frombuffer(data, np.uint8, offset=4 + 4 * dimensions).reshape(shape)


def _resized(image: Image.Image, image_size: int) -> Image.Image:
    """Bilinear, antialiased when shrinking; each side by its own factor, so the whole picture is kept."""
    size = (image_size, image_size)
    return image if image.size == size else image.resize(size, Image.Resampling.BILINEAR)
