"""From files to pixels: every data set gives its images one by one, in one size, as RGB."""

from __future__ import annotations

import gzip
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
from PIL import Image

from .batches import read_classes, read_split
from .disk_error import reading
from .picture import PictureError, Pixels, read_picture, resized
from .source import DataSource


class BrokenImage(Exception):
    """An image of the user's has no pixels; the message names the file and says why."""


@dataclass(frozen=True)
class SplitReader:
    """One split of a data set.

    Attributes:
        labels: (N,) int64, an index into the classes.
        classes: names.
        decode: index of an image -> its pixels (3, S, S) uint8. May be called from several threads; raises
            BrokenImage.
    """

    labels: npt.NDArray[np.int64]
    classes: tuple[str, ...]
    decode: Callable[[int], Pixels]


def open_split(source: DataSource, split: str, image_size: int) -> SplitReader:
    """Prepare to decode the images of `train` or `test` at `image_size` x `image_size` pixels.

    Raises:
        UserError, MachineError: as `batches.read_split`.
    """
    readers = {"folder": _open_folder, "bundled": _open_idx, "torchvision": _open_batches}
    return readers[source.kind](source, split, image_size)


def _open_folder(source: DataSource, split: str, image_size: int) -> SplitReader:
    files = source.files[split]
    labels = {name: label for label, name in enumerate(source.classes)}

    def decode(index: int) -> Pixels:
        path = source.root / files[index]
        try:
            return read_picture(path, image_size)
        except PictureError as error:
            raise BrokenImage(f"{path}: {error}") from error

    return SplitReader(
        np.array([labels[path.split("/")[1]] for path in files], np.int64), source.classes, decode
    )


def _open_idx(source: DataSource, split: str, image_size: int) -> SplitReader:
    images, labels = (_read_idx(source.root / file) for file in source.files[split])
    border = (image_size - images.shape[1]) // 2

    def decode(index: int) -> Pixels:
        # 28 -> 32 by a border, the usual way to give MNIST-like sets CIFAR's size: no pixel is interpolated.
        if image_size == 32:
            gray = np.pad(images[index], border)
        else:
            gray = np.asarray(resized(Image.fromarray(images[index]), image_size))
        return np.broadcast_to(gray, (3, image_size, image_size))

    return SplitReader(labels.astype(np.int64), source.classes, decode)


def _open_batches(source: DataSource, split: str, image_size: int) -> SplitReader:
    assert source.published is not None, "torchvision's files are published ones"
    images, labels = read_split(source.root, source.published, split)

    def decode(index: int) -> Pixels:
        if images.shape[-1] == image_size:
            pixels: Pixels = images[index]
            return pixels
        image = Image.fromarray(images[index].transpose(1, 2, 0))
        return np.asarray(resized(image, image_size)).transpose(2, 0, 1)

    return SplitReader(labels, read_classes(source.root, source.published), decode)


def _read_idx(path: Path) -> Pixels:
    """A gzipped IDX file: bytes 0, 0, 8 (uint8), number of dimensions, sizes as big-endian uint32, pixels."""
    with reading(path):
        data = gzip.decompress(path.read_bytes())
    dimensions = data[3]
    shape = np.frombuffer(data, ">u4", dimensions, offset=4)
    return np.frombuffer(data, np.uint8, offset=4 + 4 * dimensions).reshape(shape)
