"""Images in ImageFolder layout: which are there, and whether one can train on them."""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Callable
from pathlib import Path

from ..errors import UserError
from .disk_error import read_failure, reading
from .picture import SUFFIXES

SPLITS = ("train", "test")

_UNPRINTABLE = re.compile("[\x00-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069]")
"""What would move the cursor, colour the line or turn its direction; src/results/printable.ts too."""


def is_folder(path: Path) -> bool:
    """Whether there is a folder; of a link, whether it leads to one. Raises as `scan`."""
    with reading(path):
        try:
            return stat.S_ISDIR(path.stat().st_mode)
        except (FileNotFoundError, NotADirectoryError):
            return False


def scan(name: str, root: Path) -> tuple[tuple[str, ...], dict[str, tuple[str, ...]]]:
    """The class names, sorted by code point, and for each split the images: paths below ``root``, sorted.

    Args:
        name: the data set's, for messages.
        root: the folder with ``train`` and ``test``.

    Raises:
        UserError: dataset_layout, dataset_classes, dataset_class_empty, dataset_file_name,
            input_not_readable.
        MachineError: read_failed.
    """
    for split in SPLITS:
        if not is_folder(root / split):
            raise UserError(
                "dataset_layout",
                f"data set {name}: {root} has no folder {split}",
                f"Put the images into {root}/train/<class>/ and {root}/test/<class>/",
            )
    classes = {split: _visible(root / split, os.DirEntry.is_dir) for split in SPLITS}
    for split, other in (SPLITS, SPLITS[::-1]):
        missing = sorted(set(classes[split]) - set(classes[other]))
        if missing:
            raise UserError(
                "dataset_classes",
                f"data set {name}: class {missing[0]} of {root / split} is missing from {root / other}"
                + (f", and {len(missing) - 1} more" if len(missing) > 1 else ""),
                f"Both splits need the same class folders: add {root / other / missing[0]} "
                f"or remove {root / split / missing[0]}",
            )
    if len(classes["train"]) < 2:
        raise UserError(
            "dataset_classes",
            f"data set {name}: expected at least 2 class folders in {root / 'train'}, "
            f"found {len(classes['train'])}",
            "Put the images of each class into a folder of its own, named for the class",
        )
    files = {}
    for split in SPLITS:
        images: list[str] = []
        for label in classes[split]:
            found = _visible(root / split / label, _is_image)
            if not found:
                raise UserError(
                    "dataset_class_empty",
                    f"data set {name}: class {label} has no images in {root / split / label}",
                    f"Add images ({' '.join(sorted(SUFFIXES))}), or remove the class from train and test",
                )
            images.extend(f"{split}/{label}/{file}" for file in found)
        files[split] = tuple(sorted(images))
    return tuple(classes["train"]), files


def _is_image(entry: os.DirEntry[str]) -> bool:
    return os.path.splitext(entry.name)[1].lower() in SUFFIXES and entry.is_file()  # noqa: PTH122


def _visible(folder: Path, wanted: Callable[[os.DirEntry[str]], bool]) -> list[str]:
    """Names in a folder that do not begin with a dot and are wanted, sorted by code point."""
    names = []
    with reading(folder), os.scandir(folder) as entries:
        for entry in entries:
            try:
                if not entry.name.startswith(".") and wanted(entry):
                    names.append(entry.name)
            except OSError as error:
                raise read_failure(folder / entry.name, error) from error
    for name in sorted(map(os.fsencode, names)):
        _check_name(folder, name)
    return sorted(names)


def _check_name(folder: Path, name: bytes) -> None:
    """Class names and file names end up in digests, in model files and on terminals."""
    shown = "".join(chr(byte) if 0x20 <= byte < 0x7F else f"\\x{byte:02x}" for byte in name)
    try:
        text = name.decode()
    except UnicodeDecodeError:
        raise UserError(
            "dataset_file_name",
            f'{folder}: the name "{shown}" is not UTF-8',
            "Rename it: names are part of the data set's digest, which is computed in UTF-8",
        ) from None
    if _UNPRINTABLE.search(text):
        raise UserError(
            "dataset_file_name",
            f'{folder}: the name "{shown}" has control characters',
            "Rename it: names are printed, and these would change what the terminal shows",
        )
