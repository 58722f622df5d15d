"""Decode images once, then map them: one file of pixels for each part of a data set, shared by processes.

`<cache_home>/data/<content digest>-<image size>-<part>/` holds `images.npy` (N, 3, S, S) uint8, `labels.npy`
(N,) int64 and `meta.json`. A part is `train`, `test`, or so many images of one: `train-5000`. It is built
beside its place under a lock and renamed, so what has the final name is whole.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

import numpy as np
import torch
from torch import Tensor

from ..errors import MachineError
from ..locked import locked
from ..report import Report, ShouldStop, never_stop
from .cache_home import cache_home
from .decode_side_by_side import CHUNK
from .fetch import fetch
from .source import DataSource, digest
from .subset import SUBSET_SEED, balanced_subset
from .write_decoded import META, PixelSums, write_decoded

Split = Literal["train", "test"]


@dataclass(frozen=True)
class Part:
    """Decoded images. The tensors map the cache: reading is shared, writing stays in this process.

    Attributes:
        images: (N, 3, S, S) uint8, RGB.
        labels: (N,) int64, an index into classes.
        classes: names.
        mean: of each channel over these images, 0..1.
        std: likewise; 1 for a constant channel, so that one can divide by it.
    """

    images: Tensor
    labels: Tensor
    classes: tuple[str, ...]
    mean: tuple[float, ...]
    std: tuple[float, ...]


@dataclass(frozen=True)
class Dataset:
    """What to train on and what to test with.

    Attributes:
        train_images: (N, 3, S, S) uint8, RGB.
        train_labels: (N,) int64, an index into classes.
        test_images: as train_images.
        test_labels: as train_labels.
        classes: names.
        mean: of each channel over the training images, 0..1.
        std: likewise; 1 for a constant channel.
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


class Decoded:
    """A data set at one image size: each part is decoded when it is first asked for, here or anywhere else.

    Attributes:
        digest: of the content, as `source.digest`.
    """

    def __init__(
        self,
        digest: str,
        find: Callable[[], DataSource],
        image_size: int,
        report: Report,
        should_stop: ShouldStop = never_stop,
    ) -> None:
        """Look at no file yet.

        Args:
            digest: see there.
            find: the files; asked for before each part that has to be decoded, and refuses others.
            image_size: S, side in pixels.
            report: hears `progress` of phase `decode` in images, and the download as `fetch` tells it.
            should_stop: asked meanwhile.
        """
        self.digest = digest
        self._find = find
        self._image_size = image_size
        self._report = report
        self._should_stop = should_stop

    def whole(self, max_train_samples: int | None = None) -> Dataset:
        """All test images, and all training images or that many. Raises as `part`."""
        train, test = self.part("train", max_train_samples), self.part("test")
        return Dataset(
            train.images,
            train.labels,
            test.images,
            test.labels,
            classes=train.classes,
            mean=train.mean,
            std=train.std,
            digest=self.digest,
        )

    def part(self, split: Split, count: int | None = None) -> Part:
        """A split, or so many images of it, balanced over the classes and the same each time.

        Raises:
            UserError: as `find`, `fetch.fetch`, `write_decoded.write_decoded`.
            MachineError: cache_not_written; or as these.
            Stopped: asked to stop; nothing of the decoded is kept.
        """
        all_of_it = _read(self._folder(split))
        if all_of_it is not None:
            return _some(all_of_it, count)
        folder = self._folder(split, count)
        cached = _read(folder)
        if cached is None:
            with _writing(folder):
                folder.parent.mkdir(parents=True, exist_ok=True)
                with locked(Path(f"{folder}.lock"), self._report, self._should_stop):
                    cached = _read(folder)  # another may have made it meanwhile
                    if cached is None:
                        self._build(folder, split, count)
                        cached = _read(folder)
        if cached is None:
            raise MachineError(
                "cache_not_written", f"{folder}: what was just written cannot be read", "Check the disk"
            )
        return cached

    def _folder(self, split: Split, count: int | None = None) -> Path:
        part = split if count is None else f"{split}-{count}"
        return cache_home() / "data" / f"{self.digest}-{self._image_size}-{part}"

    def _build(self, folder: Path, split: Split, count: int | None) -> None:
        """Decode into `<folder>.partial`, then rename; the caller holds the lock: leftovers are nobody's."""
        source = self._find()
        if source.published is not None:
            fetch(source.name, source.published, source.root.parent, self._report, self._should_stop)
        partial = folder.with_name(f"{folder.name}.partial")
        for leftover in (partial, folder):
            shutil.rmtree(leftover, ignore_errors=True)
        partial.mkdir()
        try:
            write_decoded(partial, source, split, count, self._image_size, self._report, self._should_stop)
            partial.rename(folder)
        finally:
            shutil.rmtree(partial, ignore_errors=True)


def load(
    source: DataSource, image_size: int, report: Report, should_stop: ShouldStop = never_stop
) -> Dataset:
    """The whole data set in images of that side; raises as `Decoded.part` and `source.digest`."""
    return Decoded(digest(source), lambda: source, image_size, report, should_stop).whole()


@contextmanager
def _writing(folder: Path) -> Iterator[None]:
    """Of what happens in the block only writing the cache raises an OSError: reading explains its own."""
    try:
        yield
    except OSError as error:
        raise MachineError(
            "cache_not_written",
            f"{folder}: the decoded data set cannot be written: {(error.strerror or str(error)).lower()}",
            f"Make room in {cache_home()}, or set XDG_CACHE_HOME to a folder that can be written",
        ) from error


def _read(folder: Path) -> Part | None:
    """What lies in the cache; None where there is nothing, or not all of it.

    A file that a power cut has shortened would be a SIGBUS once it is mapped, so the sizes are looked at.
    """
    try:
        meta = json.loads((folder / META).read_bytes())
        if any((folder / file).stat().st_size != size for file, size in meta["files"].items()):
            return None
        return Part(
            images=_map(folder / "images.npy"),
            labels=_map(folder / "labels.npy"),
            classes=tuple(meta["classes"]),
            mean=tuple(meta["mean"]),
            std=tuple(meta["std"]),
        )
    except (OSError, ValueError, LookupError, TypeError, AttributeError):  # none, or no JSON of ours
        return None


def _some(part: Part, count: int | None) -> Part:
    """Those that would have been decoded had they alone been asked for."""
    if count is None or count >= len(part.labels):
        return part
    chosen = balanced_subset(part.labels, count, SUBSET_SEED)
    images = part.images[chosen]
    sums = PixelSums()
    for piece in images.split(CHUNK):
        sums.add(piece.numpy())
    mean, std = sums.mean_std()
    return replace(part, images=images, labels=part.labels[chosen], mean=tuple(mean), std=tuple(std))


def _map(path: Path) -> Tensor:
    # Copy on write: torch has no read-only tensors and warns of read-only arrays.
    return torch.from_numpy(np.load(path, mmap_mode="c"))
