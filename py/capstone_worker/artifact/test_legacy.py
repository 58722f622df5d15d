"""torch's stream from before 1.6; torch itself writes the good files."""

from __future__ import annotations

import io
import os
import pickle
import struct
from collections import OrderedDict
from pathlib import Path

import pytest
import torch
from torch import nn

from ..errors import UserError
from . import unpickle
from .archive import REMAKE, RESAVE
from .legacy import MAGIC
from .read import read_model, read_record


def legacy(content: object) -> bytes:
    buffer = io.BytesIO()
    torch.save(content, buffer, _use_new_zipfile_serialization=False)
    return buffer.getvalue()


def weights() -> OrderedDict[str, torch.Tensor]:
    torch.manual_seed(0)
    network = nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.Linear(4, 2))
    shared = torch.arange(12.0).view(3, 4)
    more = {
        "half": torch.randn(3).half(),
        "bool": torch.tensor([True, False]),
        "none": torch.zeros(0, 3),
        "scalar": torch.tensor(3),
        "shared": shared,
        "column": shared[:, 1],
    }
    return OrderedDict({**network.state_dict(), **more})


def refusal(path: Path, data: bytes) -> tuple[str, str, str]:
    path.write_bytes(data)
    with pytest.raises(UserError) as call:
        read_model(path)
    return call.value.code, call.value.message.removeprefix(f"{path}: "), call.value.hint


@pytest.mark.parametrize("wrap", ["bare", "state_dict", "module"])
def test_what_torch_saved_is_read_bit_for_bit(tmp_path: Path, wrap: str) -> None:
    path, expected = tmp_path / "old.th", weights()
    content: object = expected
    if wrap == "state_dict":
        content = {"state_dict": expected, "best_prec1": 91.7, "epoch": 3, "arch": "resnet20"}
    if wrap == "module":
        content = {f"module.{name}": tensor for name, tensor in expected.items()}
    path.write_bytes(legacy(content))
    found = read_model(path)
    assert found.record is None
    assert read_record(path) is None
    assert list(found.tensors) == list(expected)
    for name, tensor in expected.items():
        assert found.tensors[name].dtype == tensor.dtype
        assert found.tensors[name].stride() == tensor.stride()
        assert torch.equal(found.tensors[name], tensor)
    assert found.tensors["column"].data_ptr() == found.tensors["shared"].data_ptr() + 4


def test_strings_of_python_2_and_tensors_of_torch_0_3(tmp_path: Path) -> None:
    """Made by hand, as such files are: keys as SHORT_BINSTRING, tensors by `_rebuild_tensor`."""
    storage = b"(U\x07storagectorch\nFloatStorage\nU\x0240U\x03cpuK\x02NtQ"
    tensor = b"ctorch._utils\n_rebuild_tensor\n(" + storage + b"K\x00K\x02\x85K\x01\x85tR"
    content = b"\x80\x02}U\x01a" + tensor + b"s."
    head = [0x1950A86A20F9469CFC6C, 1001, {"protocol_version": 1001, "little_endian": True, "type_sizes": {}}]
    data = b"".join(pickle.dumps(part, protocol=2) for part in head)
    data += content + pickle.dumps(["40"], protocol=2) + struct.pack("<qff", 2, 1.5, -2.0)
    path = tmp_path / "older.pth"
    path.write_bytes(data)
    assert data.startswith(MAGIC)
    assert torch.equal(read_model(path).tensors["a"], torch.tensor([1.5, -2.0]))


class Calls:
    def __reduce__(self) -> tuple[object, tuple[str]]:
        return os.system, ("touch stolen",)


def test_nothing_is_called(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert refusal(tmp_path / "m.th", legacy({"a": Calls()})) == (
        "model_forbidden_global",
        "its pickle asks for posix.system",
        RESAVE,
    )
    assert [path.name for path in tmp_path.iterdir()] == ["m.th"]


GOOD = legacy(OrderedDict(a=torch.arange(4.0)))


@pytest.mark.parametrize(
    ("data", "code", "reason", "hint"),
    [
        (GOOD[:-1], "model_truncated", "its storage {key} is cut off", REMAKE),
        (GOOD + b"x", "model_trailing_bytes", "something was put behind its storages", REMAKE),
        (GOOD[:40], "model_pickle_invalid", None, REMAKE),
        (
            GOOD.replace(b"M\xe9\x03.", b"M\xea\x03.", 1),
            "model_legacy_invalid",
            "its protocol is not 1001",
            REMAKE,
        ),
        (
            GOOD.replace(b"\x88", b"\x89", 1),
            "model_byteorder",
            "it was not written on a little-endian machine",
            RESAVE,
        ),
        (
            GOOD[:-24] + struct.pack("<q", 5) + GOOD[-16:],
            "model_storage_invalid",
            "its storage {key} has another size than its tensors say",
            REMAKE,
        ),
        (legacy([1, 2]), "model_no_weights", "it holds no tensors by name", RESAVE),
        (legacy({"a": 1}), "model_no_weights", "its entry 'a' is no tensor", RESAVE),
    ],
)
def test_refusals(tmp_path: Path, data: bytes, code: str, reason: str | None, hint: str) -> None:
    found = refusal(tmp_path / "m.th", data)
    assert (found[0], found[2]) == (code, hint)
    if reason is not None and "{key}" not in reason:
        assert found[1] == reason
    elif reason is not None:
        before, _, after = reason.partition("{key}")
        assert found[1].startswith(before)
        assert found[1].endswith(after)


def test_a_flipped_byte_is_refused_or_other_numbers(tmp_path: Path) -> None:
    """No checksum stands in such a file: a bit of a weight may differ, and nothing else may happen."""
    data = legacy(weights())
    path = tmp_path / "m.th"
    for at in range(0, len(data), 7):
        path.write_bytes(data[:at] + bytes([data[at] ^ 0x10]) + data[at + 1 :])
        try:
            assert read_model(path).tensors
        except UserError as error:
            assert error.hint in (RESAVE, REMAKE)


def test_instructions_are_counted_before_they_are_carried_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """40 MB of them took 9 s to be looked at."""
    monkeypatch.setattr(unpickle, "MAX_OPCODES", 30)
    many = b"\x80\x02" + b"N" * 40 + b"."
    expected = ("model_pickle_too_long", "its pickle has more than 30 instructions", REMAKE)
    assert refusal(tmp_path / "m.th", MAGIC + b"." + many) == expected
