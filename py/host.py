"""The host of tasks: started by the orchestrator as ``python -u py/host.py``, speaks protocol 1.

Commands come in on stdin, events go out on fd 3, fds 1 and 2 are the host's log. Each task is a child
process, or several together are one; the host itself never computes. The code, and what is said in each
direction: capstone_worker/host.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from capstone_worker.host.serve import main
from capstone_worker.report import Report, ShouldStop


def run(
    together: Sequence[dict[str, Any]], reports: Sequence[Report], should_stop: ShouldStop
) -> list[dict[str, Any]]:
    """Carry out tasks. Imported when called: OpenBLAS is told its threads before numpy is imported."""
    from capstone_worker import tasks

    return tasks.run_together(together, reports, should_stop)


def prepare() -> None:
    """Import what the tasks need, which takes each of them 0.3 s."""
    from capstone_worker import tasks

    tasks.prepare()


if __name__ == "__main__":
    main(run, prepare)
