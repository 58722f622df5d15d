import os
import signal
import subprocess
import sys
import tempfile
import threading
import time
from http.server import BaseHTTPRequestHandler
from pathlib import Path

import numpy as np
import pytest
import torch

from capstone_worker import download as download_module
from capstone_worker.artifact.read import read_record
from capstone_worker.by_hand.main import main
from capstone_worker.data.cache import Dataset, load
from capstone_worker.data.conftest import Official, Server, md5
from capstone_worker.data.source import resolve
from capstone_worker.errors import CapstoneError, MachineError, Stopped, UserError
from capstone_worker.report import Event, ShouldStop, never_stop

ARCHIVE = "cifar-10-python.tar.gz"
FOLDER = "cifar-10-batches-py"


def fetched(
    data_root: Path, events: list[Event] | None = None, should_stop: ShouldStop = never_stop
) -> Dataset:
    report = ([] if events is None else events).append
    return load(resolve("cifar10", data_root=data_root), 32, report, should_stop)


def refusal(
    data_root: Path, kind: type[CapstoneError] = MachineError, events: list[Event] | None = None
) -> tuple[str, str, str]:
    """What the user sees, whole."""
    with pytest.raises(kind) as call:
        fetched(data_root, events)
    assert type(call.value) is kind
    return call.value.code, call.value.message, call.value.hint


def not_downloaded(data_root: Path, server: Server, reason: str) -> tuple[str, str, str]:
    """The refusal of a download."""
    return (
        "download_failed",
        f"data set cifar10: {server.url}/mirror/{ARCHIVE} cannot be downloaded: {reason}",
        f"Run the same command again, or put {ARCHIVE} or the folder {FOLDER} from it into {data_root}, "
        f"or images into {data_root}/cifar10/train/<class>/ and {data_root}/cifar10/test/<class>/, or set "
        f"CAPSTONE_CIFAR_MIRROR to the address of a folder that holds {ARCHIVE}",
    )


def phases(events: list[Event]) -> list[str]:
    return [event["phase"] for event in events if event["type"] == "phase"]


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_download_from_nothing(tmp_path: Path, official: Official, server: Server) -> None:
    data_root, events = tmp_path / "new" / "data", list[Event]()
    data = fetched(data_root, events)
    assert server.requests == [f"/mirror/{ARCHIVE}"]
    assert np.array_equal(data.train_images.numpy(), official.images["train"])
    assert phases(events) == ["download", "extract", "decode", "decode"]
    message = f"downloading {server.url}/mirror/{ARCHIVE} into {data_root}"
    assert events[0] == {"type": "log", "level": "info", "message": message}
    done = [event for event in events if event["type"] == "progress" and event["phase"] == "download"][-1]
    size = len(official.archive)
    assert (done["done"], done["total"], done["unit"], done["eta_s"]) == (size, size, "bytes", 0)
    assert names(data_root) == [FOLDER, ARCHIVE]
    assert names(data_root / FOLDER) == sorted(official.files)  # and nothing else that was in the archive
    assert not (data_root.parent / FOLDER).exists()
    assert (data_root / ARCHIVE).read_bytes() == official.archive


def test_decoded_once_it_is_not_fetched_again(tmp_path: Path, server: Server) -> None:
    fetched(tmp_path / "data")
    events: list[Event] = []
    fetched(tmp_path / "another workspace", events)
    assert len(server.requests) == 1
    assert events == []
    assert not (tmp_path / "another workspace").exists()


def test_what_is_there_is_not_downloaded(tmp_path: Path, official: Official, server: Server) -> None:
    official.extract(tmp_path)
    events: list[Event] = []
    fetched(tmp_path, events)
    assert (server.requests, phases(events)) == ([], ["decode", "decode"])
    assert FOLDER in names(tmp_path) and ARCHIVE not in names(tmp_path)


def test_an_archive_is_extracted_and_fills_gaps(tmp_path: Path, official: Official, server: Server) -> None:
    (tmp_path / ARCHIVE).write_bytes(official.archive)
    folder = official.extract(tmp_path)
    (folder / "data_batch_2").unlink()
    before = (folder / "data_batch_1").stat().st_mtime_ns
    events: list[Event] = []
    fetched(tmp_path, events)
    assert (server.requests, phases(events)) == ([], ["extract", "decode", "decode"])
    assert (folder / "data_batch_2").read_bytes() == official.files["data_batch_2"]
    assert (folder / "data_batch_1").stat().st_mtime_ns == before


def test_a_torn_archive_is_downloaded_anew(tmp_path: Path, official: Official, server: Server) -> None:
    (tmp_path / ARCHIVE).write_bytes(official.archive[:1000])
    events: list[Event] = []
    fetched(tmp_path, events)
    assert (tmp_path / ARCHIVE).read_bytes() == official.archive
    assert events[0] == {
        "type": "log",
        "level": "warning",
        "message": f"{tmp_path}/{ARCHIVE} is damaged or was not complete; it is downloaded anew",
    }


def test_connection_that_ends_half_way(tmp_path: Path, official: Official, server: Server) -> None:
    half, whole = len(official.archive) // 2, len(official.archive)
    server.answer = lambda request: server.serve_part(request, half)
    expected = not_downloaded(tmp_path, server, f"the connection ended after {half} of {whole} bytes")
    assert refusal(tmp_path) == expected
    assert ARCHIVE not in names(tmp_path) and f".{ARCHIVE}.partial" not in names(tmp_path)
    server.answer = server.serve
    assert len(fetched(tmp_path).train_labels) == 100


@pytest.mark.parametrize("length_said", [True, False])
def test_another_file(tmp_path: Path, official: Official, server: Server, length_said: bool) -> None:
    server.content = official.archive[::-1]
    if not length_said:

        def serve(request: BaseHTTPRequestHandler) -> None:
            request.send_response(200)
            request.end_headers()
            request.wfile.write(server.content)

        server.answer = serve
    expected, found = official.published.archive_md5, md5(server.content)
    reason = f"expected a file with MD5 {expected}, got one with {found}"
    assert refusal(tmp_path) == not_downloaded(tmp_path, server, reason)
    assert [name for name in names(tmp_path) if ARCHIVE in name] == []


@pytest.mark.parametrize(
    "status, words", [(404, "404 Not Found"), (503, "503 Service Unavailable"), (599, "599")]
)
def test_server_that_refuses(tmp_path: Path, server: Server, status: int, words: str) -> None:
    server.answer = lambda request: request.send_error(status, "\x1b[31mhostile words")
    assert refusal(tmp_path) == not_downloaded(tmp_path, server, f"the server answered {words}")


def test_nobody_answers(tmp_path: Path, server: Server) -> None:
    server.close()
    assert refusal(tmp_path) == not_downloaded(tmp_path, server, "connection refused")


def test_server_that_falls_silent(tmp_path: Path, server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(download_module, "SILENCE_S", 0.2)
    done = threading.Event()

    def stall(request: BaseHTTPRequestHandler) -> None:
        done.wait(10)

    server.answer = stall
    assert refusal(tmp_path) == not_downloaded(tmp_path, server, "no answer for 0 s")
    done.set()


def test_host_that_does_not_exist(
    tmp_path: Path, official: Official, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CAPSTONE_CIFAR_MIRROR", "http://no-such-host.invalid")
    code, message, _ = refusal(tmp_path)
    assert (code, message.partition(": ")[0]) == ("download_failed", "data set cifar10")
    # The reason is the resolver's, in its own words.
    assert message.startswith(
        f"data set cifar10: http://no-such-host.invalid/{ARCHIVE} cannot be downloaded: "
    )


def test_mirror_that_is_no_address(
    tmp_path: Path, official: Official, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CAPSTONE_CIFAR_MIRROR", "mirror")
    assert refusal(tmp_path)[1] == (
        f"data set cifar10: mirror/{ARCHIVE} cannot be downloaded: unknown url type: 'mirror/{ARCHIVE}'"
    )


def test_proxy(tmp_path: Path, official: Official, server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CAPSTONE_CIFAR_MIRROR", "http://mirror.invalid")
    monkeypatch.setenv("http_proxy", server.url)
    fetched(tmp_path)
    assert server.requests == [f"http://mirror.invalid/{ARCHIVE}"]


def test_without_a_mirror_the_publisher_is_asked(
    tmp_path: Path, official: Official, server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CAPSTONE_CIFAR_MIRROR", "")
    monkeypatch.setenv("https_proxy", server.url)  # which knows no CONNECT
    code, message, _ = refusal(tmp_path)
    assert (code, message) == (
        "download_failed",
        f"data set cifar10: {official.published.url} cannot be downloaded: "
        "tunnel connection failed: 501 Unsupported method ('CONNECT')",
    )


def test_stops_while_the_server_is_silent(tmp_path: Path, server: Server) -> None:
    """And leaves nothing under the final name."""
    asked, done = threading.Event(), threading.Event()

    def stall(request: BaseHTTPRequestHandler) -> None:
        server.serve_part(request, 1000)
        asked.set()
        done.wait(10)

    server.answer = stall
    started = time.monotonic()
    with pytest.raises(Stopped):
        fetched(tmp_path, should_stop=asked.is_set)
    assert time.monotonic() - started < 5
    assert [name for name in names(tmp_path) if ARCHIVE in name] == []
    done.set()


def test_two_at_once_download_once(tmp_path: Path, server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of two image sizes, so that it is not the cache's lock that keeps them apart."""
    go = threading.Event()

    def slow(request: BaseHTTPRequestHandler) -> None:
        go.wait(10)
        server.serve(request)

    server.answer = slow
    events: dict[int, list[Event]] = {32: [], 16: []}
    source = resolve("cifar10", data_root=tmp_path)
    threads = [
        threading.Thread(target=load, args=(source, size, heard.append)) for size, heard in events.items()
    ]
    for thread in threads:
        thread.start()
    deadline = time.monotonic() + 10
    while "wait" not in phases([*events[32], *events[16]]) and time.monotonic() < deadline:
        time.sleep(0.01)
    go.set()
    for thread in threads:
        thread.join()
    assert len(server.requests) == 1
    assert sorted(map(phases, events.values())) == [
        ["download", "extract", "decode", "decode"],
        ["wait", "decode", "decode"],
    ]


KILLED = """
import sys
from pathlib import Path
from capstone_worker.data.cache import load
from capstone_worker.data.conftest import make_official
from capstone_worker.data.published import PUBLISHED
from capstone_worker.data.source import resolve

PUBLISHED["cifar10"] = make_official("cifar10").published
load(resolve("cifar10", data_root=Path(sys.argv[1])), 32, lambda event: print(event["type"], flush=True))
"""


def test_process_killed_half_way(tmp_path: Path, official: Official, server: Server) -> None:
    done = threading.Event()

    def stall(request: BaseHTTPRequestHandler) -> None:
        server.serve_part(request, 300_000)
        done.wait(30)

    server.answer = stall
    paths = os.pathsep.join(sys.path)
    process = subprocess.Popen(
        [sys.executable, "-c", KILLED, tmp_path],
        stdout=subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": paths},
    )
    assert process.stdout is not None
    for line in process.stdout:
        if line == b"progress\n":
            break
    process.send_signal(signal.SIGKILL)
    process.communicate()
    done.set()
    assert f".{ARCHIVE}.partial" in names(tmp_path) and ARCHIVE not in names(tmp_path)

    server.answer = server.serve
    assert np.array_equal(fetched(tmp_path).test_images.numpy(), official.images["test"])
    assert names(tmp_path / FOLDER) == sorted(official.files)
    assert f".{ARCHIVE}.partial" not in names(tmp_path)


FULL_DISK = """
import os, sys
from pathlib import Path
from capstone_worker.data.conftest import make_official
from capstone_worker.data.fetch import fetch
from capstone_worker.errors import CapstoneError

root = Path(sys.argv[1])
try:
    fetch("cifar10", make_official("cifar10").published, root, lambda event: None, lambda: False)
except CapstoneError as error:
    print(type(error).__name__, error.code, error.message, error.hint, sep="\\n")
print(sorted(path.name for path in root.iterdir()))
"""


@pytest.mark.parametrize("room_kb, left", [(200, []), (500, [FOLDER, ARCHIVE])])
def test_full_disk(tmp_path: Path, server: Server, room_kb: int, left: list[str]) -> None:
    """No room for the archive of 0.4 MB, or for that and what is in it."""
    program = [sys.executable, "-c", FULL_DISK, str(tmp_path)]
    mounted = f'mount -t tmpfs -o size={room_kb}k tmpfs "$0" && exec "$@"'
    done = subprocess.run(
        ["unshare", "--mount", "sh", "-c", mounted, tmp_path, *program],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
        check=False,
        capture_output=True,
        text=True,
    )
    assert done.stderr == "", "this test needs root, or the right to mount (CAP_SYS_ADMIN)"
    assert done.stdout.splitlines() == [
        "MachineError",
        "disk_full",
        f"data set cifar10: no room in {tmp_path} for {ARCHIVE} and what is in it: no space left on device",
        "Free space there, or choose another folder with --data-root",
        str(left),
    ]


def test_the_original_command_downloads(
    tmp_path: Path,
    official: Official,
    server: Server,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    argv = ["py/train.py", "--model", "resnet18", "--dataset", "cifar10", "--epochs", "1"]
    monkeypatch.setattr(sys, "argv", argv)
    threads = torch.get_num_threads()
    assert main("train", "usage") == 0
    torch.set_num_threads(threads)
    said = capfd.readouterr().err.splitlines()
    assert said[:4] == [
        f"cifar10: {ARCHIVE} (0 MB), downloaded into {tmp_path}/data when it is first needed",
        "load",
        f"info: downloading {server.url}/mirror/{ARCHIVE} into {tmp_path}/data",
        "download",
    ]
    record = read_record(tmp_path / "checkpoints" / "resnet18_cifar10.pth")
    assert record is not None
    assert record["classes"] == official.classes
    assert record["dataset"] == {
        "name": "cifar10",
        "source": "torchvision",
        "digest": official.published.digest(),
    }
    assert len(server.requests) == 1


def test_data_root_that_may_not_be_written(official: Official, server: Server) -> None:
    with tempfile.TemporaryDirectory() as folder:  # pytest's own may not be entered by others
        data_root = Path(folder) / "data"
        data_root.mkdir()
        Path(folder).chmod(0o755)
        user = os.geteuid()
        data_root.chmod(0o555)
        cache = Path(folder) / "cache"
        cache.mkdir()
        cache.chmod(0o777)
        os.environ["XDG_CACHE_HOME"] = str(cache)  # the fixture puts it back
        if user == 0:  # root may write everywhere
            os.seteuid(65534)
        try:
            said = refusal(data_root, UserError)
        finally:
            if user == 0:
                os.seteuid(0)
    assert said == (
        "data_root_not_writable",
        f"data set cifar10: {ARCHIVE} cannot be written to {data_root}: permission denied",
        f"Choose another folder with --data-root, or put {ARCHIVE} or the folder {FOLDER} from it into "
        f"{data_root}, "
        f"or images into {data_root}/cifar10/train/<class>/ and {data_root}/cifar10/test/<class>/",
    )
    assert server.requests == []


def test_data_root_that_is_a_file(tmp_path: Path, server: Server) -> None:
    data_root = tmp_path / "data"
    data_root.write_text("")
    assert refusal(data_root, UserError)[1] == (
        f"data set cifar10: {ARCHIVE} cannot be written to {data_root}: file exists"
    )
