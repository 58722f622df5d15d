"""What a task reads: refused unless it is what the task was planned with."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from ..data.cache import Dataset, Decoded
from ..data.source import DataSource, digest, resolve
from ..errors import UserError
from ..models.file import LoadedModel, load_model
from ..models.own_code import code_of
from ..report import Report, ShouldStop, log
from .evaluation import Evaluation

_PLAN_AGAIN = "Run the same command again: it plans anew with what is there now"


def find_dataset(task: Mapping[str, Any]) -> DataSource:
    """Where the data set that a task names is now; raises as `data.source.resolve`."""
    spec = task["spec"]
    named = {"name": spec["dataset"], "source": spec["source"]} if "source" in spec else spec["dataset"]
    name, source = named["name"], named["source"]
    root = Path(task["paths"]["dataset"])
    return resolve(name, data_root=root.parent, path=root if source == "folder" else None)


def decoded(task: Mapping[str, Any], report: Report, should_stop: ShouldStop) -> Decoded:
    """The data set that a task names, at its model's image size; decoded as far as it is asked for.

    What was planned with, and lies decoded in the cache, is used whatever has become of its files; what has
    to be decoded raises UserError ``dataset_changed`` where they are others now, or as `data.source.resolve`.
    """
    planned = task["inputs"]["dataset"]

    def find() -> DataSource:
        found = find_dataset(task)
        if digest(found) != planned:
            raise UserError(
                "dataset_changed",
                f"data set {found.name}: {task['paths']['dataset']} has changed since the task was planned",
                _PLAN_AGAIN,
            )
        return found

    return Decoded(planned, find, task["spec"]["model"]["image_size"], report, should_stop)


def load_images(
    task: Mapping[str, Any], model: LoadedModel, path: str, report: Report, should_stop: ShouldStop
) -> Dataset:
    """The data set of a task, normalised as its model expects: one whose classes are the model's.

    A foreign file says no normalisation: usual is what its images have. Where the model was trained on other
    images of that name, a warning says so.

    Args:
        task: names the data set.
        model: the original of the task.
        path: its file, for messages.
        report: hears the warning.
        should_stop: asked while images are decoded.

    Raises:
        UserError: ``model_wrong_classes``; or as `data.cache.Decoded.part`.
        MachineError: as `data.cache.Decoded.part`.
        Stopped: as `data.cache.Decoded.part`.
    """
    data = decoded(task, report, should_stop).whole()
    _refuse_other_images(model, data.classes, data.digest, path, report)
    said = model.record.get("normalisation")
    return replace(data, mean=tuple(said["mean"]), std=tuple(said["std"])) if said else data


def load_test_images(
    task: Mapping[str, Any],
    model: LoadedModel,
    path: str,
    count: int | None,
    report: Report,
    should_stop: ShouldStop,
) -> Evaluation:
    """So many test images of a task's data set, or all, normalised as by `load_images`; raises as it does.

    Training images are decoded only where the usual normalisation is that of theirs.
    """
    data = decoded(task, report, should_stop)
    images = data.part("test", count)
    _refuse_other_images(model, images.classes, data.digest, path, report)
    said = model.record.get("normalisation")
    if said is None:
        train = data.part("train")
        said = {"mean": train.mean, "std": train.std}
    return Evaluation(replace(images, mean=tuple(said["mean"]), std=tuple(said["std"])), data.digest)


def _refuse_other_images(
    model: LoadedModel, classes: tuple[str, ...], now: str, path: str, report: Report
) -> None:
    _refuse_other_classes(model, classes, path)
    if model.record.get("dataset", {}).get("digest", now) != now:
        log(
            report,
            "warning",
            f"{path} was trained on other images than the data set has now: some of those that it is tested "
            "on may be among them",
        )


def _refuse_other_classes(model: LoadedModel, classes: tuple[str, ...], path: str) -> None:
    count, named = model.record["model"]["num_classes"], model.record.get("classes")
    if count != len(classes):
        raise UserError(
            "model_wrong_classes",
            f"{path}: expected {len(classes)} classes, as the data set has, the file has {count}",
            "Name the data set that the model was trained on, or another file",
        )
    if named is None or tuple(named) == classes:
        return
    at = next(at for at, (one, other) in enumerate(zip(named, classes, strict=True)) if one != other)
    raise UserError(
        "model_wrong_classes",
        f"{path}: its class {at} is {named[at]}, that of the data set is {classes[at]}",
        "Name the data set that the model was trained on, its classes named as they were",
    )


def load_original(task: Mapping[str, Any], path: Path, key: str, **made_with: object) -> LoadedModel:
    """The original that a task reads, with what the task tells of a foreign one; else as `load_input`."""
    spec = task["spec"]
    told = {"code": code_of(task), "num_classes": spec.get("num_classes")}
    original = load_input(path, key, spec["model"], told=told, **made_with)
    said = {name: spec[name] for name in ("code", "normalisation") if name in spec}
    return replace(original, record={**said, **original.record})


def load_input(
    path: Path,
    key: str,
    model: Mapping[str, Any],
    *,
    told: Mapping[str, Any] | None = None,
    **made_with: object,
) -> LoadedModel:
    """The model file that a task reads.

    Args:
        path: the file.
        key: the key that must stand in it; of a foreign file its SHA-256.
        model: the task's model: the architecture, stem and image size it must have.
        told: of a foreign file: the ``code`` that makes its network, ``num_classes``.
        made_with: what a file of ours must have been made with: ``dataset``, ``seed``, ``recipe``, ``level``.

    Raises:
        UserError: ``input_changed``, ``model_made_otherwise``; or as `models.file.load_model`.
    """
    loaded = load_model(
        path,
        arch=model["arch"],
        stem=model.get("stem"),
        image_size=model["image_size"],
        **(told or {}),
    )
    if loaded.record.get("key", loaded.sha256) != key:
        raise UserError(
            "input_changed", f"{path}: the file has changed since the task was planned", _PLAN_AGAIN
        )
    said = _made_with(loaded.record)
    asked = {name: model[name] for name in ("stem", "image_size") if name in model}
    for name, expected in {**asked, **made_with}.items():
        if name in said and said[name] != expected:
            raise UserError(
                "model_made_otherwise",
                f"{path}: expected {name} {expected}, the file was made with {name} {said[name]}",
                "Name the file that belongs to these settings, or the settings that belong to this file",
            )
    return loaded


def _made_with(record: Mapping[str, Any]) -> dict[str, object]:
    """What a record says of its making; of a foreign file it says little."""
    said = {name: record["model"][name] for name in ("stem", "image_size") if name in record["model"]}
    if "dataset" in record:
        said |= {"dataset": record["dataset"]["name"], "seed": record["seed"]}
    if "recipe" in record:
        said |= {"recipe": record["recipe"]["name"], "level": record["recipe"]["level"]}
    return said
