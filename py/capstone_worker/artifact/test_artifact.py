"""Model files: what is written comes back, torch agrees, and every damaged or hostile file is refused."""

from __future__ import annotations

import errno
import io
import os
import pickle
import zipfile
from collections import OrderedDict
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from torch import Tensor

from ..errors import MachineError, UserError
from . import unpickle
from .archive import REMAKE, RESAVE
from .read import read_model, read_record
from .write import model_bytes, write_atomic, write_model

RECORD = {"arch": "tiny", "classes": ["é", "b"], "nested": {"lr": 0.1}}


def tensors() -> dict[str, Tensor]:
    numbers = torch.arange(12.0)
    return {
        "float": numbers,
        "int8": torch.tensor([[-127, 0], [5, 127]], dtype=torch.int8),
        "bf16": numbers.bfloat16(),
        "half": numbers.half(),
        "double": numbers.double(),
        "scalar": torch.tensor(7),
        "bool": torch.tensor([True, False]),
        "empty": torch.zeros(0, 3),
        "transposed": numbers.view(3, 4).t(),
        "shared": numbers[2:5],
        "channels_last": torch.randn(2, 3, 4, 4).to(memory_format=torch.channels_last),
        "parameter": torch.nn.Parameter(torch.ones(2)),
    }


def same(one: dict[str, Tensor], other: dict[str, Tensor]) -> bool:
    return list(one) == list(other) and all(
        one[name].dtype == other[name].dtype and torch.equal(one[name], other[name]) for name in one
    )


def saved(content: object, **options: object) -> bytes:
    buffer = io.BytesIO()
    torch.save(content, buffer, **options)  # type: ignore[arg-type]
    return buffer.getvalue()


def zipped(records: dict[str, bytes], compression: int = zipfile.ZIP_STORED) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", compression) as archive:
        for name, data in records.items():
            archive.writestr(zipfile.ZipInfo(name), data, compression)
    return buffer.getvalue()


def pickled(data: bytes) -> bytes:
    """A model file around a pickle; its one storage, `0`, has 8 bytes."""
    return zipped({"archive/data.pkl": data, "archive/data/0": bytes(8)})


def tensor_pickle(storage: str, offset: int, size: tuple[int, ...], stride: tuple[int, ...]) -> bytes:
    """{"w": a tensor over the storage}, in the instructions torch.save uses."""
    place = b"".join(pickle.dumps(part, 2)[2:-1] for part in (offset, size, stride))
    return (
        b"\x80\x02}X\x01\x00\x00\x00wctorch._utils\n_rebuild_tensor_v2\n("
        b"(X\x07\x00\x00\x00storagectorch\n%s\nX\x01\x00\x00\x000X\x03\x00\x00\x00cpuK\x02tQ"
        b"%s\x89NtRs." % (storage.encode(), place)
    )


def refusal(path: Path, data: bytes) -> tuple[str, str, str]:
    path.write_bytes(data)
    with pytest.raises(UserError) as caught:
        read_model(path)
    error = caught.value
    return error.code, error.message.replace(str(path), "FILE"), error.hint


def test_round_trip(tmp_path: Path) -> None:
    path = tmp_path / "new" / "m.pt"
    wanted = tensors()
    sha256, size = write_model(path, wanted, RECORD)
    file = read_model(path)
    assert same(file.tensors, wanted)
    assert file.record == read_record(path) == RECORD
    assert (file.sha256, file.bytes) == (sha256, size)
    assert list(path.parent.iterdir()) == [path]


def test_torch_itself_opens_the_file(tmp_path: Path) -> None:
    """The independent judge is torch.load."""
    path = tmp_path / "m.pt"
    wanted = tensors()
    write_model(path, wanted, RECORD)
    assert same(torch.load(path, weights_only=True), wanted)


def test_we_read_what_torch_writes(tmp_path: Path) -> None:
    path = tmp_path / "any name.pth"
    wanted = tensors()
    torch.save(wanted, path)
    file = read_model(path)
    assert same(file.tensors, wanted)
    assert file.record is None
    assert read_record(path) is None
    assert file.tensors["shared"].data_ptr() == file.tensors["float"].data_ptr() + 8


def test_state_dict_of_a_module_nested_and_prefixed(tmp_path: Path) -> None:
    weights = torch.nn.Conv2d(3, 4, 3).state_dict()
    content = {
        "state_dict": OrderedDict((f"module.{k}", v) for k, v in weights.items()),
        "epoch": 3,
        "acc": 1.5,
    }
    path = tmp_path / "m.pth"
    torch.save(content, path)
    assert same(read_model(path).tensors, dict(weights))


def test_the_bytes_depend_on_content_alone() -> None:
    torch.manual_seed(0)
    first = model_bytes(one := tensors(), RECORD)
    assert first == model_bytes(
        {name: tensor.clone() for name, tensor in one.items()}, dict(reversed(RECORD.items()))
    )
    assert first != model_bytes(one, RECORD | {"arch": "other"})
    with pytest.raises(ValueError, match="not JSON compliant"):
        model_bytes({}, {"lr": float("nan")})


def test_no_flipped_byte_changes_what_is_read(tmp_path: Path) -> None:
    """Every fifth byte, for time's sake: the file is refused, or (padding, dates) says exactly the same."""
    small = {"w": torch.arange(3.0)}
    data = model_bytes(small, {"arch": "tiny"})
    path = tmp_path / "m.pt"
    accepted = 0
    for index in range(0, len(data), 5):
        path.write_bytes(data[:index] + bytes([data[index] ^ 0x55]) + data[index + 1 :])
        try:
            file = read_model(path)
        except UserError:
            continue
        accepted += 1
        assert same(file.tensors, small)
        assert file.record == {"arch": "tiny"}
    assert 0 < accepted < len(data) / 5 / 2


def test_no_truncated_file_is_read(tmp_path: Path) -> None:
    data = model_bytes({"w": torch.arange(3.0)}, {})
    for length in range(0, len(data), 5):
        assert refusal(tmp_path / "m.pt", data[:length])[0] in (
            "model_empty",
            "model_not_zip",
            "model_truncated",
        )


def test_a_pickle_that_calls_something_is_refused_and_not_run(tmp_path: Path) -> None:
    class Evil:
        def __reduce__(self) -> tuple[Callable[..., object], tuple[str]]:
            return os.system, (f"touch {tmp_path}/ran",)

    assert refusal(tmp_path / "m.pt", saved({"w": Evil()})) == (
        "model_forbidden_global",
        "FILE: its pickle asks for posix.system",
        RESAVE,
    )
    assert not (tmp_path / "ran").exists()


PLAIN = {"archive/data.pkl": pickle.dumps({}, 2), "archive/version": b"3\n"}
TINY = {"archive/data.pkl": tensor_pickle("FloatStorage", 0, (2,), (1,)), "archive/data/0": bytes(8)}
GOOD = model_bytes({"w": torch.arange(3.0)}, {})


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (b"", ("model_empty", "the file is empty", REMAKE)),
        (
            b"hello",
            ("model_not_zip", "this is no file of torch.save: it does not begin as a zip does", RESAVE),
        ),
        (GOOD[:-30], ("model_truncated", "the file ends too early", REMAKE)),
        (GOOD + b"x", ("model_trailing_bytes", "something was put behind its archive", REMAKE)),
        (
            b"x" + GOOD,
            ("model_leading_bytes", "something was put before or between the parts of its archive", REMAKE),
        ),
        (
            saved({}, _use_new_zipfile_serialization=False),
            ("model_no_weights", "it holds no tensors by name", RESAVE),
        ),
        (
            bytes(257) + b"ustar" + bytes(250),
            ("model_tar", "tar archives, the oldest torch format, are not read", RESAVE),
        ),
        (
            zipped(PLAIN, zipfile.ZIP_DEFLATED),
            ("model_compressed", "its record archive/data.pkl is compressed or encrypted", RESAVE),
        ),
        (
            zipped(PLAIN | {"archive/DATA.pkl": b""}),
            ("model_duplicate_record", "it has two records named archive/DATA.pkl", REMAKE),
        ),
        (
            zipped(PLAIN | {"other/data/0": b""}),
            ("model_prefix", "its records do not lie in one folder, as torch writes them", RESAVE),
        ),
        (
            zipped(PLAIN | {"archive/constants.pkl": b""}),
            (
                "model_torchscript",
                "it is a TorchScript program, not weights",
                "Save its weights: torch.save(torch.jit.load(old).state_dict(), new)",
            ),
        ),
        (
            zipped({"archive/x": b""}),
            ("model_no_weights", "it has no record data.pkl: this is no file of torch.save", RESAVE),
        ),
        (
            zipped(PLAIN | {"archive/byteorder": b"big"}),
            ("model_byteorder", "it was not written on a little-endian machine", RESAVE),
        ),
        (zipped(PLAIN), ("model_no_weights", "it holds no tensors by name", RESAVE)),
        (saved({"w": 1.5}), ("model_no_weights", "its entry 'w' is no tensor", RESAVE)),
        (
            zipped(TINY | {"archive/capstone.json": b"[1]"}),
            ("model_record_invalid", "its record capstone.json is no JSON object", REMAKE),
        ),
        (
            zipped(TINY | {"archive/capstone.json": b'{"a":NaN}'}),
            ("model_record_invalid", "its record capstone.json is no JSON (NaN is no JSON number)", REMAKE),
        ),
        (
            pickled(pickle.dumps({"w": b"bytes"}, 4)),
            ("model_forbidden_opcode", "its pickle uses the instruction FRAME", RESAVE),
        ),
        (
            pickled(b"\x80\x02ccollections\nOrderedDict\n}b."),
            ("model_pickle_invalid", "its pickle is malformed (function stands where dict belongs)", REMAKE),
        ),
        (
            pickled(b"\x80\x02})\x85\x85Ns."),
            ("model_pickle_invalid", "its pickle is malformed (a key is no string and no number)", REMAKE),
        ),
        (
            pickled(tensor_pickle("FloatStorage", 1, (2,), (1,))),
            ("model_tensor_outside", "a tensor reaches outside its storage", REMAKE),
        ),
        (
            pickled(tensor_pickle("FloatStorage", 0, (1 << 40,), (0,))),
            ("model_tensor_outside", "a tensor reaches outside its storage", REMAKE),
        ),
        (
            pickled(tensor_pickle("DoubleStorage", 0, (2,), (1,))),
            ("model_storage_invalid", "its record data/0 is missing or has another size", REMAKE),
        ),
    ],
)
def test_refusals(tmp_path: Path, data: bytes, expected: tuple[str, str, str]) -> None:
    code, reason, hint = expected
    assert refusal(tmp_path / "m.pt", data) == (code, f"FILE: {reason}", hint)


def test_limits_on_the_pickle(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(unpickle, "MAX_OPCODES", 3)
    expected = ("model_pickle_too_long", "FILE: its pickle has more than 3 instructions", REMAKE)
    assert refusal(tmp_path / "m.pt", pickled(b"\x80\x02NNNN.")) == expected
    monkeypatch.setattr(unpickle, "MAX_BYTES", 6)
    expected = ("model_pickle_too_long", "FILE: its pickle is longer than 6 bytes", REMAKE)
    assert refusal(tmp_path / "m.pt", pickled(b"\x80\x02NNNN.")) == expected


def test_files_that_are_none(tmp_path: Path) -> None:
    for path, expected in (
        (tmp_path / "no.pt", ("model_missing", "no such file", "Check the path, or make the model first")),
        (tmp_path, ("model_not_a_file", "expected a model file, found a folder", "Name the file itself")),
    ):
        for read in (read_model, read_record):
            with pytest.raises(UserError) as caught:
                read(path)
            error = caught.value
            assert (error.code, error.message, error.hint) == (
                expected[0],
                f"{path}: {expected[1]}",
                expected[2],
            )


def test_a_failed_write_leaves_the_old_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "m.pt"
    write_atomic(path, b"old")

    def full(descriptor: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(MachineError) as caught:
        write_atomic(path, b"new!")
    assert caught.value.message == f"{path} cannot be written: no space left on the disk (it takes 4 bytes)"
    assert caught.value.hint == f"Free space for {tmp_path}, or choose another folder"
    assert path.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [path]


def test_a_place_that_cannot_be_written_to(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(UserError) as caught:
        write_atomic(tmp_path / "file" / "m.pt", b"")
    assert caught.value.code == "output_not_writable"
    assert (
        caught.value.message == f"{tmp_path}/file/m.pt cannot be written: a file is where a folder is needed"
    )
    assert caught.value.hint == "Check the permissions of its folder, or choose another"
