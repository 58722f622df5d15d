"""CIFAR's pickled batches → pixels, labels and class names; every file checked before it is read.

A batch is a dict with ``data`` (N, 3072) uint8, the red, green and blue plane of each 32x32 image one after
the other, and a list of N labels. It was written by Python 2.
"""

from __future__ import annotations

import hashlib
import io
import pickle
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from ..errors import UserError
from .disk_error import reading
from .published import Published

_SIDE = 32


def read_split(
    folder: Path, published: Published, split: str
) -> tuple[npt.NDArray[np.uint8], npt.NDArray[np.int64]]:
    """The images (N, 3, 32, 32) RGB and labels (N,) of ``train`` or ``test``, in the order of the files.

    Raises:
        UserError: dataset_file_damaged, input_not_readable.
        MachineError: read_failed.
    """
    md5s: Mapping[str, str] = {"train": published.train, "test": published.test}[split]
    batches = [_read(folder / file, md5) for file, md5 in md5s.items()]
    images = np.concatenate([batch["data"] for batch in batches]).reshape(-1, 3, _SIDE, _SIDE)
    labels = np.concatenate([batch[published.labels_key] for batch in batches])
    return images, labels.astype(np.int64)


def read_classes(folder: Path, published: Published) -> tuple[str, ...]:
    """The names of the labels 0, 1, …; raises as `read_split`."""
    ((file, md5),) = published.meta.items()
    return tuple(_read(folder / file, md5)[published.classes_key])


def _read(path: Path, md5: str) -> dict[str, Any]:
    with reading(path):
        data = path.read_bytes()
    found = hashlib.md5(data, usedforsecurity=False).hexdigest()
    if found != md5:
        raise UserError(
            "dataset_file_damaged",
            f"{path}: expected the published file with MD5 {md5}, found one with {found}",
            "Remove it, then run the same command again: it is taken from the archive or downloaded anew",
        )
    batch: dict[str, Any] = _ArraysOnly(io.BytesIO(data), encoding="latin1").load()
    return batch


class _ArraysOnly(pickle.Unpickler):
    """Makes arrays only: a pickle may name any function to be called, and MD5 is no proof of who wrote it."""

    def find_class(self, module: str, name: str) -> Callable[..., Any]:
        match module, name:
            case (("numpy.core.multiarray" | "numpy._core.multiarray"), "_reconstruct"):
                # By its place in the installed numpy: version 2 moved it.
                reconstruct: Callable[..., Any] = np.empty(0).__reduce__()[0]  # type: ignore[assignment]
                return reconstruct
            case "numpy", "ndarray":
                return np.ndarray
            case "numpy", "dtype":
                return np.dtype
        raise pickle.UnpicklingError(f"{module}.{name} is no part of a batch")
