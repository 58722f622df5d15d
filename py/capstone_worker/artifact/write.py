"""Tensors and JSON into a model file: torch's plain zip with one more stored record.

Everything goes through a buffer, because torch names the folder inside the zip after the file it writes to.
torch.load(path, weights_only=True) elsewhere opens the file and ignores the record.
"""

from __future__ import annotations

import errno
import hashlib
import io
import json
import os
import secrets
import zipfile
from collections import OrderedDict
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from ..errors import CapstoneError, MachineError, UserError
from .read import RECORD_NAME

_NO_ROOM = {
    errno.ENOSPC: "no space left on the disk",
    errno.EDQUOT: "the disk quota is used up",
    errno.EFBIG: "the file would be larger than the system allows",
}
_REFUSED = {
    errno.EACCES: "permission denied",
    errno.EPERM: "permission denied",
    errno.EROFS: "the file system is read-only",
    errno.EISDIR: "it is a folder",
    errno.EEXIST: "a file is where a folder is needed",
    errno.ENOTDIR: "a file is where a folder is needed",
    errno.ENAMETOOLONG: "the name is too long",
}


def model_bytes(tensors: Mapping[str, Tensor], record: Mapping[str, Any]) -> bytes:
    """The bytes of a model file. They depend on the two arguments and the torch version, on nothing else.

    Args:
        tensors: by name, any dtype and layout; written contiguous, each with a storage of its own.
        record: a JSON object without NaN or infinity, written with sorted keys.

    Raises:
        ValueError: the record holds NaN or infinity.
    """
    plain = OrderedDict(
        (name, tensor.detach().cpu().clone(memory_format=torch.contiguous_format))
        for name, tensor in tensors.items()
    )
    text = json.dumps(record, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)
    buffer = io.BytesIO()
    torch.save(plain, buffer)
    with zipfile.ZipFile(buffer, "a") as archive:
        entry = zipfile.ZipInfo(f"archive/{RECORD_NAME}", date_time=(1980, 1, 1, 0, 0, 0))
        entry.create_system = 3  # otherwise the host's
        archive.writestr(entry, text.encode())
    return buffer.getvalue()


def write_model(path: Path, tensors: Mapping[str, Tensor], record: Mapping[str, Any]) -> tuple[str, int]:
    """Write a model file whole or not at all; its SHA-256 in hexadecimal and its size in bytes.

    Raises:
        UserError, MachineError: as `write_atomic`.
    """
    data = model_bytes(tensors, record)
    write_atomic(path, data)
    return hashlib.sha256(data).hexdigest(), len(data)


def write_atomic(path: Path, data: bytes) -> None:
    """Put `data` at `path` so that a reader, or a crash, finds the old file or the new one.

    The folder is made where it is missing.

    Raises:
        UserError: the place cannot be written to.
        MachineError: no room, or the disk failed.
    """
    aside = path.with_name(f".{path.name}.{os.getpid()}-{secrets.token_hex(4)}.tmp")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            with aside.open("xb") as file:
                file.write(data)
                file.flush()
                os.fsync(file.fileno())
            aside.replace(path)
        finally:
            aside.unlink(missing_ok=True)
        _sync_folder(path.parent)
    except OSError as error:
        raise write_failure(path, error, len(data)) from error


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def write_failure(path: Path, error: OSError, size: int = 0) -> CapstoneError:
    """What to raise when writing a file of `size` bytes failed, in the words of src/store/disk-error.ts."""
    if error.errno in _NO_ROOM:
        return MachineError(
            "disk_full",
            f"{path} cannot be written: {_NO_ROOM[error.errno]} (it takes {size} bytes)",
            f"Free space for {path.parent}, or choose another folder",
        )
    if error.errno in _REFUSED:
        return UserError(
            "output_not_writable",
            f"{path} cannot be written: {_REFUSED[error.errno]}",
            "Check the permissions of its folder, or choose another",
        )
    return MachineError("write_failed", f"{path} cannot be written: {error.strerror}", "Check the disk")
