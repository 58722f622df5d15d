"""Tasks → files, rows, results on stdout."""

from __future__ import annotations

import sys
from pathlib import Path

import torch

from .. import rows, tasks
from ..data.source import describe
from ..tasks.inputs import find_dataset
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
    planned = plan(arguments, workspace)
    sources = [find_dataset(task) for task in planned if task["kind"] != "compress"]
    for said in dict.fromkeys(f"{source.name}: {describe(source)}\n" for source in sources):
        sys.stderr.write(said)
    for task in planned:
        torch.set_num_threads(task["threads"])
        with stop_on_signals() as should_stop, drawn_progress(sys.stderr) as report:
            values = tasks.run(task, report, should_stop)
        if task["kind"] == "benchmark":
            rows.update_csv(workspace / "benchmark_levels.csv", values["rows"])
        sys.stdout.write(visible(outcome(task, values)))
        sys.stdout.flush()
