"""Which files a data set consists of, and what they add up to.

A data set is a folder in ImageFolder layout, `<root>/{train,test}/<class>/<image>`, or one of the bundled
sets beside this file. `digest` names its content; TypeScript computes the same digest without torch.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from ..artifact.write import write_atomic
from ..errors import UserError
from .cache_home import cache_home

SPLITS = ("train", "test")

IMAGE_SUFFIXES = frozenset(
    (".png", ".jpg", ".jpeg", ".bmp", ".webp", ".gif", ".tif", ".tiff", ".ppm", ".pgm")
)
"""Files with these endings, in any case, are images; other files and hidden ones are ignored."""

CLASSES_FILE = "classes.txt"

BUNDLED: Mapping[str, Path] = {"fashion_mnist_mini": Path(__file__).parent / "fashion_mnist_mini"}


@dataclass(frozen=True)
class DataSource:
    """The files of one data set, not yet read.

    Attributes:
        name: the label in file names and rows.
        kind: `folder`: images by class; `bundled`: gzipped IDX files.
        root: absolute, `.` and `..` resolved, symbolic links kept.
        classes: names in the order of their labels 0, 1, …; sorted by code point for a folder.
        files: for each split the paths below root in POSIX spelling, sorted by code point. Bundled: images,
            then labels.
    """

    name: str
    kind: Literal["folder", "bundled"]
    root: Path
    classes: tuple[str, ...]
    files: Mapping[str, tuple[str, ...]]

    def content(self) -> list[str]:
        """Every file that decides what the data set is, sorted by code point (in UTF-8: by bytes)."""
        paths = [path for split in SPLITS for path in self.files[split]]
        return sorted([*paths, CLASSES_FILE] if self.kind == "bundled" else paths)


def resolve(name: str, *, data_root: Path, path: Path | None = None) -> DataSource:
    """Find a data set: the folder `path`, else the folder `data_root/name`, else the bundled files.

    `data_root/name` counts as the data set as soon as it has a folder `train` or `test`.

    Raises:
        UserError: dataset_missing; dataset_layout (no train or no test); dataset_classes (fewer than two,
            or not the same in both splits); dataset_class_empty; dataset_file_name (not UTF-8).
    """
    if path is not None:
        if not path.is_dir():
            raise UserError(
                "dataset_missing",
                f"data set {name}: {path} is not a folder",
                "Give the folder that holds train/<class>/ and test/<class>/",
            )
        return _folder(name, path)
    folder = data_root / name
    if any((folder / split).is_dir() for split in SPLITS):
        return _folder(name, folder)
    if name in BUNDLED:
        return _bundled(name, BUNDLED[name])
    raise UserError(
        "dataset_missing",
        f"data set {name}: no folder {folder / 'train'} and none bundled",
        f"Put the images into {folder}/train/<class>/ and {folder}/test/<class>/, "
        f"or use a bundled set: {', '.join(sorted(BUNDLED))}",
    )


def digest(source: DataSource) -> str:
    r"""SHA-256 of a data set's content, 64 hexadecimal digits.

    Content digest: SHA-256 over one line for every file of `source.content()`, in the order of their
    relative paths compared as UTF-8 bytes (not as UTF-16 units, JavaScript's default)::

        <relative path>\0<SHA-256 of the file's bytes, lower-case hexadecimal>\n

    in UTF-8, `\0` and `\n` being the bytes 0 and 10. Relative paths use `/` and have no leading `./`.
    In a folder they are `train/<class>/<file>` and `test/<class>/<file>`: the regular files (symbolic links
    followed) lying directly in a class folder whose name does not begin with a dot and whose ending is one
    of IMAGE_SUFFIXES in any case; a class folder is a folder in `train` or `test` whose name does not begin
    with a dot. In a bundled set they are plain file names: the four `*-ubyte.gz` and `classes.txt`.

    Cached by manifest digest: SHA-256, in UTF-8, over the line ``<root>\n`` and then, for the same files in
    the same order, ``<relative path>\0<size>\0<mtime_ns>\n``, both numbers decimal, of the file a symbolic
    link points to. `root` is absolute, `.` and `..` resolved without following links (`path.resolve` in
    Node). `<cache_home>/manifests/<manifest digest>` holds the content digest and a newline; it is written
    aside and renamed. A file there that is not 64 lower-case hexadecimal digits and a newline is ignored.
    """
    content = source.content()
    cached = cache_home() / "manifests" / _manifest_digest(source.root, content)
    known = cached.read_bytes() if cached.is_file() else b""
    if len(known) == 65 and known.endswith(b"\n") and set(known[:-1]) <= set(b"0123456789abcdef"):
        return known[:-1].decode()
    found = _sha256_lines(f"{path}\0{_file_sha256(source.root / path)}\n" for path in content)
    write_atomic(cached, f"{found}\n".encode())
    return found


def _manifest_digest(root: Path, content: list[str]) -> str:
    def lines() -> Iterable[str]:
        yield f"{root}\n"
        for path in content:
            status = (root / path).stat()
            yield f"{path}\0{status.st_size}\0{status.st_mtime_ns}\n"

    return _sha256_lines(lines())


def _sha256_lines(lines: Iterable[str]) -> str:
    state = hashlib.sha256()
    for line in lines:
        state.update(line.encode())
    return state.hexdigest()


def _file_sha256(path: Path) -> str:
    state = hashlib.sha256()
    with path.open("rb") as file:
        while block := file.read(1 << 20):
            state.update(block)
    return state.hexdigest()


def _absolute(root: Path) -> Path:
    return Path(os.path.abspath(root))  # noqa: PTH100 - Path.resolve would follow links, Node does not


def _bundled(name: str, root: Path) -> DataSource:
    return DataSource(
        name,
        "bundled",
        _absolute(root),
        tuple((root / CLASSES_FILE).read_text(encoding="utf-8").splitlines()),
        {split: (f"{split}-images-idx3-ubyte.gz", f"{split}-labels-idx1-ubyte.gz") for split in SPLITS},
    )


def _folder(name: str, root: Path) -> DataSource:
    for split in SPLITS:
        if not (root / split).is_dir():
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
                    f"Add images ({' '.join(sorted(IMAGE_SUFFIXES))}), "
                    "or remove the class from train and test",
                )
            images.extend(f"{split}/{label}/{file}" for file in found)
        files[split] = tuple(sorted(images))
    return DataSource(name, "folder", _absolute(root), tuple(classes["train"]), files)


def _is_image(entry: os.DirEntry[str]) -> bool:
    return os.path.splitext(entry.name)[1].lower() in IMAGE_SUFFIXES and entry.is_file()  # noqa: PTH122


def _visible(folder: Path, wanted: Callable[[os.DirEntry[str]], bool]) -> list[str]:
    """Names in a folder that do not begin with a dot and are wanted, sorted by code point."""
    with os.scandir(folder) as entries:
        names = sorted(entry.name for entry in entries if not entry.name.startswith(".") and wanted(entry))
    for name in names:
        if any("\ud800" <= character <= "\udfff" for character in name):  # bytes os could not decode
            raise UserError(
                "dataset_file_name",
                f"{folder}: the name {os.fsencode(name)!r} is not UTF-8",
                "Rename it: names are part of the data set's digest, which is computed in UTF-8",
            )
    return names
