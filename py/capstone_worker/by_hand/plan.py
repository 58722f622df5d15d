"""From flags to the tasks they stand for: the very tasks, with the very keys, that src/plan makes of them."""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Mapping, Sequence
from itertools import product
from pathlib import Path
from typing import Any

from .. import recipes, schema
from ..artifact.archive import REMAKE
from ..artifact.read import RECORD_NAME, read_record
from ..data.source import DataSource, digest, resolve
from ..errors import UserError
from ..keys import installed_versions, task_key
from ..measure import cpu
from ..models.file import check_format
from ..training import precision
from .arguments import CLASSIC_DATASET, CLASSIC_MODELS, Arguments
from .originals import Original, originals
from .outputs import refuse_folders, refuse_in_the_way, refuse_shared, refuse_unwritable

_DATASET_OF_CLASSES = {10: "cifar10", 100: "cifar100"}

Task = dict[str, Any]
"""As in schema/task.schema.json."""


def plan(arguments: Arguments, workspace: Path) -> list[Task]:
    """The tasks that a script carries out, in this order.

    Args:
        arguments: the flags.
        workspace: absolute; default names lie in it and relative paths start there.

    Raises:
        UserError: the job is invalid; it needs a model, recipe, data set or file that is not there; or an
            output is in the way.
    """
    kind = arguments.job["kind"]
    if kind == "benchmark":
        tasks = _benchmarks(arguments, workspace)
        refuse_unwritable([workspace / "benchmark_levels.csv"])
        return tasks
    tasks = _trainings(arguments, workspace) if kind == "train" else _compressions(arguments, workspace)
    refuse_shared(tasks)
    refuse_folders(tasks)
    refuse_unwritable(
        Path(task["paths"][what]) for task in tasks for what in ("output", "partial") if what in task["paths"]
    )
    if not arguments.force:
        refuse_in_the_way(tasks)
    return tasks


def _trainings(arguments: Arguments, workspace: Path) -> list[Task]:
    job = _checked(arguments.job)
    settings, threads = _settings_and_threads(job["train"])
    tasks = []
    for original in originals(job):
        data = _dataset(original, job, workspace)
        task = _with_key(
            {
                "id": original.task_id("train"),
                "kind": "train",
                "threads": threads,
                "spec": {
                    "model": original.model,
                    "dataset": {"name": data.name, "source": data.kind},
                    "seed": original.seed,
                    **_elsewhere(job["device"]),
                    "train": {**settings, "precision": _precision(settings, original, job["device"])},
                },
                "inputs": {"dataset": digest(data)},
                "paths": {
                    "dataset": str(data.root),
                    "output": _output(job, original.checkpoint(workspace), workspace),
                },
            }
        )
        tasks.append(_with_partial(task, workspace))
    return tasks


def _compressions(arguments: Arguments, workspace: Path) -> list[Task]:
    given = None if arguments.checkpoint is None else _absolute(workspace, arguments.checkpoint)
    job = _checked({**_said_by(given, arguments), **arguments.job})
    tasks = []
    for original, reference, level in product(originals(job), job["recipes"], job["levels"]):
        recipe = recipes.read(reference)
        checkpoint = given or original.checkpoint(workspace)
        key = _key_inside(checkpoint, "checkpoint", _how_to_train(original))
        _check_classes(checkpoint, arguments.num_classes)
        said = original if given is None else original.as_recorded(_record(given))
        output = original.artifact(workspace, recipe["name"], level)
        steps = [
            _resolved(step, original, job["device"])
            for step in recipes.level_steps(recipe, original.family, level)
        ]
        needs = recipes.needs(steps)
        data = _dataset(original, job, workspace) if "dataset" in needs else None
        task = {
            "id": f"{original.task_id('compress')}-{recipe['name']}-l{level}",
            "kind": "compress",
            "threads": 1 if recipes.needs_one_cpu(steps) else cpu.usable_cpus(),
            "spec": {
                "model": said.model,
                "dataset": original.dataset,
                **({"source": data.kind} if data else {}),
                "seed": original.seed,
                **(_elsewhere(job["device"]) if "partial" in needs else {}),
                "recipe": {
                    "name": recipe["name"],
                    "level": level,
                    "steps": steps,
                },
            },
            "inputs": {"checkpoint": key, **({"dataset": digest(data)} if data else {})},
            "paths": {
                "checkpoint": str(checkpoint),
                **({"dataset": str(data.root)} if data else {}),
                "output": _output(job, output, workspace),
            },
        }
        tasks.append(_with_partial(_with_key(task), workspace) if "partial" in needs else _with_key(task))
    return tasks


def _benchmarks(arguments: Arguments, workspace: Path) -> list[Task]:
    job = _checked(arguments.job)
    if "models" not in arguments.job:
        job["models"] = _complete(job, workspace)
    settings, threads = _settings_and_threads(job["benchmark"])
    tasks = []
    for original, reference, level in product(originals(job), job["recipes"], job["levels"]):
        recipe = recipes.read(reference)["name"]
        data = _dataset(original, job, workspace)
        checkpoint = original.checkpoint(workspace)
        artifact = original.artifact(workspace, recipe, level)
        task = {
            "id": f"{original.task_id('benchmark')}-{recipe}-l{level}",
            "kind": "benchmark",
            "threads": threads,
            "spec": {
                "model": original.model,
                "dataset": {"name": data.name, "source": data.kind},
                "seed": original.seed,
                "recipe": {"name": recipe, "level": level},
                "benchmark": settings,
            },
            "inputs": {
                "original": _key_inside(checkpoint, "checkpoint", _how_to_train(original)),
                "artifact": _key_inside(artifact, "artifact", _how_to_compress(original, recipe, level)),
                "dataset": digest(data),
            },
            "cpu": {"model": cpu.cpu_model(), "isa": cpu.isa_flags()},
            "paths": {"original": str(checkpoint), "artifact": str(artifact), "dataset": str(data.root)},
        }
        tasks.append(_with_key(task))
    return tasks


def _complete(job: Mapping[str, Any], workspace: Path) -> Sequence[str]:
    """The classic networks whose files are all there; where there are none, what is missing is said."""
    names = [recipes.read(reference)["name"] for reference in job["recipes"]]

    def is_complete(model: str) -> bool:
        return all(
            path.exists()
            for original in originals({**job, "models": [model]})
            for path in (
                original.checkpoint(workspace),
                *(original.artifact(workspace, name, level) for name, level in product(names, job["levels"])),
            )
        )

    return [model for model in CLASSIC_MODELS if is_complete(model)] or CLASSIC_MODELS[:1]


def _elsewhere(device: str) -> dict[str, str]:
    return {} if device == "cpu" else {"device": device}


def _resolved(step: Mapping[str, Any], original: Original, device: str) -> dict[str, Any]:
    """What the step is on this machine: no result, and so no key, depends on what is not said."""
    resolved = dict(step)
    if "precision" in step:
        resolved["precision"] = _precision(step, original, device)
    if step.get("backend") == "auto":
        resolved["backend"] = cpu.int8_backend()
    return resolved


def _precision(settings: Mapping[str, Any], original: Original, device: str) -> str:
    return precision.resolve(
        settings["precision"],
        isa=cpu.isa() if device == "cpu" else device,
        family=original.family,
        stem=original.model["stem"],
        batch_size=settings["batch_size"],
    )


def _with_partial(task: Task, workspace: Path) -> Task:
    """With the folder for the state of its training, which its key names."""
    folder = workspace / "checkpoints" / ".partial" / task["key"]
    return {**task, "paths": {**task["paths"], "partial": str(folder)}}


def _checked(given: Mapping[str, Any]) -> dict[str, Any]:
    job = {"datasets": [CLASSIC_DATASET], **given}
    train = job.get("train", {})
    if "preset" in train:
        job["train"] = {**schema.preset(job["kind"], train["preset"]), **train}
    checked: dict[str, Any] = schema.validate("job", job, lambda path: _flag_at(job["kind"], path))
    return checked


def _flag_at(kind: str, path: str) -> str:
    """The flag that sets the value at a path of the job, or an entry of the list there."""
    key = re.sub(r"\[\d+\]", "", path)
    return next((flag.name for flag in schema.flags(kind) if ".".join(flag.path) == key), f"flags, {path}")


def _settings_and_threads(settings: Mapping[str, Any]) -> tuple[dict[str, Any], int]:
    """What a task has as settings: without the preset, which is in them, and their threads, given apart."""
    rest = {key: value for key, value in settings.items() if key not in ("threads", "preset")}
    return rest, settings.get("threads", cpu.usable_cpus())


def _with_key(task: Task) -> Task:
    return {**task, "key": task_key(task, installed_versions())}


def _dataset(original: Original, job: Mapping[str, Any], workspace: Path) -> DataSource:
    return resolve(original.dataset, data_root=_absolute(workspace, job["data_root"]))


def _output(job: Mapping[str, Any], default: Path, workspace: Path) -> str:
    return str(_absolute(workspace, job.get("output", default)))


def _said_by(checkpoint: Path | None, arguments: Arguments) -> dict[str, Any]:
    """What a checkpoint that was named says of the job: its data set and its seed."""
    if checkpoint is None:
        return {}
    record = _record(checkpoint)
    if record is not None:
        return {"datasets": [record["dataset"]["name"]], "seeds": [record["seed"]]}
    if "datasets" in arguments.job:
        return {}
    if arguments.num_classes not in _DATASET_OF_CLASSES:
        raise UserError(
            "dataset_unclear",
            f"{checkpoint} does not say which data set it was trained on",
            "Name it with --dataset, or give --num-classes 10 (cifar10) or 100 (cifar100)",
        )
    return {"datasets": [_DATASET_OF_CLASSES[arguments.num_classes]]}


def _record(path: Path) -> dict[str, Any] | None:
    """What a file of ours says of itself, as it is written; None of a foreign file."""
    record = read_record(path)
    if record is None:
        return None
    check_format(path, record)
    try:
        checked: dict[str, Any] = schema.validate("record", record)
    except UserError:
        reason = f"its record {RECORD_NAME} is not as capstone writes it"
        raise UserError("model_record_invalid", f"{path}: {reason}", REMAKE) from None
    return checked


def _check_classes(checkpoint: Path, expected: int | None) -> None:
    record = _record(checkpoint)
    found = expected if record is None else record["model"]["num_classes"]
    if expected is not None and found != expected:
        raise UserError(
            "model_wrong_classes",
            f"{checkpoint}: expected {expected} classes, the file has {found}",
            f"Use --num-classes {found}, or name another file",
        )


def _key_inside(path: Path, what: str, hint: str) -> str:
    """The key in a file of ours; of a foreign one its SHA-256."""
    if not path.exists():
        raise UserError(f"{what}_missing", f"{path} does not exist", hint)
    record = _record(path)
    return hashlib.sha256(path.read_bytes()).hexdigest() if record is None else str(record["key"])


def _how_to_train(original: Original) -> str:
    return f"Make it first: py/train.py {_flags(original)}"


def _how_to_compress(original: Original, recipe: str, level: int) -> str:
    of_recipe = "" if recipe == "classic" else f" --recipe {recipe}"
    return f"Make it first: py/compress.py {_flags(original)}{of_recipe} --compression-level {level}"


def _flags(original: Original) -> str:
    seed = f" --seed {original.seed}" if original.seed else ""
    return f"--model {original.model['name']} --dataset {original.dataset}{seed}"


def _absolute(workspace: Path, path: str | Path) -> Path:
    return Path(os.path.abspath(workspace / path))  # noqa: PTH100 - Path.resolve would follow links
