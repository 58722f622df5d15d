"""Ctrl-C: once stops at a safe point, twice at once."""

from __future__ import annotations

import os
import signal
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager

from ..report import ShouldStop

SAME_PRESS_S = 0.5
"""A second signal this soon is the first one, delivered twice: npm does so."""


@contextmanager
def stop_on_signals() -> Iterator[ShouldStop]:
    """While it lasts, SIGINT and SIGTERM ask the task to stop; a second one raises KeyboardInterrupt."""
    pressed_at: list[float] = []

    def on_signal(number: int, frame: object) -> None:
        if not pressed_at:
            pressed_at.append(time.monotonic())
            # Not print: the signal may have come in the middle of one.
            os.write(sys.stderr.fileno(), b"\nstopping at a safe point; press again to stop at once\n")
        elif time.monotonic() - pressed_at[0] > SAME_PRESS_S:
            raise KeyboardInterrupt

    before = {number: signal.signal(number, on_signal) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield lambda: bool(pressed_at)
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
