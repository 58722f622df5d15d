"""Tasks → files, rows, results on stdout."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from itertools import groupby
from pathlib import Path
from typing import Any

import torch

from .. import rows, tasks
from ..data.source import describe
from ..errors import Stopped
from ..report import Event, Report
from ..tasks.inputs import find_dataset
from .arguments import Arguments
from .outcome import outcome
from .plan import Task, plan
from .progress import drawn_progress
from .stop import stop_on_signals
from .visible import visible

ROTATION_BYTES = 1_000_000_000
"""Of weights in one rotation, an artifact taken to be as large as its original; as in src/run/run-job.ts.

The forms of the original that may be the best come on top.
"""


def act(arguments: Arguments, workspace: Path) -> None:
    """Plan and carry out what the flags ask for: one task after the other, levels of one original together.

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
    for together in _rotations(planned):
        for task, values in _carry_out(together):
            if task["kind"] == "benchmark":
                rows.update_csv(workspace / "benchmark_levels.csv", values["rows"])
            sys.stdout.write(visible(outcome(task, values)))
            sys.stdout.flush()


def _rotations(planned: Sequence[Task]) -> Iterator[list[Task]]:
    """Tasks that are carried out together, no more at once than src/run/run-job.ts would; others alone."""
    for _, group in groupby(planned, _rotation):
        together = list(group)
        room = 1
        if together[0]["kind"] == "benchmark":
            original = Path(together[0]["paths"]["original"])
            room = max(1, ROTATION_BYTES // original.stat().st_size - 1)
        for start in range(0, len(together), room):
            yield together[start : start + room]


def _rotation(task: Task) -> object:
    """What tasks that are measured together have in common; of any other task its id."""
    if task["kind"] != "benchmark":
        return task["id"]
    return task["paths"]["original"], task["spec"]["recipe"]["name"]


def _carry_out(together: Sequence[Task]) -> Iterator[tuple[Task, dict[str, Any]]]:
    """Each with its values. Where several fail, each alone, up to the one whose fault it was."""
    if len(together) > 1:
        try:
            return zip(together, _run(together), strict=True)
        except Stopped:
            raise
        except Exception as error:  # an engine fails in its own ways
            sys.stderr.write(visible(f"together they failed, now each alone: {error}\n"))
    # Not in the handler: what has failed keeps its networks as long as that runs.
    return ((task, _run([task])[0]) for task in together)


def _run(together: Sequence[Task]) -> list[dict[str, Any]]:
    torch.set_num_threads(together[0]["threads"])
    with stop_on_signals() as should_stop, drawn_progress(sys.stderr) as report:
        # What they do together is said once, what is to be said of one is not.
        reports = [report, *[_logs_of(report)] * (len(together) - 1)]
        return tasks.run_together(together, reports, should_stop)


def _logs_of(report: Report) -> Report:
    def heard(event: Event) -> None:
        if event["type"] == "log":
            report(event)

    return heard
