"""torch's stream from before 1.6, in which many published checkpoints still come.

Five pickles, one behind the other (a magic number, the version of the protocol, what the machine was, the
content, the keys of its storages), then each storage: its number of elements as 8 bytes, and its bytes. As
torch/serialization.py writes it (`_legacy_save`). The pickles are run by the machine that runs those of a
zip; of the content, whose storages only come behind it, once on tensors without memory, to learn how long
each storage is, and once more when they are found.
"""

from __future__ import annotations

import struct
from typing import Any, NoReturn

import torch
from torch import Tensor

from .unpickle import MAX_BYTES, PickleError, instructions, unpickle

MAGIC = bytes.fromhex("80028a0a6cfc9c46f9206aa85019")
"""The first pickle but for its STOP: 0x1950a86a20f9469cfc6c."""
_PROTOCOL = 1001
_LENGTH = struct.Struct("<q")


def read_legacy(data: memoryview) -> Any:  # noqa: ANN401 - whatever the file holds
    """The object in the stream: dicts, lists, tuples, strings, numbers and tensors with memory of their own.

    Raises:
        PickleError: as `unpickle`, or the stream is not as torch writes it.
    """
    pickles, at = [], 0
    for _ in range(5):
        end = at + _pickle_length(data[at : at + MAX_BYTES + 1])
        pickles.append(bytes(data[at:end]))
        at = end
    _, protocol, machine, content, keys = pickles
    if unpickle(protocol, _no_storage) != _PROTOCOL:
        raise PickleError("model_legacy_invalid", f"its protocol is not {_PROTOCOL}")
    written_on = unpickle(machine, _no_storage)
    if not isinstance(written_on, dict) or written_on.get("little_endian") is not True:
        raise PickleError("model_byteorder", "it was not written on a little-endian machine")
    sizes: dict[str, tuple[torch.dtype, int]] = {}

    def note(dtype: torch.dtype, key: str, elements: int) -> Tensor:
        if elements < 0 or sizes.setdefault(key, (dtype, elements)) != (dtype, elements):
            raise PickleError("model_storage_invalid", f"its storage {key} is used with two types or sizes")
        return torch.empty(elements, dtype=dtype, device="meta")

    unpickle(content, note)
    storages = _storages(data[at:], unpickle(keys, _no_storage), sizes)
    return unpickle(content, lambda dtype, key, elements: storages[key])


def _pickle_length(data: memoryview) -> int:
    """Bytes of the pickle at the beginning, whose instructions are looked at and not carried out."""
    try:
        for opcode, _, position in instructions(bytes(data)):
            if opcode.name == "STOP":
                assert position is not None
                return position + 1
    except ValueError as error:
        raise PickleError("model_pickle_invalid", f"its pickle is malformed ({error})") from None
    raise PickleError("model_pickle_invalid", "its pickle has no end")


def _storages(data: memoryview, keys: object, sizes: dict[str, tuple[torch.dtype, int]]) -> dict[str, Tensor]:
    if not isinstance(keys, list) or sorted(map(str, keys)) != sorted(sizes):
        raise PickleError("model_storage_invalid", "its storages are not those that its tensors lie in")
    storages, at = {}, 0
    for key in keys:
        dtype, elements = sizes[key]
        end = at + _LENGTH.size + elements * dtype.itemsize
        if end > len(data):
            raise PickleError("model_truncated", f"its storage {key} is cut off")
        if _LENGTH.unpack_from(data, at)[0] != elements:
            raise PickleError(
                "model_storage_invalid", f"its storage {key} has another size than its tensors say"
            )
        storages[key] = torch.empty(elements, dtype=dtype)
        if elements:
            part = torch.frombuffer(data[at + _LENGTH.size : end], dtype=torch.uint8)
            storages[key].view(torch.uint8).copy_(part)
        at = end
    if at != len(data):
        raise PickleError("model_trailing_bytes", "something was put behind its storages")
    return storages


def _no_storage(dtype: torch.dtype, key: str, elements: int) -> NoReturn:
    raise PickleError("model_legacy_invalid", "a tensor stands outside of its content")
