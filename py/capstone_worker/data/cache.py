"""Decode a data set once, then map it: one file of pixels per split, shared between processes.

`<cache_home>/data/<content digest>-<image size>/` holds `{train,test}_images.npy` (N, 3, S, S) uint8,
`{train,test}_labels.npy` (N,) int64 and `meta.json`. It is built beside its place under a lock and renamed,
so what has the final name is whole.
"""

from __future__ import annotations

import json
import math
import shutil
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from filelock import FileLock
from torch import Tensor

from ..errors import MachineError
from ..report import Report, phase
from .cache_home import cache_home
from .decode import Pixels, SplitReader, open_split
from .source import SPLITS, DataSource, digest

_CHUNK = 256  # images decoded, written and reported together
_CHANNELS = 3


@dataclass(frozen=True)
class Dataset:
    """A decoded data set. The tensors map the cache: reading is shared, writing stays in this process.

    Attributes:
        train_images: (N, 3, S, S) uint8, RGB.
        train_labels: (N,) int64, an index into classes.
        test_images: as train_images.
        test_labels: as train_labels.
        classes: names.
        mean: of each channel over the training images, 0..1.
        std: likewise; 1 for a constant channel, so that one can divide by it.
        digest: of the content, as `source.digest`.
    """

    train_images: Tensor
    train_labels: Tensor
    test_images: Tensor
    test_labels: Tensor
    classes: tuple[str, ...]
    mean: tuple[float, ...]
    std: tuple[float, ...]
    digest: str


def load(source: DataSource, image_size: int, report: Report) -> Dataset:
    """The data set at `image_size` x `image_size` pixels, decoded now if it never was.

    Decoding reports `progress` of phase `decode` in images.

    Raises:
        UserError: image_broken.
        MachineError: cache_not_written.
    """
    content = digest(source)
    folder = cache_home() / "data" / f"{content}-{image_size}"
    if not _is_whole(folder):
        folder.parent.mkdir(parents=True, exist_ok=True)
        with FileLock(f"{folder}.lock"):
            if not _is_whole(folder):
                _build(folder, source, image_size, report)
    meta = json.loads((folder / "meta.json").read_text(encoding="utf-8"))
    return Dataset(
        train_images=_map(folder / "train_images.npy"),
        train_labels=_map(folder / "train_labels.npy"),
        test_images=_map(folder / "test_images.npy"),
        test_labels=_map(folder / "test_labels.npy"),
        classes=source.classes,
        mean=tuple(meta["mean"]),
        std=tuple(meta["std"]),
        digest=content,
    )


def _is_whole(folder: Path) -> bool:
    return (folder / "meta.json").is_file()


def _map(path: Path) -> Tensor:
    # Copy on write: torch has no read-only tensors and warns of read-only arrays.
    return torch.from_numpy(np.load(path, mmap_mode="c"))


def _build(folder: Path, source: DataSource, image_size: int, report: Report) -> None:
    """Decode into `<folder>.partial`, then rename; the caller holds the lock, so leftovers are nobody's."""
    partial = folder.with_name(f"{folder.name}.partial")
    for leftover in (partial, folder):
        shutil.rmtree(leftover, ignore_errors=True)
    partial.mkdir()
    try:
        _decode(partial, source, image_size, report)
        partial.rename(folder)
    except OSError as error:
        raise MachineError(
            "cache_not_written",
            f"{partial}: the decoded data set cannot be written: {error.strerror}",
            f"Make room in {cache_home()}, or set XDG_CACHE_HOME to another disk",
        ) from error
    finally:
        shutil.rmtree(partial, ignore_errors=True)


def _decode(folder: Path, source: DataSource, image_size: int, report: Report) -> None:
    phase(report, "decode")
    readers = {split: open_split(source, split, image_size) for split in SPLITS}
    total = sum(len(reader.labels) for reader in readers.values())
    done = 0

    def decoded(images: int) -> None:
        nonlocal done
        done += images
        report({"type": "progress", "phase": "decode", "done": done, "total": total, "unit": "images"})

    statistics = {}
    for split, reader in readers.items():
        np.save(folder / f"{split}_labels.npy", reader.labels)
        statistics[split] = _write_images(folder / f"{split}_images.npy", reader, image_size, decoded)
    mean, std = statistics["train"].mean_std()
    meta = {
        "classes": source.classes,
        "counts": {split: np.bincount(reader.labels).tolist() for split, reader in readers.items()},
        "mean": mean,
        "std": std,
    }
    (folder / "meta.json").write_text(json.dumps(meta, indent=1) + "\n", encoding="utf-8")


def _write_images(path: Path, reader: SplitReader, image_size: int, decoded: Callable[[int], None]) -> _Sums:
    """Write an .npy file in pieces: a full disk is an error here, where a mapped file would be a SIGBUS."""
    count = len(reader.labels)
    shape = (count, _CHANNELS, image_size, image_size)
    sums = _Sums()
    with ThreadPoolExecutor(torch.get_num_threads()) as pool, path.open("wb") as file:
        header = {"descr": "|u1", "fortran_order": False, "shape": shape}
        np.lib.format.write_array_header_1_0(file, header)
        for start in range(0, count, _CHUNK):
            images = np.stack(list(pool.map(reader.decode, range(start, min(start + _CHUNK, count)))))
            file.write(images.tobytes())
            sums.add(images)
            decoded(len(images))
    return sums


class _Sums:
    """Exact sums over pixels, so that mean and deviation depend on no order and no rounding."""

    def __init__(self) -> None:
        self.count = 0
        self.total = [0] * _CHANNELS
        self.squares = [0] * _CHANNELS

    def add(self, images: Pixels) -> None:
        """images (N, 3, S, S)."""
        self.count += images.size // _CHANNELS
        for channel in range(_CHANNELS):
            counts = np.bincount(images[:, channel].ravel(), minlength=256)
            self.total[channel] += int(counts @ np.arange(256))
            self.squares[channel] += int(counts @ np.arange(256) ** 2)

    def mean_std(self) -> tuple[list[float], list[float]]:
        """Of each channel, of values scaled to 0..1."""
        mean = [total / (255 * self.count) for total in self.total]
        variances = (
            (self.count * squares - total * total) / (255 * self.count) ** 2
            for total, squares in zip(self.total, self.squares, strict=True)
        )
        return mean, [math.sqrt(variance) or 1.0 for variance in variances]
