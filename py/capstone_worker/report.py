"""How a task says what it does: it is handed a `Report` and never knows who listens.

In a host the events go through the task's own pipe; by hand they draw a progress bar. An event is a dict
with the key ``type`` and the fields of that member in schema/event.schema.json, without the envelope
(``v``, ``seq``, ``ts``, ``task``), which whoever listens adds.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

Event = dict[str, Any]
Report = Callable[[Event], None]
ShouldStop = Callable[[], bool]


def phase(report: Report, name: str) -> None:
    """The task begins a part of its work, for example ``train`` or ``evaluate``."""
    report({"type": "phase", "phase": name})


def progress(report: Report, name: str, *, done: int, total: int, unit: str, seconds: float) -> None:
    """``done`` of ``total`` units of a phase took ``seconds``; says the rate and what is left."""
    rate = done / max(seconds, 1e-9)
    report(
        {
            "type": "progress",
            "phase": name,
            "done": done,
            "total": total,
            "unit": unit,
            "rate": rate,
            "eta_s": (total - done) / rate if done else None,
        }
    )


def log(report: Report, level: str, message: str) -> None:
    """One line for a person; ``level`` is ``info`` or ``warning``."""
    report({"type": "log", "level": level, "message": message})


def unheard(event: Event) -> None:
    """For callers to whom nothing needs to be said."""


def never_stop() -> bool:
    """For callers that cannot be asked to stop."""
    return False
