"""Files that a task would write: refused where something else is in the way, or nothing can be written."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from ..artifact.read import read_record
from ..artifact.write import write_failure
from ..errors import CapstoneError, UserError

Task = Mapping[str, Any]


def refuse_folders(tasks: Sequence[Task]) -> None:
    """Refuse where a folder stands in the place of an output, which not even --force can replace.

    Raises:
        UserError: ``output_not_a_file``.
    """
    for task in tasks:
        output = Path(task["paths"]["output"])
        if output.exists() and not output.is_file():
            raise UserError(
                "output_not_a_file",
                f"{output} is no file, and {task['id']} would write one there",
                "Move it away, or choose another --output",
            )


def refuse_unwritable(paths: Iterable[Path]) -> None:
    """Refuse files where the nearest folder there is takes no new file or folder, as src/store/writable.ts.

    Raises:
        UserError: ``output_not_writable``.
    """
    for path in paths:
        folder = next(folder for folder in path.parents if os.path.lexists(folder))
        if not folder.is_dir():
            raise write_failure(path, OSError(errno.ENOTDIR, os.strerror(errno.ENOTDIR)))
        if not os.access(folder, os.W_OK | os.X_OK):
            raise write_failure(path, OSError(errno.EACCES, os.strerror(errno.EACCES)))


def refuse_in_the_way(tasks: Sequence[Task]) -> None:
    """Refuse where an output is there and is no file of ours with the same model, data set, recipe and seed.

    Raises:
        UserError: ``output_in_the_way``.
    """
    for task in tasks:
        output = Path(task["paths"]["output"])
        if output.exists() and _made_as(output) != _makes(task):
            raise UserError(
                "output_in_the_way",
                f"{output} exists and is not what {task['id']} would replace",
                "Move it away, choose another --output, or allow it to be replaced with --force",
            )


def refuse_shared(tasks: Sequence[Task]) -> None:
    """Refuse two tasks with one output.

    Raises:
        UserError: ``output_shared``.
    """
    makers: dict[str, str] = {}
    for task in tasks:
        output = task["paths"]["output"]
        if output in makers:
            raise UserError(
                "output_shared",
                f"{makers[output]} and {task['id']} would both write {output}",
                "Leave out --output, or ask for one file",
            )
        makers[output] = task["id"]


def _makes(task: Task) -> tuple[object, ...]:
    spec = task["spec"]
    if task["kind"] == "train":
        return spec["model"]["name"], spec["dataset"]["name"], spec["seed"]
    return (
        spec["model"]["name"],
        spec["dataset"],
        spec["seed"],
        spec["recipe"]["name"],
        spec["recipe"]["level"],
    )


def _made_as(path: Path) -> tuple[object, ...] | None:
    """What `_makes` says of the task that made the file; None where it is none of ours."""
    try:
        record = read_record(path)
    except CapstoneError:
        return None
    if record is None:
        return None
    origin = record["model"]["name"], record["dataset"]["name"], record["seed"]
    recipe = record.get("recipe")
    return origin if recipe is None else (*origin, recipe["name"], recipe["level"])
