"""Model files into tensors and JSON: ours and any state_dict that torch.save wrote, old or new.

torch.load is never called: before 2.6 it hands a zip with constants.pkl to a program loader even under
weights_only (CVE-2025-32434), and before 2.10 its restricted unpickler corrupts the heap (CVE-2026-24747).
"""

from __future__ import annotations

import hashlib
import io
import json
import mmap
import stat
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn

import torch
from torch import Tensor

from ..errors import UserError
from .archive import REMAKE, RESAVE, Archive
from .legacy import MAGIC, read_legacy
from .unpickle import PickleError, unpickle

RECORD_NAME = "capstone.json"


@dataclass(frozen=True)
class ModelFile:
    """What a model file holds.

    Attributes:
        tensors: by name, on the CPU, strided as the file says; tensors that shared a storage still do.
        record: our JSON record; None in a foreign file.
        sha256: of the whole file, in hexadecimal.
        bytes: size of the file.
    """

    tensors: dict[str, Tensor]
    record: dict[str, Any] | None
    sha256: str
    bytes: int


def read_model(path: Path) -> ModelFile:
    """Read and check a whole model file.

    A checkpoint whose weights lie under `state_dict` gives those; the prefix `module.` that DataParallel
    leaves on every name is taken off.

    Raises:
        UserError: the file is missing, unreadable, damaged, or holds anything but tensors by name.
    """
    with _open(path) as file:
        data = bytearray(path.stat().st_size)
        del data[file.readinto(data) :]
    sha256 = hashlib.sha256(data).hexdigest()
    if data.startswith(MAGIC):
        return ModelFile(_legacy_tensors(path, memoryview(data)), None, sha256, len(data))
    archive = Archive(path, memoryview(data))
    for name in archive.names():
        archive.read(name)
    return ModelFile(_tensors(archive), _record(archive), sha256, len(data))


def read_record(path: Path) -> dict[str, Any] | None:
    """Our JSON record alone, without reading the weights; None in a foreign file.

    Raises:
        UserError: as `read_model`, for the archive's structure and the record.
    """
    with _open(path) as file:
        if path.stat().st_size == 0:  # which mmap refuses
            return _record(Archive(path, memoryview(b"")))
        if file.peek(len(MAGIC)).startswith(MAGIC):
            return None
        # not closed by hand: an error on its way out still holds a view
        return _record(Archive(path, memoryview(mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ))))


def _open(path: Path) -> io.BufferedReader:
    try:
        mode = path.stat().st_mode
        if not stat.S_ISREG(mode):
            kind = "a folder" if stat.S_ISDIR(mode) else "no regular file"
            raise UserError(
                "model_not_a_file", f"{path}: expected a model file, found {kind}", "Name the file itself"
            )
        return path.open("rb")
    except FileNotFoundError:
        raise UserError(
            "model_missing", f"{path}: no such file", "Check the path, or make the model first"
        ) from None
    except OSError as error:
        raise UserError(
            "model_unreadable", f"{path}: cannot be read: {error.strerror}", "Check the file's permissions"
        ) from None


def _record(archive: Archive) -> dict[str, Any] | None:
    if RECORD_NAME not in archive.names():
        return None
    try:
        record = json.loads(bytes(archive.read(RECORD_NAME)), parse_constant=_no_constant)
    except (ValueError, RecursionError) as error:
        raise archive.refusal(
            "model_record_invalid", f"its record {RECORD_NAME} is no JSON ({error})"
        ) from None
    if not isinstance(record, dict):
        raise archive.refusal("model_record_invalid", f"its record {RECORD_NAME} is no JSON object")
    return record


def _no_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is no JSON number")


def _tensors(archive: Archive) -> dict[str, Tensor]:
    names = set(archive.names())
    if "data.pkl" not in names:
        raise archive.refusal(
            "model_no_weights", "it has no record data.pkl: this is no file of torch.save", RESAVE
        )
    if "byteorder" in names and bytes(archive.read("byteorder")) != b"little":
        raise archive.refusal("model_byteorder", "it was not written on a little-endian machine", RESAVE)
    storages: dict[str, tuple[torch.dtype, Tensor]] = {}

    def load_storage(dtype: torch.dtype, key: str, elements: int) -> Tensor:
        name = f"data/{key}"
        if name not in names or elements < 0 or archive.size(name) != elements * dtype.itemsize:
            raise PickleError("model_storage_invalid", f"its record {name} is missing or has another size")
        if key not in storages:
            storages[key] = dtype, _storage(archive.read(name), dtype)
        known, storage = storages[key]
        if known != dtype:
            raise PickleError("model_storage_invalid", f"its record {name} is used with two types")
        return storage

    try:
        return _state_dict(unpickle(bytes(archive.read("data.pkl")), load_storage))
    except PickleError as error:
        raise _refused(archive.path, error) from None


def _legacy_tensors(path: Path, data: memoryview) -> dict[str, Tensor]:
    try:
        return _state_dict(read_legacy(data))
    except PickleError as error:
        raise _refused(path, error) from None


def _refused(path: Path, error: PickleError) -> UserError:
    foreign = error.code.startswith(("model_forbidden", "model_no_weights", "model_byteorder"))
    return UserError(error.code, f"{path}: {error.reason}", RESAVE if foreign else REMAKE)


def _storage(record: memoryview, dtype: torch.dtype) -> Tensor:
    """The record's bytes as a 1-d tensor with memory of its own, aligned wherever the record lay."""
    if not record:
        return torch.empty(0, dtype=dtype)
    return torch.frombuffer(record, dtype=torch.uint8).clone().view(dtype)


def _state_dict(content: object) -> dict[str, Tensor]:
    if isinstance(content, dict) and isinstance(content.get("state_dict"), dict):
        content = content["state_dict"]
    if not isinstance(content, dict) or not content:
        raise PickleError("model_no_weights", "it holds no tensors by name")
    for name, value in content.items():
        if not isinstance(name, str) or not isinstance(value, Tensor):
            raise PickleError("model_no_weights", f"its entry {str(name)!r} is no tensor")
    if all(name.startswith("module.") for name in content):
        return {name.removeprefix("module."): tensor for name, tensor in content.items()}
    return dict(content)
