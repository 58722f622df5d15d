"""What a task does. The host and the scripts in py/ call the same functions with another report.

train         data set → checkpoint
compress      checkpoint → artifact
benchmark     checkpoint and artifact → rows; `benchmark_dense`: checkpoint → rows
inputs        what a task reads, refused unless it is what was planned with
record        what a model file says of its making
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from .. import schema
from ..report import Report, ShouldStop


def run(task: dict[str, Any], report: Report, should_stop: ShouldStop) -> dict[str, Any]:
    """Carry out one task with as many threads as the caller has set torch to; the values of its `result`.

    Args:
        task: as in schema/task.schema.json.
        report: hears `phase`, `progress`, `metric`, `log` and `artifact`.
        should_stop: asked at safe points.

    Raises:
        UserError: ``task_invalid``, or an input that is not as the task says.
        MachineError: no room, no memory.
        Stopped: should_stop said so; what can go on later is saved.
    """
    checked: dict[str, Any] = schema.validate("task", task)
    # Each kind needs other libraries, and each task is a process that would wait for all of them.
    match checked["kind"]:
        case "train":
            from .train import train

            return train(checked, report, should_stop)
        case "compress":
            from .compress import compress

            return compress(checked, report, should_stop)
        case "benchmark":
            if "artifact" not in checked["paths"]:
                from .benchmark_dense import benchmark_dense

                return benchmark_dense(checked, report, should_stop)
            from .benchmark import benchmark

            return benchmark([checked], [report], should_stop)[0]
        case kind:
            raise AssertionError(f"the schema allows the kind {kind}, and nothing carries it out")


def run_together(
    tasks: Sequence[dict[str, Any]], reports: Sequence[Report], should_stop: ShouldStop
) -> list[dict[str, Any]]:
    """Carry out one task; or several benchmarks of one original, which are then measured in one rotation.

    Args:
        tasks: as in schema/task.schema.json; several differ in their artifact alone.
        reports: one for each.
        should_stop: asked at safe points.

    Returns:
        For each the values of its `result`.

    Raises:
        As `run`: for all of them, whichever it was.
    """
    if len(tasks) == 1:
        return [run(tasks[0], reports[0], should_stop)]
    from .benchmark import benchmark

    return benchmark([schema.validate("task", task) for task in tasks], reports, should_stop)


def prepare() -> None:
    """Do once what each task would do first. Computes nothing and starts no thread: forks may follow."""
    from . import benchmark, benchmark_dense, compress, train  # noqa: F401

    for name in ("task", "row"):
        schema.checker(name)
