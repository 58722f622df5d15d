"""Tasks → files, rows, results on stdout."""

from __future__ import annotations

import sys
from pathlib import Path

import torch

from .. import rows, tasks
from .arguments import Arguments
from .outcome import outcome
from .plan import plan
from .progress import drawn_progress
from .stop import stop_on_signals
from .visible import visible


def act(arguments: Arguments, workspace: Path) -> None:
    """Plan and carry out what the flags ask for, one task after the other.

    Args:
        arguments: the flags.
        workspace: absolute.

    Raises:
        UserError, MachineError: as `plan.plan` and `tasks.run`.
        Stopped: by a signal, at a safe point.
        KeyboardInterrupt: by a second one.
    """
    for task in plan(arguments, workspace):
        torch.set_num_threads(task["threads"])
        with stop_on_signals() as should_stop, drawn_progress() as report:
            values = tasks.run(task, report, should_stop)
        if task["kind"] == "benchmark":
            rows.update_csv(workspace / "benchmark_levels.csv", values["rows"])
        sys.stdout.write(visible(outcome(task, values)))
        sys.stdout.flush()
