"""One measurement at a time on this machine."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from filelock import FileLock, Timeout

from ..data.cache_home import cache_home
from ..errors import Stopped
from ..report import ShouldStop

_ASK_S = 0.2


@contextmanager
def exclusive(should_stop: ShouldStop) -> Iterator[None]:
    """Hold ``<cache_home>/measure.lock``; the system releases it when its owner dies.

    Waits as long as another measures, asking ``should_stop`` meanwhile. Not reentrant.

    Raises:
        Stopped: asked to stop while waiting.
    """
    cache_home().mkdir(parents=True, exist_ok=True)
    lock = FileLock(cache_home() / "measure.lock")
    while not lock.is_locked:
        if should_stop():
            raise Stopped
        try:
            lock.acquire(timeout=_ASK_S)
        except Timeout:
            continue
    try:
        yield
    finally:
        lock.release()
