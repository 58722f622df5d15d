"""A line of the host's stdin → what is asked.

    {"v":1,"cmd":"task","task":{"id","kind","log_path","threads",…}}   start this task
    {"v":1,"cmd":"cancel","task":"<id>","grace_s":10}                  stop it at a safe point

Only what the host itself acts on is checked here; the task as a whole is checked by capstone_worker.tasks.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

from .lines import parse_object

DEFAULT_GRACE_S = 10.0


@dataclass(frozen=True)
class StartTask:
    """Run ``task`` in a child: its log goes to the file ``log_path``, torch gets ``threads`` threads."""

    task: dict[str, Any]


@dataclass(frozen=True)
class CancelTask:
    """Ask the task to stop; after ``grace_s`` seconds it is no longer asked."""

    task_id: str
    grace_s: float


def parse_command(line: bytes) -> StartTask | CancelTask:
    """Raises ValueError, whose text says what is wrong with the line."""
    match parse_object(line):
        case {"v": 1, "cmd": "task", "task": {"id": str(), "log_path": str(), "threads": int()} as task}:
            if task["threads"] < 1:
                raise ValueError("task.threads: expected an integer from 1")
            return StartTask(task)
        case {"v": 1, "cmd": "cancel", "task": str(task_id), **rest}:
            grace_s = rest.get("grace_s", DEFAULT_GRACE_S)
            if not isinstance(grace_s, int | float) or not 0 <= grace_s < math.inf:
                raise ValueError("grace_s: expected seconds from 0")
            return CancelTask(task_id, float(grace_s))
        case {"v": 1, "cmd": "task"}:
            raise ValueError("task: expected an object with id, log_path (texts) and threads (an integer)")
        case {"v": 1, "cmd": "cancel"}:
            raise ValueError("task: expected the id of a task")
        case {"v": 1}:
            raise ValueError("cmd: expected task or cancel")
        case _:
            raise ValueError("v: expected 1")
