"""Which files a data set consists of, and what they add up to.

A data set is a folder in ImageFolder layout, `<root>/{train,test}/<class>/<image>`, one of the bundled sets
beside this file, or one whose files torchvision knows. `digest` names its content; TypeScript computes the
same digest without torch.
"""

from __future__ import annotations

import difflib
import hashlib
import os
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from ..artifact.write import write_atomic
from ..errors import CapstoneError, UserError
from ..file_digest import file_digest
from .cache_home import cache_home
from .disk_error import read_failure, reading
from .folder import SPLITS, is_folder, scan
from .published import PUBLISHED, Published

CLASSES_FILE = "classes.txt"

BUNDLED: Mapping[str, Path] = {"fashion_mnist_mini": Path(__file__).parent / "fashion_mnist_mini"}

_NO_FILES: Mapping[str, tuple[str, ...]] = dict.fromkeys(SPLITS, ())


@dataclass(frozen=True)
class DataSource:
    """The files of one data set, not yet read.

    Attributes:
        name: the label in file names and rows.
        kind: `folder`: images by class; `bundled`: gzipped IDX files; `torchvision`: pickled batches, which
            may not be there yet.
        root: absolute, `.` and `..` resolved, symbolic links kept.
        classes: names in the order of their labels 0, 1, …; sorted by code point for a folder. Empty for
            torchvision's: the files say it, once they are there.
        files: for each split the paths below root in POSIX spelling, sorted by code point. Bundled: images,
            then labels. Empty for torchvision's.
        published: what torchvision's files are; None for others.
    """

    name: str
    kind: Literal["folder", "bundled", "torchvision"]
    root: Path
    classes: tuple[str, ...]
    files: Mapping[str, tuple[str, ...]]
    published: Published | None = None

    def content(self) -> list[str]:
        """Every file that decides what the data set is, sorted by code point (in UTF-8: by bytes)."""
        paths = [path for split in SPLITS for path in self.files[split]]
        return sorted([*paths, CLASSES_FILE] if self.kind == "bundled" else paths)


def resolve(name: str, *, data_root: Path, path: Path | None = None) -> DataSource:
    """Find a data set: the folder `path`, else the folder `data_root/name`, else bundled or published files.

    `data_root/name` counts as the data set as soon as it has a folder `train` or `test`. torchvision's files
    need not be there: `fetch` brings them when they are first read.

    Raises:
        UserError: dataset_missing; dataset_layout (no train or no test); dataset_classes (fewer than two,
            or not the same in both splits); dataset_class_empty; dataset_file_name (not UTF-8, or not to be
            printed); input_not_readable.
        MachineError: read_failed.
    """
    if path is not None:
        if not is_folder(path):
            raise UserError(
                "dataset_missing",
                f"data set {name}: {path} is not a folder",
                "Give the folder that holds train/<class>/ and test/<class>/",
            )
        return _folder(name, path)
    folder = data_root / name
    if any(is_folder(folder / split) for split in SPLITS):
        return _folder(name, folder)
    if name in BUNDLED:
        return _bundled(name, BUNDLED[name])
    if name in PUBLISHED:
        published = PUBLISHED[name]
        return DataSource(
            name, "torchvision", _absolute(data_root / published.folder), (), _NO_FILES, published
        )
    known = [*BUNDLED, *PUBLISHED]
    nearest = difflib.get_close_matches(name, known, n=1)
    raise UserError(
        "dataset_missing",
        f"data set {name}: no folder {folder / 'train'}, and no set is known by that name",
        (f'Did you mean "{nearest[0]}"? ' if nearest else "")
        + f"Put the images into {folder}/train/<class>/ and {folder}/test/<class>/, "
        f"or use a known set: {', '.join(known)}",
    )


def describe(source: DataSource) -> str:
    """For a person: where a data set comes from, and what has yet to be done for it; src/store too."""
    if source.published is None:
        return "bundled with capstone" if source.kind == "bundled" else str(source.root)
    data_root, published = source.root.parent, source.published
    if all((source.root / file).is_file() for file in published.md5s):
        return str(source.root)
    archive = data_root / published.archive
    if archive.is_file():
        return f"{archive}, extracted when it is first needed"
    size = f"{published.archive_bytes / 1e6:.0f} MB"
    return f"{published.archive} ({size}), downloaded into {data_root} when it is first needed"


def digest(source: DataSource) -> str:
    r"""SHA-256 of a data set's content, 64 hexadecimal digits.

    Content digest: SHA-256 over one line for every file of `source.content()`, in the order of their
    relative paths compared as UTF-8 bytes (not as UTF-16 units, JavaScript's default)::

        <relative path>\0<SHA-256 of the file's bytes, lower-case hexadecimal>\n

    in UTF-8, `\0` and `\n` being the bytes 0 and 10. Relative paths use `/` and have no leading `./`.
    In a folder they are `train/<class>/<file>` and `test/<class>/<file>`: the regular files (symbolic links
    followed) lying directly in a class folder whose name does not begin with a dot and whose ending is one
    of `picture.SUFFIXES` in any case; a class folder is a folder in `train` or `test` whose name does not
    begin with a dot. In a bundled set they are plain file names: the four `*-ubyte.gz` and `classes.txt`. For
    torchvision's files the digest follows from their published MD5s (`Published.digest`), and none is read.

    Cached by manifest digest: SHA-256, in UTF-8, over the line ``<root>\n`` and then, for the same files in
    the same order, ``<relative path>\0<size>\0<mtime_ns>\n``, both numbers decimal, of the file a symbolic
    link points to. `root` is absolute, `.` and `..` resolved without following links (`path.resolve` in
    Node). `<cache_home>/manifests/<manifest digest>` holds the content digest and a newline; it is written
    aside and renamed. A file there that is not 64 lower-case hexadecimal digits and a newline is ignored; one
    that cannot be written costs time and nothing else.

    Raises:
        UserError: input_not_readable.
        MachineError: read_failed.
    """
    if source.published is not None:
        return source.published.digest()
    cached = cache_home() / "manifests" / manifest_digest(source, source.content())
    known = b""
    with suppress(OSError):
        known = cached.read_bytes()
    if len(known) == 65 and known.endswith(b"\n") and set(known[:-1]) <= set(b"0123456789abcdef"):
        return known[:-1].decode()
    found = _sha256_lines(f"{path}\0{_file_sha256(source.root / path)}\n" for path in source.content())
    with suppress(CapstoneError):
        write_atomic(cached, f"{found}\n".encode())
    return found


def manifest_digest(source: DataSource, files: Iterable[str]) -> str:
    """What changes when one of the files is written anew, or they are others; without reading one.

    Raises as `digest`.
    """

    def lines() -> Iterable[str]:
        yield f"{source.root}\n"
        for path in files:
            try:
                status = os.stat(f"{source.root}/{path}")  # noqa: PTH116 - a Path for each costs more than the stat
            except OSError as error:
                raise read_failure(source.root / path, error) from error
            yield f"{path}\0{status.st_size}\0{status.st_mtime_ns}\n"

    return _sha256_lines(lines())


def _sha256_lines(lines: Iterable[str]) -> str:
    state = hashlib.sha256()
    for line in lines:
        state.update(line.encode())
    return state.hexdigest()


def _file_sha256(path: Path) -> str:
    with reading(path):
        return file_digest(path, "sha256")


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
    classes, files = scan(name, root)
    return DataSource(name, "folder", _absolute(root), classes, files)
