"""A file from the network: whole, the right one, and under its final name only then.

Not torchvision's `download_url`: it writes to the final name from the first byte on, prints to stdout, falls
back to http, and cannot be asked to stop. Proxies are urllib's affair: http_proxy, https_proxy, no_proxy.
"""

from __future__ import annotations

import hashlib
import os
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from http import HTTPStatus
from http.client import HTTPException
from pathlib import Path
from queue import Empty, Full, Queue
from urllib.error import HTTPError, URLError
from urllib.request import Request, build_opener

from ..errors import Stopped
from ..report import Report, ShouldStop, phase, progress

SILENCE_S = 30.0
"""A server that sends nothing for so long has gone."""

_BLOCK = 1 << 18
_ASK_S = 0.2
_Piece = bytes | int | Exception | None
"""What the receiving thread hands on: the length, blocks, at the end None or what went wrong."""


class DownloadError(Exception):
    """Why there is no file; the message is a clause, such as `connection refused`."""


def download(url: str, target: Path, *, md5: str, size: int, report: Report, should_stop: ShouldStop) -> None:
    """Write what is behind ``url`` to ``target``, by way of a file beside it. One process at a time.

    Args:
        url: http, https, ftp or file.
        target: replaced when the download is complete and right.
        md5: that the file must have.
        size: bytes expected where the server does not say.
        report: hears the phase ``download`` and its progress in bytes.
        should_stop: asked several times a second, whatever the server does.

    Raises:
        DownloadError: no connection, an answer that is no file, an end too early, another file.
        Stopped: asked to stop.
        OSError: the file cannot be written.
    """
    phase(report, "download")
    # Always the same name: what a killed process left is overwritten, not added to.
    partial = target.with_name(f".{target.name}.partial")
    try:
        with partial.open("wb") as file:
            found = hashlib.md5(usedforsecurity=False)
            done, total, started = 0, size, time.monotonic()
            for piece in _pieces(url, should_stop):
                if isinstance(piece, int):
                    total = piece
                    continue
                file.write(piece)
                found.update(piece)
                done += len(piece)
                seconds = time.monotonic() - started
                progress(report, "download", done=done, total=max(done, total), unit="bytes", seconds=seconds)
            if done < total:
                raise DownloadError(f"the connection ended after {done} of {total} bytes")
            if found.hexdigest() != md5:
                raise DownloadError(f"expected a file with MD5 {md5}, got one with {found.hexdigest()}")
            file.flush()
            os.fsync(file.fileno())
        partial.replace(target)
    finally:
        partial.unlink(missing_ok=True)


def _pieces(url: str, should_stop: ShouldStop) -> Iterator[bytes | int]:
    """The length where the server says it, then the bytes."""
    with _receiving(url) as pieces:
        while True:
            if should_stop():
                raise Stopped
            try:
                piece = pieces.get(timeout=_ASK_S)
            except Empty:
                continue
            if piece is None:
                return
            if isinstance(piece, Exception):
                raise DownloadError(_reason(piece)) from piece
            yield piece


@contextmanager
def _receiving(url: str) -> Iterator[Queue[_Piece]]:
    """A thread reads ``url``: looking a name up and connecting can hang for minutes, which nothing stops."""
    pieces: Queue[_Piece] = Queue(maxsize=8)
    wanted = threading.Event()
    wanted.set()

    def put(piece: _Piece) -> None:
        while wanted.is_set():
            with suppress(Full):
                pieces.put(piece, timeout=_ASK_S)
                return

    def receive() -> None:
        try:
            request = Request(url, headers={"User-Agent": "capstone"})
            # An opener of its own: the shared one keeps the proxies it saw first.
            with build_opener().open(request, timeout=SILENCE_S) as response:
                length = response.headers.get("Content-Length", "")
                if length.isdigit():
                    put(int(length))
                while wanted.is_set() and (block := response.read(_BLOCK)):
                    put(block)
            put(None)
        except Exception as error:  # whatever it was, the task has to hear of it
            if isinstance(error, HTTPError):
                error.close()  # it is the answer, too
            put(error)

    threading.Thread(target=receive, daemon=True).start()
    try:
        yield pieces
    finally:
        wanted.clear()


def _reason(error: Exception) -> str:
    """A clause that is safe to print, whatever a server or a proxy wrote."""
    match error:
        case HTTPError():
            known = {status.value: f" {status.phrase}" for status in HTTPStatus}
            return f"the server answered {error.code}{known.get(error.code, '')}"
        case TimeoutError() | URLError(reason=TimeoutError()):
            return f"no answer for {SILENCE_S:.0f} s"
        case URLError(reason=OSError() as inner):
            return _words(inner)
        case OSError():
            return _words(error)
        case HTTPException():
            return f"the server broke the protocol ({type(error).__name__})"
        case _:
            return str(error)


def _words(error: OSError) -> str:
    text = error.strerror or str(error) or type(error).__name__
    return "".join(filter(str.isprintable, text[:1].lower() + text[1:]))
