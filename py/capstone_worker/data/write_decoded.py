"""Pixels, labels and statistics of a part of a data set as files, decoded on all cores."""

from __future__ import annotations

import json
import math
import os
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import IO

import numpy as np
import torch

from ..errors import Stopped, UserError
from ..report import Report, ShouldStop, log, phase, progress
from .decode import BrokenImage, SplitReader, open_split
from .decode_side_by_side import decoding
from .picture import Pixels
from .source import DataSource, manifest_digest
from .subset import SUBSET_SEED, balanced_subset

META = "meta.json"
"""Written last; names the sizes of the other files."""

_CHANNELS = 3
_BROKEN_NAMED = 3
_DARK = 32
"""What 12 bits in files of 16 stay below."""


def write_decoded(
    folder: Path,
    source: DataSource,
    split: str,
    count: int | None,
    image_size: int,
    report: Report,
    should_stop: ShouldStop,
) -> None:
    """Decode a split, or `count` of its images, into `images.npy`, `labels.npy` and META of an empty folder.

    Reports `progress` of phase `decode` in images.

    Raises:
        UserError: image_broken, which names them all or the first few; dataset_changed, while it was decoded;
            or as `open_split`.
        Stopped: asked to stop.
        OSError: no room.
    """
    phase(report, "decode")
    reader = open_split(source, split, image_size)
    chosen = balanced_subset(torch.from_numpy(reader.labels), count, SUBSET_SEED).tolist()
    labels = reader.labels[chosen]
    read = [source.files[split][index] for index in chosen] if source.kind == "folder" else source.content()
    before = manifest_digest(source, read)
    done, started = 0, time.monotonic()
    broken: list[str] = []

    def decoded(chunk: list[Pixels | BrokenImage]) -> None:
        nonlocal done
        done += len(chunk)
        broken.extend(str(image) for image in chunk if isinstance(image, BrokenImage))
        seconds = time.monotonic() - started
        progress(report, "decode", done=done, total=len(chosen), unit="images", seconds=seconds)
        if should_stop():
            raise Stopped

    with (folder / "labels.npy").open("wb") as file:
        np.save(file, labels)
        _sync(file)
    sums = _write_images(folder / "images.npy", reader, chosen, image_size, decoded)
    if broken:
        raise _broken(source, broken, len(chosen))
    if manifest_digest(source, read) != before:
        raise UserError(
            "dataset_changed",
            f"data set {source.name}: {source.root} was changed while it was decoded",
            "Run the same command again: it plans anew with what is there now",
        )
    if split == "train" and sums.largest < _DARK:
        log(
            report,
            "warning",
            f"data set {source.name}: the brightest training pixel is {sums.largest} of 255. Of 16-bit "
            "images the upper 8 bits are read: scale such as hold fewer bits to all 16, or save them in 8",
        )
    mean, std = sums.mean_std()
    meta = {
        "classes": reader.classes,
        "counts": np.bincount(labels).tolist(),
        "mean": mean,
        "std": std,
        "files": {path.name: path.stat().st_size for path in sorted(folder.iterdir())},
    }
    with (folder / META).open("wb") as file:
        file.write(f"{json.dumps(meta, indent=1)}\n".encode())
        _sync(file)


def _write_images(
    path: Path,
    reader: SplitReader,
    chosen: Sequence[int],
    image_size: int,
    decoded: Callable[[list[Pixels | BrokenImage]], None],
) -> PixelSums:
    """Write an .npy file in pieces: a full disk is an error here, where a mapped file would be a SIGBUS."""
    shape = (len(chosen), _CHANNELS, image_size, image_size)
    sums = PixelSums()

    with path.open("wb") as file, decoding(reader, chosen, torch.get_num_threads()) as chunks:
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


class PixelSums:
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
