"""The task `train`: one network, one data set, one seed → one checkpoint."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

from ..data.cache_home import cache_home
from ..errors import UserError
from ..graph.trace import trace
from ..models.architectures import family
from ..models.build import build
from ..models.file import save_model
from ..models.foreign import start_from
from ..models.own_code import CUSTOM, check_outputs, code_of, find_function, make_network
from ..models.pretrained import bring_weights, normalisation
from ..report import Report, ShouldStop, phase
from ..training import loop
from ..training.config import TrainConfig
from ..training.device import find_device
from .inputs import decoded
from .record import common


def train(task: dict[str, Any], report: Report, should_stop: ShouldStop) -> dict[str, Any]:
    """Train the network, or go on with an interrupted training, and write the checkpoint.

    Returns:
        ``acc`` (percent of the test images), ``loss``, ``epochs``, ``images_per_s``.

    Raises:
        UserError: ``model_wrong_classes``.
        UserError, MachineError: as `models.own_code`, `models.pretrained.bring_weights`,
            `data.cache.Decoded.part`, `training.loop.train`, `models.file.save_model`.
        Stopped: the training's state is saved.
    """
    spec, paths = task["spec"], task["paths"]
    phase(report, "load")
    device = find_device(spec.get("device", "cpu"))
    model = spec["model"]
    # First of all: where they cannot be had, nothing has been decoded in vain.
    weights = (
        bring_weights(model["arch"], spec["weights"], cache_home() / "weights", report, should_stop)
        if "weights" in spec
        else None
    )
    code = code_of(task)
    function = None if code is None else find_function(code)
    data = decoded(task, report, should_stop).whole(spec["train"]["max_train_samples"])
    classes = len(data.classes)
    _refuse_other_classes(spec, classes)
    if code is None or function is None:
        network = build(
            model["arch"],
            num_classes=classes,
            stem=model["stem"],
            image_size=model["image_size"],
            seed=spec["seed"],
        )
    else:
        network, outputs = make_network(
            code, function, num_classes=classes, image_size=model["image_size"], seed=spec["seed"]
        )
        check_outputs(code, outputs, classes, f"data set {spec['dataset']['name']} has")
    if weights is not None:
        start_from(weights, network, model["arch"], model["image_size"])
        # The published weights know no other images than such.
        mean, std = normalisation(model["arch"])
        data = replace(data, mean=mean, std=std)
    elif "normalisation" in spec:
        said = spec["normalisation"]
        data = replace(data, mean=tuple(said["mean"]), std=tuple(said["std"]))
    partial = Path(paths["partial"])
    result = loop.train(
        network.to(device),
        data,
        TrainConfig(**spec["train"]),
        seed=spec["seed"],
        partial=partial,
        report=report,
        should_stop=should_stop,
    )
    record = {
        **common(task),
        "kind": "checkpoint",
        "model": {
            **model,
            "family": family(model["arch"]) if code is None else CUSTOM,
            "num_classes": classes,
        },
        "dataset": {**spec["dataset"], "digest": data.digest},
        "classes": list(data.classes),
        "normalisation": {"mean": list(data.mean), "std": list(data.std)},
        "deterministic": result.deterministic,
        **({"weights": spec["weights"]} if "weights" in spec else {}),
        **({"code": spec["code"]} if "code" in spec else {}),
        "parents": {},
        "train": spec["train"],
        **({"device": spec["device"]} if "device" in spec else {}),
        "metrics": {"acc": result.acc, "loss": result.loss},
    }
    sha256, size = save_model(Path(paths["output"]), trace(network.cpu()), record)
    report({"type": "artifact", "path": paths["output"], "bytes": size, "sha256": sha256})
    shutil.rmtree(partial, ignore_errors=True)
    return {
        "acc": result.acc,
        "loss": result.loss,
        "epochs": result.epochs,
        "images_per_s": result.images_per_s,
    }


def _refuse_other_classes(spec: dict[str, Any], classes: int) -> None:
    if spec.get("num_classes", classes) != classes:
        raise UserError(
            "model_wrong_classes",
            f"model {spec['model']['name']}: its num_classes is {spec['num_classes']}, "
            f"data set {spec['dataset']['name']} has {classes}",
            "Leave num_classes out, or name the data set that it belongs to",
        )
