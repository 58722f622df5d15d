"""Published weights from a server of the test's own, and what becomes of them."""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
import torch
import torchvision
from torch import Tensor, nn

from .. import schema
from ..errors import MachineError, Stopped, UserError
from ..graph.trace import trace
from ..report import Event, ShouldStop, never_stop
from .architectures import ARCHITECTURES
from .build import build
from .file import load_model, save_model
from .foreign import start_from
from .pretrained import MIRROR, bring_weights, normalisation, published_weights
from .resnet import Stem
from .vit import VisionTransformer, at_image_size

CONTENT = bytes(range(256)) * 4096
FILE = f"resnet18-{hashlib.sha256(CONTENT).hexdigest()[:8]}.pth"
Answer = Callable[[BaseHTTPRequestHandler], None]


class Server(ThreadingHTTPServer):
    """Answers as the test says and remembers what it was asked for."""

    daemon_threads = True
    requests: list[str]
    answer: Answer

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"


class Handler(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        assert isinstance(self.server, Server)
        self.server.requests.append(self.path)
        self.server.answer(self)

    def do_CONNECT(self) -> None:
        assert isinstance(self.server, Server)
        self.server.requests.append(f"CONNECT {self.path}")
        self.send_error(405)

    def log_message(self, *arguments: object) -> None:
        pass


def sends(content: bytes, length: int | None = None) -> Answer:
    def answer(request: BaseHTTPRequestHandler) -> None:
        request.send_response(200)
        request.send_header("Content-Length", str(len(content) if length is None else length))
        request.end_headers()
        request.wfile.write(content)

    return answer


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    with Server(("127.0.0.1", 0), Handler) as server:
        server.requests, server.answer = [], sends(CONTENT)
        monkeypatch.setenv(MIRROR, f"{server.url}/mirror/")
        monkeypatch.setenv("no_proxy", "127.0.0.1")
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield server
        server.shutdown()


def brought(
    folder: Path, events: list[Event] | None = None, should_stop: ShouldStop = never_stop, file: str = FILE
) -> Path:
    report = ([] if events is None else events).append
    return bring_weights("resnet18", file, folder, report, should_stop)


def refusal(folder: Path, file: str = FILE) -> tuple[str, str, str]:
    with pytest.raises(MachineError) as refused:
        brought(folder, file=file)
    return refused.value.code, refused.value.message, refused.value.hint


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir() if path.suffix != ".lock")


def test_downloaded_once(tmp_path: Path, server: Server) -> None:
    folder, events = tmp_path / "cache" / "weights", list[Event]()
    assert brought(folder, events) == folder / FILE
    assert brought(folder) == folder / FILE
    assert server.requests == [f"/mirror/{FILE}"]
    assert (folder / FILE).read_bytes() == CONTENT
    assert names(folder) == [FILE]
    assert events[:2] == [
        {
            "type": "log",
            "level": "info",
            "message": f"downloading {server.url}/mirror/{FILE} into {folder}",
        },
        {"type": "phase", "phase": "download"},
    ]
    assert events[-1].items() >= {"done": len(CONTENT), "total": len(CONTENT), "unit": "bytes"}.items()


def test_a_file_that_was_put_there_needs_no_network(tmp_path: Path, server: Server) -> None:
    (tmp_path / FILE).write_bytes(CONTENT)
    assert brought(tmp_path) == tmp_path / FILE
    assert server.requests == []


def test_a_damaged_file_is_downloaded_anew(tmp_path: Path, server: Server) -> None:
    (tmp_path / FILE).write_bytes(CONTENT[:-1])
    events: list[Event] = []
    assert brought(tmp_path, events).read_bytes() == CONTENT
    assert events[0] == {
        "type": "log",
        "level": "warning",
        "message": f"{tmp_path}/{FILE} is damaged or was not complete; it is downloaded anew",
    }


def missing(folder: Path, url: str, reason: str) -> tuple[str, str, str]:
    return (
        "weights_missing",
        f"weights of resnet18: {url}/mirror/{FILE} cannot be downloaded: {reason}",
        f"Run the same command again, or put {FILE} into {folder}, "
        f"or set CAPSTONE_WEIGHTS_MIRROR to the address of a folder that holds {FILE}",
    )


def test_another_file(tmp_path: Path, server: Server) -> None:
    server.answer = sends(CONTENT[::-1])
    wanted, found = (hashlib.sha256(content).hexdigest()[:8] for content in (CONTENT, CONTENT[::-1]))
    reason = f"expected a file with SHA-256 {wanted}, got one with {found}"
    assert refusal(tmp_path) == missing(tmp_path, server.url, reason)
    assert names(tmp_path) == []


def test_a_connection_that_ends_half_way(tmp_path: Path, server: Server) -> None:
    server.answer = sends(CONTENT[:1000], length=len(CONTENT))
    reason = f"the connection ended after 1000 of {len(CONTENT)} bytes"
    assert refusal(tmp_path) == missing(tmp_path, server.url, reason)
    assert names(tmp_path) == []
    server.answer = sends(CONTENT)
    assert brought(tmp_path).read_bytes() == CONTENT


def test_a_server_that_has_no_such_file(tmp_path: Path, server: Server) -> None:
    server.answer = lambda request: request.send_error(404)
    assert refusal(tmp_path) == missing(tmp_path, server.url, "the server answered 404 Not Found")


def test_no_network(tmp_path: Path, server: Server) -> None:
    url = server.url
    server.shutdown()
    server.server_close()
    assert refusal(tmp_path) == missing(tmp_path, url, "connection refused")


def test_stopped(tmp_path: Path, server: Server) -> None:
    asked: list[object] = []

    def should_stop() -> bool:
        asked.append(None)
        return len(asked) > 2

    server.answer = sends(CONTENT[:1000], length=len(CONTENT))
    with pytest.raises(Stopped):
        brought(tmp_path, should_stop=should_stop)
    assert names(tmp_path) == []


def test_a_folder_that_cannot_be_made(tmp_path: Path) -> None:
    (tmp_path / "weights").write_bytes(b"")
    assert refusal(tmp_path / "weights") == (
        "weights_not_written",
        f"weights of resnet18: {tmp_path}/weights/{FILE} cannot be written: File exists",
        "Make room there, or set XDG_CACHE_HOME to another folder",
    )


def test_without_a_mirror_the_address_is_torchvisions(
    tmp_path: Path, server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The server stands for a proxy: of an https address it is asked for a tunnel, which it has none of."""
    monkeypatch.delenv(MIRROR)
    monkeypatch.setenv("https_proxy", server.url)
    folder = published_weights("resnet18").url.rpartition("/")[0]
    _, message, _ = refusal(tmp_path)
    assert message.startswith(f"weights of resnet18: {folder}/{FILE} cannot be downloaded: ")
    assert server.requests == [f"CONNECT {folder.split('/')[2]}:443"]


WEIGHTS = {arch: said["weights"] for arch, said in schema.load("job")["x-architectures"].items()}


def test_what_torchvision_has_no_network_of_has_no_published_weights() -> None:
    assert {arch for arch, files in WEIGHTS.items() if files} == ARCHITECTURES.keys() & set(
        torchvision.models.list_models()
    )


@pytest.mark.parametrize("arch", [arch for arch, files in WEIGHTS.items() if files])
def test_the_schema_names_torchvisions_files(arch: str) -> None:
    assert published_weights(arch).url.rpartition("/")[2] == WEIGHTS[arch]["imagenet"]
    assert normalisation(arch) == ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))


def test_a_fresh_network_with_published_weights(tmp_path: Path) -> None:
    """All but the head, from a zip whose prefix is the file's name and not `archive`."""
    path = tmp_path / "resnet18-0.pth"
    torch.manual_seed(1)
    published = torchvision.models.resnet18().state_dict()
    counters = [name for name in published if name.endswith("num_batches_tracked")]
    torch.save({name: tensor for name, tensor in published.items() if name not in counters}, path)
    network = build("resnet18", num_classes=10, stem="imagenet", image_size=32, seed=0)
    fresh = {name: tensor.clone() for name, tensor in network.state_dict().items()}
    start_from(path, network, "resnet18", 32)
    for name, tensor in network.state_dict().items():
        wanted = fresh if name.startswith("fc.") or name in counters else published
        assert torch.equal(tensor, wanted[name]), name


def test_published_weights_of_another_network(tmp_path: Path) -> None:
    path = tmp_path / "m.pth"
    torch.save(nn.Conv2d(3, 4, 3).state_dict(), path)
    network = build("resnet18", num_classes=10, stem="imagenet", image_size=32, seed=0)
    with pytest.raises(UserError) as refused:
        start_from(path, network, "resnet18", 32)
    assert refused.value.message == (
        f"{path}: its weights do not fit resnet18: conv1.weight is missing; bn1.weight is missing; "
        "bn1.bias is missing; and 99 more"
    )


def small_vit(num_classes: int, stem: Stem, image_size: int) -> nn.Module:
    return VisionTransformer(
        image_size=image_size,
        patch_size=16,
        num_layers=1,
        num_heads=2,
        hidden_dim=8,
        mlp_dim=16,
        num_classes=num_classes,
    )


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    """vit_b_16 is a small network for a while: the rest of what is known of it stays."""
    small = replace(ARCHITECTURES["vit_b_16"], build=small_vit)
    monkeypatch.setitem(ARCHITECTURES, "vit_b_16", small)


def test_position_embeddings_for_another_image_size() -> None:
    """From 3x3 patches to 2x2, corners on corners; the class token's own stays."""
    positions = torch.arange(10.0).view(1, 10, 1).expand(1, 10, 8)
    fitted = at_image_size({"encoder.pos_embedding": positions}, 32)["encoder.pos_embedding"]
    assert fitted[0, :, 0].tolist() == [0, 1, 3, 7, 9]


@pytest.mark.parametrize("shape", [(10, 8), (2, 10, 8), (1, 9, 8), (1, 1, 8), (1, 0, 8)])
def test_what_is_no_position_embedding_is_left(shape: tuple[int, ...]) -> None:
    positions = torch.zeros(shape)
    assert at_image_size({"encoder.pos_embedding": positions}, 32)["encoder.pos_embedding"] is positions


@pytest.mark.usefixtures("small")
def test_a_foreign_vit(tmp_path: Path) -> None:
    """In float16, with the names of torchvision 0.13, for images of 224 pixels; read for 32 and for 224."""
    torch.manual_seed(0)
    network = small_vit(5, "imagenet", 224).eval()
    path = tmp_path / "vit.pth"
    torch.save({old_name(name): tensor.half() for name, tensor in network.state_dict().items()}, path)
    network.load_state_dict({name: tensor.half() for name, tensor in network.state_dict().items()})
    loaded = load_model(path, arch="vit_b_16")
    model = {"arch": "vit_b_16", "family": "vit", "num_classes": 5, "stem": "imagenet", "image_size": 224}
    assert loaded.record["model"] == model
    images = torch.randn(2, 3, 224, 224)
    assert torch.equal(loaded.network(images), network(images))
    smaller = load_model(path, arch="vit_b_16", image_size=32)
    assert smaller.record["model"] == {**model, "image_size": 32}
    assert smaller.network(torch.randn(2, 3, 32, 32)).shape == (2, 5)
    save_model(tmp_path / "ours.pth", smaller.network, smaller.record)
    assert load_model(tmp_path / "ours.pth").network(torch.randn(1, 3, 32, 32)).shape == (1, 5)


@pytest.mark.usefixtures("small")
def test_published_weights_of_a_vit(tmp_path: Path) -> None:
    torch.manual_seed(0)
    published = small_vit(1000, "imagenet", 224).state_dict()
    path = tmp_path / "vit.pth"
    torch.save({old_name(name): tensor for name, tensor in published.items()}, path)
    network = build("vit_b_16", num_classes=10, stem="imagenet", image_size=32, seed=0)
    fresh = {name: tensor.clone() for name, tensor in network.state_dict().items()}
    start_from(path, network, "vit_b_16", 32)
    differ = [name for name, tensor in network.state_dict().items() if not same(tensor, published[name])]
    assert differ == ["encoder.pos_embedding", "heads.head.weight", "heads.head.bias"]
    assert torch.equal(network.state_dict()["heads.head.weight"], fresh["heads.head.weight"])
    assert torch.equal(
        network.state_dict()["encoder.pos_embedding"][:, 0], published["encoder.pos_embedding"][:, 0]
    )
    trace(network)


@pytest.mark.usefixtures("small")
def test_a_foreign_vit_for_an_image_size_it_cannot_have(tmp_path: Path) -> None:
    path = tmp_path / "vit.pth"
    torch.save(small_vit(5, "imagenet", 32).state_dict(), path)
    with pytest.raises(UserError) as refused:
        load_model(path, arch="vit_b_16", image_size=40)
    assert refused.value.message == (
        "vit_b_16: expected as image_size a multiple of 16, at least 32, found 40"
    )


def old_name(name: str) -> str:
    return name.replace("mlp.0.", "mlp.linear_1.").replace("mlp.3.", "mlp.linear_2.")


def same(tensor: Tensor, other: Tensor) -> bool:
    return tensor.shape == other.shape and torch.equal(tensor, other)
