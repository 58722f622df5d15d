"""The weights that torchvision publishes, through its own list of them."""

from __future__ import annotations

import os
from pathlib import Path

import torchvision

from ..download import DownloadError, download
from ..errors import MachineError
from ..file_digest import file_digest
from ..locked import locked
from ..report import Report, ShouldStop, log

MIRROR = "CAPSTONE_WEIGHTS_MIRROR"
"""Environment variable: the address of a folder that holds the files."""


def published_weights(arch: str) -> torchvision.models.WeightsEnum:
    """torchvision's entry for its first ImageNet weights of `arch`.

    Not its DEFAULT, which may be another file in its next release.
    """
    return torchvision.models.get_model_weights(arch)["IMAGENET1K_V1"]


def normalisation(arch: str) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Mean and deviation of each channel of the images, 0..1, that the published weights were trained on."""
    transforms = published_weights(arch).transforms()
    return tuple(transforms.mean), tuple(transforms.std)


def bring_weights(arch: str, file: str, folder: Path, report: Report, should_stop: ShouldStop) -> Path:
    """The file of published weights in `folder`: the one that is there, else downloaded.

    Args:
        arch: the architecture.
        file: its name, which ends in ``-<first digits of its SHA-256>.pth``.
        folder: made where it is missing.
        report: hears the phase ``download`` and its progress in bytes, where there is one.
        should_stop: asked while it waits and downloads.

    Raises:
        MachineError: ``weights_missing``, it is not there and cannot be downloaded: the message says which
            file to put where; ``weights_not_written``.
        Stopped: asked to stop.
    """
    path = folder / file
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with locked(folder / f".{file}.lock", report, should_stop):
            if not _is_whole(path, report):
                _download(arch, path, report, should_stop)
    except OSError as error:
        raise MachineError(
            "weights_not_written",
            f"weights of {arch}: {path} cannot be written: {error.strerror or error}",
            "Make room there, or set XDG_CACHE_HOME to another folder",
        ) from error
    return path


def _is_whole(path: Path, report: Report) -> bool:
    if not path.is_file():
        return False
    if file_digest(path, "sha256").startswith(_digest(path)):
        return True
    log(report, "warning", f"{path} is damaged or was not complete; it is downloaded anew")
    return False


def _download(arch: str, path: Path, report: Report, should_stop: ShouldStop) -> None:
    url = _url(arch, path.name)
    log(report, "info", f"downloading {url} into {path.parent}")
    try:
        download(
            url,
            path,
            algorithm="SHA-256",
            digest=_digest(path),
            size=None,
            report=report,
            should_stop=should_stop,
        )
    except DownloadError as error:
        raise MachineError(
            "weights_missing",
            f"weights of {arch}: {url} cannot be downloaded: {error}",
            f"Run the same command again, or put {path.name} into {path.parent}, "
            f"or set {MIRROR} to the address of a folder that holds {path.name}",
        ) from error


def _digest(path: Path) -> str:
    return path.stem.rpartition("-")[2]


def _url(arch: str, file: str) -> str:
    folder = os.environ.get(MIRROR) or published_weights(arch).url.rpartition("/")[0]
    return f"{folder.rstrip('/')}/{file}"
