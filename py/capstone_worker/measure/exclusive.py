"""One measurement at a time on this machine."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from ..data.cache_home import locked_in_cache, made_in_cache
from ..report import ShouldStop


@contextmanager
def exclusive(should_stop: ShouldStop) -> Iterator[None]:
    """Hold ``<cache_home>/measure.lock``; the system releases it when its owner dies.

    Waits as long as another measures, asking ``should_stop`` meanwhile. Not reentrant.

    Raises:
        Stopped: asked to stop while waiting.
        MachineError: ``cache_not_written``.
    """
    # Its wait is no phase of the task: nobody hears of it.
    with locked_in_cache(made_in_cache() / "measure.lock", lambda event: None, should_stop):
        yield
