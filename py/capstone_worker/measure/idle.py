"""Waiting until nothing of the model that ran last still spins."""

from __future__ import annotations

import threading
import time
from pathlib import Path

_TASKS = Path("/proc/self/task")
_STEP_S = 0.0005
_LIMIT_S = 0.1
_BLIND_S = 0.02


def wait_until_idle() -> None:
    """Sleep until this thread is the only one of the process that runs; at most 0.1 s.

    A runtime's threads spin after a call in the hope of the next one, and take a CPU from whatever is timed
    then: those of libgomp, torch's on Linux, for 5 to 8 ms (2 cores, torch 2.2.2). What the kernel says of
    each thread is asked rather than the process' CPU time, which it counts in ticks of 4 ms. Where it does
    not say (macOS) this sleeps for 20 ms.
    """
    if not _TASKS.is_dir():
        time.sleep(_BLIND_S)
        return
    end = time.monotonic() + _LIMIT_S
    time.sleep(_STEP_S)
    while running_threads() and time.monotonic() < end:
        time.sleep(_STEP_S)


def running_threads() -> int:
    """Threads of this process, other than the one that asks, that are on a CPU or want to be."""
    me = str(threading.get_native_id())
    return sum(task.name != me and _is_running(task) for task in _TASKS.iterdir())


def _is_running(task: Path) -> bool:
    try:
        stat = (task / "stat").read_text()
    except (FileNotFoundError, ProcessLookupError):  # it ended meanwhile
        return False
    return stat.rpartition(")")[2].split()[0] == "R"  # the name before may hold anything
