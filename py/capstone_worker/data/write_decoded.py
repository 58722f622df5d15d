"""A data set's pixels, labels and statistics as files, decoded on all cores."""

from __future__ import annotations

import json
import math
import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import IO

import numpy as np
import torch

from ..errors import Stopped, UserError
from ..report import Report, ShouldStop, log, phase, progress
from .decode import BrokenImage, SplitReader, open_split
from .decode_side_by_side import decoding
from .folder import SPLITS
from .picture import Pixels
from .source import DataSource

META = "meta.json"
"""Written last; names the sizes of the other files."""

_CHANNELS = 3
_BROKEN_NAMED = 3
_DARK = 32
"""What 12 bits in files of 16 stay below."""


def write_decoded(
    folder: Path, source: DataSource, image_size: int, report: Report, should_stop: ShouldStop
) -> None:
    """Decode into `{train,test}_images.npy`, `{train,test}_labels.npy` and META of an empty folder.

    Reports `progress` of phase `decode` in images.

    Raises:
        UserError: image_broken, which names them all or the first few; or as `open_split`.
        Stopped: asked to stop.
        OSError: no room.
    """
    phase(report, "decode")
    readers = {split: open_split(source, split, image_size) for split in SPLITS}
    total = sum(len(reader.labels) for reader in readers.values())
    done, started = 0, time.monotonic()
    broken: list[str] = []

    def decoded(chunk: list[Pixels | BrokenImage]) -> None:
        nonlocal done
        done += len(chunk)
        broken.extend(str(image) for image in chunk if isinstance(image, BrokenImage))
        seconds = time.monotonic() - started
        progress(report, "decode", done=done, total=total, unit="images", seconds=seconds)
        if should_stop():
            raise Stopped

    statistics = {}
    for split, reader in readers.items():
        with (folder / f"{split}_labels.npy").open("wb") as file:
            np.save(file, reader.labels)
            _sync(file)
        statistics[split] = _write_images(folder / f"{split}_images.npy", reader, image_size, decoded)
    if broken:
        raise _broken(source, broken, total)
    largest = statistics["train"].largest
    if largest < _DARK:
        log(
            report,
            "warning",
            f"data set {source.name}: the brightest training pixel is {largest} of 255. Of 16-bit images the "
            "upper 8 bits are read: scale such as hold fewer bits to all 16, or save them in 8",
        )
    mean, std = statistics["train"].mean_std()
    meta = {
        "classes": readers["train"].classes,
        "counts": {split: np.bincount(reader.labels).tolist() for split, reader in readers.items()},
        "mean": mean,
        "std": std,
        "files": {path.name: path.stat().st_size for path in sorted(folder.iterdir())},
    }
    with (folder / META).open("wb") as file:
        file.write(f"{json.dumps(meta, indent=1)}\n".encode())
        _sync(file)


def _write_images(
    path: Path, reader: SplitReader, image_size: int, decoded: Callable[[list[Pixels | BrokenImage]], None]
) -> _Sums:
    """Write an .npy file in pieces: a full disk is an error here, where a mapped file would be a SIGBUS."""
    count = len(reader.labels)
    shape = (count, _CHANNELS, image_size, image_size)
    sums = _Sums()

    with path.open("wb") as file, decoding(reader, torch.get_num_threads()) as chunks:
        header = {"descr": "|u1", "fortran_order": False, "shape": shape}
        np.lib.format.write_array_header_1_0(file, header)
        for chunk in chunks:
            decoded(chunk)
            whole = [image for image in chunk if not isinstance(image, BrokenImage)]
            if whole:
                images = np.stack(whole)
                file.write(images.tobytes())
                sums.add(images)
        _sync(file)
    return sums


def _sync(file: IO[bytes]) -> None:
    file.flush()
    os.fsync(file.fileno())


def _broken(source: DataSource, broken: list[str], total: int) -> UserError:
    if len(broken) == 1:
        return UserError(
            "image_broken", broken[0], "Remove the file or replace it, then run the same command again"
        )
    more = len(broken) - _BROKEN_NAMED
    named = [*broken[:_BROKEN_NAMED], *([f"and {more} more"] if more > 0 else [])]
    return UserError(
        "image_broken",
        f"data set {source.name}: {len(broken)} of {total} images cannot be used: {'; '.join(named)}",
        "Remove the files or replace them, then run the same command again",
    )


class _Sums:
    """Exact sums over pixels, so that mean and deviation depend on no order and no rounding."""

    def __init__(self) -> None:
        self.count = 0
        self.total = [0] * _CHANNELS
        self.squares = [0] * _CHANNELS
        self.largest = 0

    def add(self, images: Pixels) -> None:
        """images (N, 3, S, S)."""
        self.count += images.size // _CHANNELS
        for channel in range(_CHANNELS):
            counts = np.bincount(images[:, channel].ravel(), minlength=256)
            self.total[channel] += int(counts @ np.arange(256))
            self.squares[channel] += int(counts @ np.arange(256) ** 2)
            self.largest = max(self.largest, int(counts.nonzero()[0][-1]))

    def mean_std(self) -> tuple[list[float], list[float]]:
        """Of each channel, of values scaled to 0..1."""
        mean = [total / (255 * self.count) for total in self.total]
        variances = (
            (self.count * squares - total * total) / (255 * self.count) ** 2
            for total, squares in zip(self.total, self.squares, strict=True)
        )
        return mean, [math.sqrt(variance) or 1.0 for variance in variances]
