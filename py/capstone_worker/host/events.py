"""Events on their way out: a task's own pipe, and the host's fd 3, to which nobody but the host writes.

An event in a task's pipe is the dict the task reported; where several share it, with
the id of its ``task``. The host adds the envelope: ``v``, ``seq`` (from 1,
without gaps), ``ts`` (UTC, milliseconds) and ``task``, which is absent where the host itself speaks.
"""

from __future__ import annotations

import json
import math
import os
import signal
import time
from collections.abc import Callable
from datetime import datetime, timezone

from ..report import Event
from .lines import MAX_LINE, parse_object

ENVELOPE_BYTES = 1024
MAX_TASK_LINE = MAX_LINE - ENVELOPE_BYTES
"""A task's line is that much shorter, so that it is no longer than MAX_LINE with the envelope around it."""

TASK_EVENTS = frozenset(
    ["capability", "started", "phase", "progress", "metric", "log", "artifact", "result", "error", "done"]
)
"""`hello`, `usage` and `ended` are the host's own."""
PROGRESS_INTERVAL_S = 0.1


class TaskPipe:
    """A task's report: writes each event to the pipe ``fd``, progress at most 10 times a second.

    Where several tasks share the pipe, each has its own of these, which signs what it says with ``task``.
    Progress that comes sooner is held back and replaced by the next; the last of a phase is always sent: at
    once when it is complete, else before whatever event comes next. To be called from one thread.
    """

    def __init__(self, fd: int, task: str | None = None, clock: Callable[[], float] = time.monotonic) -> None:
        self.fd = fd
        self._signature = {} if task is None else {"task": task}
        self._clock = clock
        self._held: Event | None = None
        self._phase: str | None = None
        self._sent_at = -math.inf

    def __call__(self, event: Event) -> None:
        """Report ``event``. Raises TypeError where it holds what JSON cannot say."""
        if event["type"] != "progress" or event["phase"] != self._phase:
            self._send_held()
        if event["type"] == "progress":
            self._progress(event)
        else:
            self._send(event)

    def _progress(self, event: Event) -> None:
        now = self._clock()
        soon = event["phase"] == self._phase and now - self._sent_at < PROGRESS_INTERVAL_S
        if soon and event["done"] != event["total"]:
            self._held = event
            return
        self._held, self._phase, self._sent_at = None, event["phase"], now
        self._send(event)

    def _send_held(self) -> None:
        if self._held is not None:
            held, self._held = self._held, None
            self._send(held)

    def _send(self, event: Event) -> None:
        line = encode({**event, **self._signature})
        try:
            while line:
                line = line[os.write(self.fd, line) :]
        except BrokenPipeError:
            # The host has gone, and where no death signal exists (macOS) this is how a task finds out. Nobody
            # is left to end this group, and nobody to tell.
            os.killpg(os.getpgrp(), signal.SIGKILL)


class HostStream:
    """The host's fd 3. Never blocks: what the reader does not take yet waits in memory."""

    def __init__(self, fd: int) -> None:
        os.set_blocking(fd, False)
        self.fd = fd
        self._seq = 0
        self._waiting = bytearray()

    @property
    def backlog(self) -> int:
        """Bytes that the reader has not taken yet."""
        return len(self._waiting)

    def emit(self, event: Event, task: str | None = None) -> None:
        """Stamp an event; it leaves with the next `flush`, so that many go in one write."""
        self._seq += 1
        now = datetime.now(timezone.utc).isoformat(timespec="milliseconds").replace("+00:00", "Z")
        envelope = {"v": 1, "seq": self._seq, "ts": now, **({} if task is None else {"task": task})}
        self._waiting += encode({**envelope, **event, **envelope})  # first in order, last word in value

    def flush(self) -> None:
        """Send what the reader takes now; the rest keeps waiting. Raises ConnectionError when it has gone."""
        while self._waiting:
            try:
                sent = os.write(self.fd, self._waiting[:65536])
            except BlockingIOError:
                return
            del self._waiting[:sent]

    def close(self) -> None:
        """Give up the fd without sending anything: for a child, which must not hold its host's fd 3."""
        os.close(self.fd)


def parse_task_event(line: bytes) -> Event:
    """The event in a line of a task's pipe. Raises ValueError for a line that is none."""
    event = parse_object(line)
    if not isinstance(event.get("type"), str) or event["type"] not in TASK_EVENTS:
        raise ValueError("no event of a task")
    return event


def encode(event: Event) -> bytes:
    """One line, ASCII only: line breaks in texts are escaped. NaN and infinities become null."""
    try:
        line = json.dumps(event, allow_nan=False, separators=(",", ":"))
    except ValueError:
        line = json.dumps(_finite(event), allow_nan=False, separators=(",", ":"))
    return line.encode() + b"\n"


def _finite(value: object) -> object:
    match value:
        case float():
            return value if math.isfinite(value) else None
        case dict():
            return {key: _finite(item) for key, item in value.items()}
        case list() | tuple():
            return [_finite(item) for item in value]
        case _:
            return value
