"""Packed files: the same network to the bit, for torch too; what is damaged or hostile is refused."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, fx, nn

from ..artifact.archive import REMAKE
from ..artifact.entropy_coding import deflated
from ..artifact.pack import Quantized, dequantized
from ..artifact.read import read_model, read_record
from ..artifact.write import write_model
from ..errors import UserError
from ..graph.codec import to_json
from ..graph.trace import trace
from . import Int8Linear, packed
from .build import build
from .conftest import Fresh, digest
from .file import load_model, save_model
from .packed import Packing, mark, packing_of

RECORD = {"model": {"arch": "tiny", "num_classes": 2, "image_size": 8}, "classes": ["é", "b"]}
GOLDEN = Path(__file__).parent / "fixtures" / "packed.pt"


class Tiny(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 4, 3, stride=2)
        self.norm = nn.BatchNorm2d(4)
        self.fc = Int8Linear(36, 2)

    def forward(self, images: Tensor) -> Tensor:
        logits: Tensor = self.fc(torch.flatten(self.norm(self.conv(images)), 1))
        return logits


class Huge(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.one = nn.Linear(192, 2**22)
        self.two = nn.Linear(2**22, 2)

    def forward(self, images: Tensor) -> Tensor:
        logits: Tensor = self.two(self.one(torch.flatten(images, 1)))
        return logits


def tiny() -> fx.GraphModule:
    """A convolution at 4 bits, a norm, a Linear of int8."""
    torch.manual_seed(0)
    network = Tiny()
    network.fc.weight = torch.arange(-36, 36).view(2, 36).to(torch.int8)
    network.fc.scale = torch.tensor([0.5, 0.01])
    traced = trace(network.eval())
    quantize(traced, {"conv.weight": 4})
    return traced


def quantize(network: fx.GraphModule, bits: dict[str, int], codec: Any = "deflate") -> None:  # noqa: ANN401
    """Round weights in place, and mark the network."""
    found = {}
    for name, its in bits.items():
        weight = network.state_dict()[name]
        rows = weight.flatten(1)
        scale = rows.abs().amax(1) / (2 ** (its - 1) - 1)
        integers = (rows / scale[:, None]).round().to(torch.int8).view(weight.shape)
        weight.copy_(dequantized(integers, scale))
        found[name] = Quantized(its, scale)
    mark(network, Packing(found, codec))


def logits(network: nn.Module, size: int) -> Tensor:
    images = torch.linspace(-1, 1, 2 * 3 * size * size).view(2, 3, size, size)
    with torch.inference_mode():
        return network(images)  # type: ignore[no-any-return]


@pytest.mark.parametrize("codec", ["deflate", "none"])
def test_round_trip(tmp_path: Path, codec: str) -> None:
    network = tiny()
    quantize(network, {"conv.weight": 4}, codec)
    path = tmp_path / "m.pt"
    sha256, size = save_model(path, network, RECORD)
    loaded = load_model(path, arch="tiny", num_classes=2)
    assert (loaded.sha256, loaded.bytes) == (sha256, size)
    assert torch.equal(logits(loaded.network, 8), logits(network, 8))
    assert loaded.record == {**RECORD, "format": 1, "graph": to_json(network)}
    for one, other in zip(loaded.network.state_dict().items(), network.state_dict().items(), strict=True):
        assert one[0] == other[0]
        assert torch.equal(one[1], other[1])
    packing = packing_of(loaded.network)
    assert packing is not None
    assert (packing.codec, packing.quantized["conv.weight"].bits) == (codec, 4)
    save_model(tmp_path / "again.pt", loaded.network, loaded.record)
    assert (tmp_path / "again.pt").read_bytes() == path.read_bytes()
    save_model(tmp_path / "copy.pt", copy.deepcopy(network), RECORD)
    assert (tmp_path / "copy.pt").read_bytes() == path.read_bytes()


def test_torch_opens_it_and_the_record_stays_readable(tmp_path: Path) -> None:
    """The independent judge is torch.load; what others read of the record needs no payload."""
    path = tmp_path / "m.pt"
    save_model(path, tiny(), RECORD)
    content = torch.load(path, weights_only=True)
    assert list(content) == ["packed"]
    assert (content["packed"].dtype, content["packed"].ndim) == (torch.uint8, 1)
    record = read_record(path)
    assert record is not None
    assert record.pop("graph").keys() == {"packed", "bytes", "plain_bytes"}
    assert record == {**RECORD, "format": 1}


def test_the_golden_file(tmp_path: Path) -> None:
    """Written once; to be read for ever. zlib may come to other bytes, so nothing is compared with it."""
    loaded = load_model(GOLDEN)
    assert torch.equal(logits(loaded.network, 8), logits(tiny(), 8))
    assert loaded.sha256 == "6ef40aa34df6def8ebe12db5a5e9a48a67ba081b3d0f579649f227388745d664"


@pytest.fixture(scope="module")
def resnet20() -> fx.GraphModule:
    network = trace(build("resnet20", num_classes=10, stem="cifar", image_size=32, seed=0).eval())
    weights = [name for name, tensor in network.state_dict().items() if tensor.ndim > 1]
    quantize(network, {name: 4 + index % 5 for index, name in enumerate(weights)})
    return network


def test_a_fresh_process_computes_the_same(
    resnet20: fx.GraphModule, said_in_a_fresh_process: Fresh, tmp_path: Path
) -> None:
    path = tmp_path / "m.pt"
    record = {"model": {"arch": "resnet20", "num_classes": 10, "image_size": 32}}
    _, size = save_model(path, resnet20, record)
    assert said_in_a_fresh_process(path, "reference") == [digest(logits(resnet20, 32))]
    assert size < sum(tensor.nbytes for tensor in resnet20.state_dict().values()) / 4
    record_bytes = len(json.dumps(read_record(path)))
    graph = read_record(path)["graph"]  # type: ignore[index]
    assert record_bytes < 300
    assert graph["bytes"] < 2500 < 15_000 < graph["plain_bytes"], "graph and layout of 122 tensors"


def test_a_weight_that_was_changed_afterwards_is_no_integer(tmp_path: Path) -> None:
    network = tiny()
    with torch.no_grad():
        network.get_parameter("conv.weight").add_(0.001)
    with pytest.raises(ValueError, match=r"was changed after it was quantized|integers beyond 4 bits"):
        save_model(tmp_path / "m.pt", network, RECORD)
    assert not (tmp_path / "m.pt").exists()


def refused(act: Callable[[], object]) -> tuple[str, str, str]:
    with pytest.raises(UserError) as caught:
        act()
    return caught.value.code, caught.value.message, caught.value.hint


def parts(path: Path) -> tuple[dict[str, Any], dict[str, Any], Tensor]:
    """Of the packed file at `path` the record, the contents and what follows them in the payload."""
    file = read_model(path)
    assert file.record is not None
    contents = packed.contents(file.tensors, file.record["graph"])
    assert contents is not None
    said = {"codec": contents._codec, "graph": contents.graph, "layout": contents._layout}
    return file.record, json.loads(json.dumps(said)), contents._body


def write(path: Path, record: dict[str, Any], contents: object, body: Tensor) -> None:
    """A packed file with whatever contents."""
    text = contents if isinstance(contents, bytes) else json.dumps(contents).encode()
    head = deflated([text])
    payload = torch.cat([torch.frombuffer(bytearray(head), dtype=torch.uint8), body])
    graph = {"packed": 1, "bytes": len(head), "plain_bytes": len(text)}
    write_model(path, {"packed": payload}, {**record, "graph": graph})


UPDATE = "Update capstone: a newer one wrote this file"


@pytest.mark.parametrize(
    ("graph", "reason"),
    [
        ({"bytes": -1}, "its record does not say how long its contents are"),
        ({"bytes": 1.0}, "its record does not say how long its contents are"),
        ({"plain_bytes": None}, "its record does not say how long its contents are"),
        ({"more": 1}, "its record does not say how long its contents are"),
        ({"plain_bytes": 2**22 + 1}, f"expected at most {2**22} bytes of contents, found {2**22 + 1}"),
        ({"bytes": 10**6}, "its payload has SIZE bytes, its contents 1000000"),
        ({"plain_bytes": 12}, "its contents do not come to 12 bytes"),
        ({"bytes": 200}, "its contents do not come to PLAIN bytes"),
    ],
)
def test_records_that_are_refused(tmp_path: Path, graph: dict[str, Any], reason: str) -> None:
    path = tmp_path / "m.pt"
    save_model(path, tiny(), RECORD)
    file = read_model(path)
    record: dict[str, Any] = file.record or {}
    reason = reason.replace("SIZE", str(len(file.tensors["packed"])))
    reason = reason.replace("PLAIN", str(record["graph"]["plain_bytes"]))
    write_model(path, file.tensors, {**record, "graph": {**record["graph"], **graph}})
    assert refused(lambda: load_model(path)) == ("model_packed_invalid", f"{path}: {reason}", REMAKE)


@pytest.mark.parametrize(
    "tensors",
    [
        {"other": torch.zeros(3, dtype=torch.uint8)},
        {"packed": torch.zeros(3)},
        {"packed": torch.zeros(3, 1, dtype=torch.uint8)},
        {"packed": torch.zeros(3, dtype=torch.uint8), "w": torch.zeros(1)},
    ],
)
def test_payloads_that_are_none(tmp_path: Path, tensors: dict[str, Tensor]) -> None:
    path = tmp_path / "m.pt"
    save_model(path, tiny(), RECORD)
    write_model(path, tensors, read_record(path) or {})
    expected = ("model_packed_invalid", f"{path}: expected one tensor packed of bytes", REMAKE)
    assert refused(lambda: load_model(path)) == expected


@pytest.mark.parametrize(
    ("contents", "reason"),
    [
        (b"[", "its contents are no JSON (Expecting value: line 1 column 2 (char 1))"),
        (b'{"layout":NaN}', "its contents are no JSON (NaN is no JSON number)"),
        (b"[1]", "its contents are not codec, graph and layout"),
        ({"codec": "deflate", "graph": {}}, "its contents are not codec, graph and layout"),
        (
            {"codec": "zip", "graph": {}, "layout": {}},
            "expected the codec deflate or none, found 'zip'",
        ),
        ({"codec": "none", "graph": {}, "layout": {}}, "its layout is no object with a version"),
    ],
)
def test_contents_that_are_refused(tmp_path: Path, contents: object, reason: str) -> None:
    path = tmp_path / "m.pt"
    save_model(path, tiny(), RECORD)
    record, _, body = parts(path)
    write(path, record, contents, body)
    assert refused(lambda: load_model(path)) == ("model_packed_invalid", f"{path}: {reason}", REMAKE)


def test_deeply_nested_contents(tmp_path: Path) -> None:
    path = tmp_path / "m.pt"
    save_model(path, tiny(), RECORD)
    record, _, body = parts(path)
    write(path, record, b"[" * 100_000, body)
    code, message, hint = refused(lambda: load_model(path))
    assert (code, hint) == ("model_packed_invalid", REMAKE)
    assert message.startswith(f"{path}: its contents are no JSON (")  # the rest is Python's


def test_newer_packings(tmp_path: Path) -> None:
    path = tmp_path / "m.pt"
    save_model(path, tiny(), RECORD)
    record, contents, body = parts(path)
    newer = "this file needs a newer capstone"
    write(path, record, {**contents, "layout": {**contents["layout"], "version": 2}}, body)
    assert refused(lambda: load_model(path)) == (
        "model_format_unknown",
        f"{path}: expected layout 1, found 2: {newer}",
        UPDATE,
    )
    write_model(path, {"packed": body}, {**record, "graph": {"packed": 2, "somewhere": "else"}})
    assert refused(lambda: load_model(path)) == (
        "model_format_unknown",
        f"{path}: expected packing 1, found 2: {newer}",
        UPDATE,
    )


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (
            lambda tensors: [["other.weight", *tensors[0][1:]], *tensors[1:]],
            "conv.weight is missing; other.weight is not part of it",
        ),
        (
            lambda tensors: [[*tensors[0][:2], [4, 3, 9, 1], *tensors[0][3:]], *tensors[1:]],
            "conv.weight is float32 4x3x9x1, expected float32 4x3x3x3",
        ),
    ],
)
def test_tensors_that_do_not_fit_the_graph_are_not_unpacked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, change: Callable[[Any], Any], reason: str
) -> None:
    path = tmp_path / "m.pt"
    save_model(path, tiny(), RECORD)
    record, contents, body = parts(path)
    contents["layout"]["tensors"] = change(contents["layout"]["tensors"])
    write(path, record, contents, body)
    monkeypatch.setattr(packed, "unpack_tensors", lambda *_: pytest.fail("it was unpacked"))
    assert refused(lambda: load_model(path)) == (
        "model_does_not_fit",
        f"{path}: its weights do not fit its graph: {reason}",
        "Name the architecture and stem that the weights belong to",
    )


def test_a_damaged_body(tmp_path: Path) -> None:
    path = tmp_path / "m.pt"
    save_model(path, tiny(), RECORD)
    record, contents, body = parts(path)
    write(path, record, contents, body[:-1])
    assert refused(lambda: load_model(path)) == (
        "model_packed_invalid",
        f"{path}: its payload has {len(body) - 1} bytes, its layout {len(body)}",
        REMAKE,
    )


def test_a_small_file_with_a_large_network(tmp_path: Path) -> None:
    """A graph of 4 GB with a layout that fits it, in 2 kB."""
    with torch.device("meta"):
        network = trace(Huge())
    layout = {
        "version": 1,
        "tensors": [
            ["one.weight", "float32", [2**22, 192], 4, 4, [0, 0, 0]],
            ["one.bias", "float32", [2**22]],
            ["two.weight", "float32", [2, 2**22], 4, 4, [0, 0, 0]],
            ["two.bias", "float32", [2]],
        ],
        "scales": 1000,
        "plain": {"float32": 1000},
    }
    path = tmp_path / "m.pt"
    contents = {"codec": "deflate", "graph": to_json(network), "layout": layout}
    write(path, {**RECORD, "format": 1}, contents, torch.zeros(2000, dtype=torch.uint8))
    assert path.stat().st_size < 5000
    assert refused(lambda: load_model(path)) == (
        "model_packed_too_large",
        f"{path}: a payload of 2000 bytes stands for too many bytes of weights",
        REMAKE,
    )
