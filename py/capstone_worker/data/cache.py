"""Decode a data set once, then map it: one file of pixels per split, shared between processes.

`<cache_home>/data/<content digest>-<image size>/` holds `{train,test}_images.npy` (N, 3, S, S) uint8,
`{train,test}_labels.npy` (N,) int64 and `meta.json`. It is built beside its place under a lock and renamed,
so what has the final name is whole.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from ..errors import MachineError, UserError
from ..locked import locked
from ..report import Report, ShouldStop, never_stop
from .cache_home import cache_home
from .fetch import fetch
from .source import DataSource, digest, manifest_digest
from .write_decoded import META, write_decoded


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


def load(
    source: DataSource, image_size: int, report: Report, should_stop: ShouldStop = never_stop
) -> Dataset:
    """The data set at `image_size` x `image_size` pixels, downloaded and decoded now if it never was.

    Decoding reports `progress` of phase `decode` in images; the download as `fetch` does.

    Raises:
        UserError: image_broken, dataset_changed; or as `source.digest`, `fetch.fetch`, `batches.read_split`.
        MachineError: cache_not_written; or as these.
        Stopped: asked to stop; nothing of the decoded is kept.
    """
    content = digest(source)
    cached = cached_dataset(content, image_size)
    if cached is None:
        folder = _folder(content, image_size)
        with _writing(folder):
            folder.parent.mkdir(parents=True, exist_ok=True)
            with locked(Path(f"{folder}.lock"), report, should_stop):
                cached = _read(folder, content)  # another may have made it meanwhile
                if cached is None:
                    _build(folder, source, image_size, report, should_stop)
                    cached = _read(folder, content)
    if cached is None:
        raise MachineError(
            "cache_not_written", f"{folder}: what was just written cannot be read", "Check the disk"
        )
    return cached


def cached_dataset(content: str, image_size: int) -> Dataset | None:
    """The data set of that digest, where it has been decoded; no file of the set itself is looked at."""
    return _read(_folder(content, image_size), content)


def _folder(content: str, image_size: int) -> Path:
    return cache_home() / "data" / f"{content}-{image_size}"


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


def _read(folder: Path, content: str) -> Dataset | None:
    """The data set in the cache; None where there is none, or not all of it.

    A file that a power cut has shortened would be a SIGBUS once it is mapped, so the sizes are looked at.
    """
    try:
        meta = json.loads((folder / META).read_bytes())
        if any((folder / file).stat().st_size != size for file, size in meta["files"].items()):
            return None
        return Dataset(
            train_images=_map(folder / "train_images.npy"),
            train_labels=_map(folder / "train_labels.npy"),
            test_images=_map(folder / "test_images.npy"),
            test_labels=_map(folder / "test_labels.npy"),
            classes=tuple(meta["classes"]),
            mean=tuple(meta["mean"]),
            std=tuple(meta["std"]),
            digest=content,
        )
    except (OSError, ValueError, LookupError, TypeError, AttributeError):  # none, or no JSON of ours
        return None


def _map(path: Path) -> Tensor:
    # Copy on write: torch has no read-only tensors and warns of read-only arrays.
    return torch.from_numpy(np.load(path, mmap_mode="c"))


def _build(
    folder: Path, source: DataSource, image_size: int, report: Report, should_stop: ShouldStop
) -> None:
    """Decode into `<folder>.partial`, then rename; the caller holds the lock, so leftovers are nobody's."""
    if source.published is not None:
        fetch(source.name, source.published, source.root.parent, report, should_stop)
    partial = folder.with_name(f"{folder.name}.partial")
    for leftover in (partial, folder):
        shutil.rmtree(leftover, ignore_errors=True)
    partial.mkdir()
    try:
        before = manifest_digest(source)
        write_decoded(partial, source, image_size, report, should_stop)
        if manifest_digest(source) != before:
            raise UserError(
                "dataset_changed",
                f"data set {source.name}: {source.root} was changed while it was decoded",
                "Run the same command again: it plans anew with what is there now",
            )
        partial.rename(folder)
    finally:
        shutil.rmtree(partial, ignore_errors=True)
