"""The tasks of a run's plan.json in this process, without host, events or run folder.

One after the other, but together those that the program runs together:

python benchmarks/scale/tasks_in_one_process.py runs/<id>/plan.json
"""

from __future__ import annotations

import json
import os
import sys
from itertools import groupby
from pathlib import Path

os.environ["OPENBLAS_NUM_THREADS"] = "1"  # as the host
sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "py"))

import torch

from capstone_worker import tasks
from capstone_worker.report import never_stop, unheard


def main() -> None:
    """Run what the plan says."""
    plan = json.loads(Path(sys.argv[1]).read_text(encoding="utf-8"))
    for _, planned in groupby(plan["tasks"], lambda one: one.get("together", one["task"]["id"])):
        together = [one["task"] for one in planned]
        torch.set_num_threads(together[0]["threads"])
        tasks.run_together(together, [unheard] * len(together), never_stop)


if __name__ == "__main__":
    main()
