"""A line of the host's stdin → what is asked.

    {"v":1,"cmd":"task","task":{"id","kind","log_path","threads",…}}   start this task
    {"v":1,"cmd":"tasks","tasks":[{…},…]}                              start these in one process, together
    {"v":1,"cmd":"cancel","task":"<id>","grace_s":10}                  stop it at a safe point, and what is
                                                                       carried out together with it

Only what the host itself acts on is checked here; the task as a whole is checked by capstone_worker.tasks.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

from .lines import parse_object

DEFAULT_GRACE_S = 10.0


@dataclass(frozen=True)
class StartTasks:
    """Run ``tasks`` in one child: its log goes to the first's ``log_path``, torch gets its ``threads``."""

    tasks: list[dict[str, Any]]


@dataclass(frozen=True)
class CancelTask:
    """Ask the task to stop; after ``grace_s`` seconds it is no longer asked."""

    task_id: str
    grace_s: float


def parse_command(line: bytes) -> StartTasks | CancelTask:
    """Raises ValueError, whose text says what is wrong with the line."""
    match parse_object(line):
        case {"v": 1, "cmd": "task", "task": task}:
            return StartTasks([_checked(task)])
        case {"v": 1, "cmd": "tasks", "tasks": [_, *_] as tasks}:
            checked = [_checked(task) for task in tasks]
            if len({task["id"] for task in checked}) < len(checked):
                raise ValueError("tasks: expected each task once")
            return StartTasks(checked)
        case {"v": 1, "cmd": "cancel", "task": str(task_id), **rest}:
            grace_s = rest.get("grace_s", DEFAULT_GRACE_S)
            if not isinstance(grace_s, int | float) or not 0 <= grace_s < math.inf:
                raise ValueError("grace_s: expected seconds from 0")
            return CancelTask(task_id, float(grace_s))
        case {"v": 1, "cmd": "task"}:
            raise ValueError("task: expected a task")
        case {"v": 1, "cmd": "tasks"}:
            raise ValueError("tasks: expected a list of tasks")
        case {"v": 1, "cmd": "cancel"}:
            raise ValueError("task: expected the id of a task")
        case {"v": 1}:
            raise ValueError("cmd: expected task, tasks or cancel")
        case _:
            raise ValueError("v: expected 1")


def _checked(task: object) -> dict[str, Any]:
    wanted = {"id": str, "log_path": str, "threads": int}
    if not isinstance(task, dict) or any(not isinstance(task.get(key), of) for key, of in wanted.items()):
        raise ValueError("task: expected an object with id, log_path (texts) and threads (an integer)")
    if task["threads"] < 1:
        raise ValueError("task.threads: expected an integer from 1")
    return task
