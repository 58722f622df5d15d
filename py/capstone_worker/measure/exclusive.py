"""One measurement at a time on this machine."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from ..data.cache_home import cache_home
from ..locked import locked
from ..report import ShouldStop


@contextmanager
def exclusive(should_stop: ShouldStop) -> Iterator[None]:
    """Hold ``<cache_home>/measure.lock``; the system releases it when its owner dies.

    Waits as long as another measures, asking ``should_stop`` meanwhile. Not reentrant.

    Raises:
        Stopped: asked to stop while waiting.
    """
    cache_home().mkdir(parents=True, exist_ok=True)
    # Its wait is no phase of the task: nobody hears of it.
    with locked(cache_home() / "measure.lock", lambda event: None, should_stop):
        yield
