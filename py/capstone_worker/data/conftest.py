"""Small data sets, in a folder and in CIFAR's format, a server for the latter, and a cache of one's own."""

from __future__ import annotations

import gzip
import hashlib
import io
import pickle
import struct
import tarfile
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt
import pytest
import torch
from PIL import Image
from torch import Tensor

from capstone_worker.data.cache import Dataset
from capstone_worker.data.decode import open_split
from capstone_worker.data.published import PUBLISHED, Published
from capstone_worker.data.source import resolve


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return tmp_path / "cache" / "capstone"


def write_images(
    root: Path,
    classes: Sequence[str],
    counts: Mapping[str, int],
    pixels: Callable[[int], npt.NDArray[np.uint8]],
) -> None:
    """``<split>/<class>/<number>.png``: so many of each class in each split; ``pixels`` of its index."""
    for split, count in counts.items():
        for index, name in enumerate(classes):
            folder = root / split / name
            folder.mkdir(parents=True)
            for number in range(count):
                Image.fromarray(pixels(index)).save(folder / f"{number}.png")


@pytest.fixture
def pets(tmp_path: Path) -> Path:
    """Two classes, 3 training and 2 test images each, 8x8, among files that are no images."""
    root = tmp_path / "data" / "pets"
    random, counts = np.random.default_rng(0), {"train": 3, "test": 2}
    write_images(root, ["cat", "dog"], counts, lambda _: random.integers(0, 256, (8, 8, 3), dtype=np.uint8))
    for split in counts:
        for label in ("cat", "dog"):
            (root / split / label / "notes.txt").write_text("no image")
            (root / split / label / ".hidden.png").write_text("no image")
        (root / split / ".git").mkdir()
    return root


class Python2Pickler(pickle._Pickler):
    """Writes bytes and str as Python 2 wrote its str, which is what CIFAR's batches are full of."""

    def save_string(self: Any, value: bytes | str) -> None:
        data = value if isinstance(value, bytes) else value.encode("latin1")
        self.write(pickle.BINSTRING + struct.pack("<i", len(data)) + data)
        self.memoize(value)

    dispatch: ClassVar[dict[type, Any]] = {**pickle._Pickler.dispatch, bytes: save_string, str: save_string}


def python2_pickle(value: object) -> bytes:
    buffer = io.BytesIO()
    Python2Pickler(buffer, protocol=2).dump(value)
    return buffer.getvalue()


def md5(data: bytes) -> str:
    return hashlib.md5(data, usedforsecurity=False).hexdigest()


@dataclass(frozen=True)
class Official:
    """A small data set in the official format, and what is in it.

    Attributes:
        published: with the MD5s of these files.
        files: name in the folder -> bytes.
        archive: bytes of the tar.gz.
        images: split -> (N, 3, 32, 32) uint8.
        labels: split -> (N,).
        classes: names.
    """

    published: Published
    files: dict[str, bytes]
    archive: bytes
    images: dict[str, npt.NDArray[np.uint8]]
    labels: dict[str, list[int]]
    classes: list[str]

    def extract(self, data_root: Path) -> Path:
        folder = data_root / self.published.folder
        folder.mkdir(parents=True, exist_ok=True)
        for name, data in self.files.items():
            (folder / name).write_bytes(data)
        return folder


def make_official(name: str, images_per_batch: int = 20) -> Official:
    """``cifar10`` or ``cifar100``, with few images and with the MD5s that these files have."""
    like = PUBLISHED[name]
    random = np.random.default_rng(0)
    classes = [f"{name} class {number}" for number in range(int(name.removeprefix("cifar")))]
    files: dict[str, bytes] = {}
    images: dict[str, npt.NDArray[np.uint8]] = {}
    labels: dict[str, list[int]] = {}
    for split, batches in (("train", like.train), ("test", like.test)):
        shape = (len(batches), images_per_batch, 3072)
        pixels = random.integers(0, 256, shape, dtype=np.uint8)
        images[split] = pixels.reshape(-1, 3, 32, 32)
        labels[split] = random.integers(0, len(classes), shape[0] * shape[1]).tolist()
        for number, batch in enumerate(batches):
            of_batch = slice(number * images_per_batch, (number + 1) * images_per_batch)
            entry = {
                "batch_label": f"batch {number}",
                like.labels_key: labels[split][of_batch],
                "data": pixels[number],
                "filenames": [f"{number}_{image}.png" for image in range(images_per_batch)],
            }
            if name == "cifar100":
                entry["coarse_labels"] = [0] * images_per_batch
            files[batch] = python2_pickle(entry)
    (meta,) = like.meta
    files[meta] = python2_pickle({like.classes_key: classes, "num_vis": 3072})

    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        for file, data in {**files, "readme.html": b"<html>"}.items():
            member = tarfile.TarInfo(f"{like.folder}/{file}")
            member.size = len(data)
            archive.addfile(member, io.BytesIO(data))
        outside = tarfile.TarInfo(f"../{like.folder}/outside")
        archive.addfile(outside, io.BytesIO())
    packed = gzip.compress(buffer.getvalue(), mtime=0)  # the same bytes in every process
    published = replace(
        like,
        archive_md5=md5(packed),
        archive_bytes=len(packed),
        train={file: md5(files[file]) for file in like.train},
        test={file: md5(files[file]) for file in like.test},
        meta={file: md5(files[file]) for file in like.meta},
    )
    return Official(published, files, packed, images, labels, classes)


@pytest.fixture(params=["cifar10", "cifar100"])
def named(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def official(monkeypatch: pytest.MonkeyPatch) -> Official:
    """A small cifar10, known to `resolve` for the length of a test."""
    made = make_official("cifar10")
    monkeypatch.setitem(PUBLISHED, "cifar10", made.published)
    return made


class Server:
    """A loopback web server that is asked for one file and does to it what a test wants.

    Attributes:
        requests: the paths it was asked for.
        answer: what it does with a request; at first it serves ``content``.
    """

    def __init__(self) -> None:
        self.content = b""
        self.requests: list[str] = []
        self.answer: Callable[[BaseHTTPRequestHandler], None] = self.serve
        server = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                server.requests.append(self.path)
                server.answer(self)

            def log_message(self, *_: object) -> None:
                pass

        self._http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._http.server_port}"
        threading.Thread(target=self._http.serve_forever, args=(0.02,), daemon=True).start()

    def serve(self, request: BaseHTTPRequestHandler) -> None:
        self.serve_part(request, len(self.content))

    def serve_part(self, request: BaseHTTPRequestHandler, count: int) -> None:
        """Promise everything and send ``count`` bytes."""
        request.send_response(200)
        request.send_header("Content-Length", str(len(self.content)))
        request.end_headers()
        request.wfile.write(self.content[:count])

    def close(self) -> None:
        self._http.shutdown()
        self._http.server_close()


@pytest.fixture
def server(official: Official, monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    """Where cifar10 is downloaded from."""
    made = Server()
    made.content = official.archive
    for variable in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.delenv(variable, raising=False)
    monkeypatch.setenv("CAPSTONE_CIFAR_MIRROR", f"{made.url}/mirror/")
    yield made
    made.close()


def first_of_fashion(train: int, test: int) -> Dataset:
    """The first images of the bundled set, at 32x32."""
    source = resolve("fashion_mnist_mini", data_root=Path("nowhere"))

    def first(split: str, count: int) -> tuple[Tensor, Tensor]:
        reader = open_split(source, split, 32)
        images = np.stack([reader.decode(index) for index in range(count)])
        return torch.from_numpy(images), torch.from_numpy(reader.labels[:count])

    return Dataset(
        *first("train", train),
        *first("test", test),
        classes=source.classes,
        mean=(0.22,) * 3,
        std=(0.33,) * 3,
        digest="of a part",
    )
