"""The real host (py/host.py) whose tasks do nothing but report: a metric event, so many times."""

from __future__ import annotations

import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "py"))

from capstone_worker.host.serve import main
from capstone_worker.report import Report, ShouldStop


def flood(
    tasks: Sequence[dict[str, Any]], reports: Sequence[Report], should_stop: ShouldStop
) -> list[dict[str, Any]]:
    """``task["events"]`` metrics, the epoch counting them; with ``task["per_s"]`` no more a second."""
    (task,), (report,) = tasks, reports
    started, per_s = time.monotonic(), task.get("per_s")
    for epoch in range(1, task["events"] + 1):
        if per_s is not None and epoch % 100 == 0:
            time.sleep(max(0.0, started + epoch / per_s - time.monotonic()))
        values = {"loss": 1 / epoch, "acc": 50.0, "lr": 0.05}
        report({"type": "metric", "split": "train", "epoch": epoch, "values": values})
    return [{}]


if __name__ == "__main__":
    main(flood)
