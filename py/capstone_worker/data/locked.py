"""One process at a time makes what all of them use."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock, Timeout

from ..errors import Stopped
from ..report import Report, ShouldStop, phase

_ASK_S = 0.2


@contextmanager
def locked(path: Path, report: Report, should_stop: ShouldStop) -> Iterator[None]:
    """Hold the filelock ``path``; the system releases it when its owner dies.

    Waits as long as another process holds it, in a phase ``wait``, asking ``should_stop`` meanwhile.

    Raises:
        Stopped: asked to stop while waiting.
        OSError: the lock file cannot be made.
    """
    lock = FileLock(path)
    has_said_so = False
    while not lock.is_locked:
        if should_stop():
            raise Stopped
        try:
            lock.acquire(timeout=_ASK_S)
        except Timeout:
            if not has_said_so:
                phase(report, "wait")
                has_said_so = True
    try:
        yield
    finally:
        lock.release()
