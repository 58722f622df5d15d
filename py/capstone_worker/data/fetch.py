"""Published files into a data root, as torchvision lays them: the archive, and beside it the folder in it."""

from __future__ import annotations

import errno
import os
import tarfile
from pathlib import Path, PurePosixPath

from ..download import DownloadError, download
from ..errors import CapstoneError, MachineError, Stopped, UserError
from ..file_digest import file_digest
from ..locked import locked
from ..report import Report, ShouldStop, log, phase
from .published import Published

MIRROR = "CAPSTONE_CIFAR_MIRROR"
"""Environment variable: the address of a folder that holds the archives."""

_NO_ROOM = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}


def fetch(name: str, published: Published, data_root: Path, report: Report, should_stop: ShouldStop) -> None:
    """Make sure that all files are in ``data_root / published.folder``.

    What is missing there is taken from the archive in ``data_root``; where that is missing, or is another
    file (an interrupted download of torchvision's has the final name), it is downloaded. Files that are there
    are not looked into. Others that want the same wait.

    Raises:
        UserError: data_root_not_writable.
        MachineError: download_failed, disk_full, read_failed.
        Stopped: asked to stop; what was complete is kept.
    """
    try:
        if not _missing(published, data_root):
            return
        data_root.mkdir(parents=True, exist_ok=True)
        with locked(data_root / f".{published.archive}.lock", report, should_stop):
            if _missing(published, data_root):
                _bring_archive(name, published, data_root, report, should_stop)
                _extract(published, data_root, report, should_stop)
    except OSError as error:
        raise _refused(name, published, data_root, error) from error


def archive_url(published: Published) -> str:
    """Where the archive is downloaded from: its publisher, or the mirror that the environment names."""
    mirror = os.environ.get(MIRROR, "")
    return f"{mirror.rstrip('/')}/{published.archive}" if mirror else published.url


def _missing(published: Published, data_root: Path) -> list[str]:
    folder = data_root / published.folder
    return [file for file in published.md5s if not (folder / file).is_file()]


def _bring_archive(
    name: str, published: Published, data_root: Path, report: Report, should_stop: ShouldStop
) -> None:
    archive = data_root / published.archive
    if archive.is_file():
        if file_digest(archive, "md5") == published.archive_md5:
            return
        log(report, "warning", f"{archive} is damaged or was not complete; it is downloaded anew")
    url = archive_url(published)
    log(report, "info", f"downloading {url} into {data_root}")
    try:
        download(
            url,
            archive,
            algorithm="MD5",
            digest=published.archive_md5,
            size=published.archive_bytes,
            report=report,
            should_stop=should_stop,
        )
    except DownloadError as error:
        raise MachineError(
            "download_failed",
            f"data set {name}: {url} cannot be downloaded: {error}",
            f"Run the same command again, or {_by_hand(name, published, data_root)}, "
            f"or set {MIRROR} to the address of a folder that holds {published.archive}",
        ) from error


def _extract(published: Published, data_root: Path, report: Report, should_stop: ShouldStop) -> None:
    """Only what is missing, and only files of the names we know: an archive's own paths are not followed."""
    phase(report, "extract")
    wanted = set(_missing(published, data_root))
    folder = data_root / published.folder
    folder.mkdir(exist_ok=True)
    with tarfile.open(data_root / published.archive, "r:gz") as archive:
        for member in archive:
            path = PurePosixPath(member.name)
            content = archive.extractfile(member) if member.isfile() else None
            if content is None or str(path.parent) != published.folder or path.name not in wanted:
                continue
            if should_stop():
                raise Stopped
            _write(folder / path.name, content.read())


def _write(path: Path, data: bytes) -> None:
    partial = path.with_name(f".{path.name}.partial")
    try:
        with partial.open("wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)


def _by_hand(name: str, published: Published, data_root: Path) -> str:
    return (
        f"put {published.archive} or the folder {published.folder} from it into {data_root}, "
        f"or images into {data_root / name}/train/<class>/ and {data_root / name}/test/<class>/"
    )


def _refused(name: str, published: Published, data_root: Path, error: OSError) -> CapstoneError:
    words = (error.strerror or str(error)).lower()
    if error.errno in _NO_ROOM:
        return MachineError(
            "disk_full",
            f"data set {name}: no room in {data_root} for {published.archive} and what is in it: {words}",
            "Free space there, or choose another folder with --data-root",
        )
    if error.errno in {errno.EACCES, errno.EPERM, errno.EROFS, errno.EEXIST, errno.ENOTDIR, errno.EISDIR}:
        return UserError(
            "data_root_not_writable",
            f"data set {name}: {published.archive} cannot be written to {data_root}: {words}",
            f"Choose another folder with --data-root, or {_by_hand(name, published, data_root)}",
        )
    return MachineError(
        "read_failed", f"data set {name}: reading or writing in {data_root} failed: {words}", "Check the disk"
    )
