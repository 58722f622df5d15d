"""The task `compress`: one checkpoint, the steps of one level → one artifact."""

from __future__ import annotations

import shutil
from functools import cache
from pathlib import Path
from typing import Any

from .. import recipes
from ..errors import Stopped, UserError
from ..measure.counts import parameter_counts
from ..models.file import LoadedModel, save_model
from ..report import Report, ShouldStop, phase
from ..steps.base import Context
from ..steps.registry import apply_steps
from ..training.device import find_device
from .inputs import load_images, load_original
from .record import common

_CLASSES = {"cifar10": 10, "cifar100": 100}
"""Of the data sets that are given to the checkpoints of the original tool, which do not say theirs."""


def compress(task: dict[str, Any], report: Report, should_stop: ShouldStop) -> dict[str, Any]:
    """Apply the steps to the checkpoint's network and write the artifact.

    An artifact of a foreign checkpoint knows neither classes nor normalisation, as the checkpoint does not.

    Returns:
        ``params``, ``nonzero``, ``sparsity`` (0 to 1) and ``file_size`` in bytes, of the artifact.

    Raises:
        UserError: ``model_wrong_classes``, of a foreign checkpoint, where no step needs the images.
        UserError, MachineError: as `recipes.check_order`, `inputs.load_original`, `inputs.load_images`, the
            steps and `models.file.save_model`.
        Stopped: nothing is written.
    """
    spec, output = task["spec"], task["paths"]["output"]
    recipe = spec["recipe"]
    recipes.check_order(recipe["steps"], f"recipe {recipe['name']}", f"level {recipe['level']}")
    phase(report, "load")
    original = load_original(
        task,
        Path(task["paths"]["checkpoint"]),
        task["inputs"]["checkpoint"],
        dataset=spec["dataset"],
        seed=spec["seed"],
    )
    _refuse_other_classes(original, spec["dataset"], task["paths"]["checkpoint"])
    partial = Path(task["paths"]["partial"]) if "partial" in task["paths"] else None
    context = Context(
        original.record["model"]["image_size"],
        original.network,
        load=cache(lambda: load_images(task, original, task["paths"]["checkpoint"], report, should_stop)),
        seed=spec["seed"],
        partial=partial,
        should_stop=should_stop,
        device=find_device(spec.get("device", "cpu")),
    )
    network, steps = apply_steps(original.network, recipe["steps"], context, report)
    if should_stop():
        raise Stopped
    inherited: dict[str, Any] = {
        name: original.record[name]
        for name in ("classes", "normalisation", "code")
        if name in original.record
    }
    record: dict[str, Any] = {
        **common(task),
        **inherited,
        "kind": "artifact",
        "model": {**original.record["model"], "name": spec["model"]["name"]},
        "dataset": original.record.get("dataset", {"name": spec["dataset"]}),
        "deterministic": all(step.get("deterministic", True) for step in steps),
        "parents": {"checkpoint": {"key": original.record.get("key"), "sha256": original.sha256}},
        "recipe": {**recipe, "steps": steps},
    }
    sha256, size = save_model(Path(output), network, record)
    report({"type": "artifact", "path": output, "bytes": size, "sha256": sha256})
    if partial:
        shutil.rmtree(partial, ignore_errors=True)
    counts = parameter_counts(network)
    return {
        "params": counts.params,
        "nonzero": counts.nonzero,
        "sparsity": counts.sparsity,
        "file_size": size,
    }


def _refuse_other_classes(original: LoadedModel, dataset: str, path: str) -> None:
    found, expected = original.record["model"]["num_classes"], _CLASSES.get(dataset)
    if "dataset" in original.record or expected in (None, found):
        return
    raise UserError(
        "model_wrong_classes",
        f"{path}: expected {expected} classes, as {dataset} has, the file has {found}",
        "Name the data set that the model was trained on, or another file",
    )
