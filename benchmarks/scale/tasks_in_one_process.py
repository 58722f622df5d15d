"""The tasks of a run's plan.json one after the other in this process, without host, events or run folder.

python benchmarks/scale/tasks_in_one_process.py runs/<id>/plan.json
"""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

os.environ["OPENBLAS_NUM_THREADS"] = "1"  # as the host
sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "py"))

import torch

from capstone_worker import tasks
from capstone_worker.report import never_stop


def main() -> None:
    """Run what the plan says."""
    plan = json.loads(Path(sys.argv[1]).read_text(encoding="utf-8"))
    for planned in plan["tasks"]:
        torch.set_num_threads(planned["task"]["threads"])
        tasks.run(planned["task"], lambda event: None, never_stop)


if __name__ == "__main__":
    main()
