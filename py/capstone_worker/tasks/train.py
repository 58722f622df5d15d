"""The task `train`: one network, one data set, one seed → one checkpoint."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

from ..data.cache_home import cache_home
from ..graph.trace import trace
from ..models.architectures import family
from ..models.build import build
from ..models.file import save_model
from ..models.foreign import start_from
from ..models.pretrained import bring_weights, normalisation
from ..report import Report, ShouldStop, phase
from ..training import loop
from ..training.config import TrainConfig
from ..training.device import find_device
from .inputs import load_dataset
from .record import common


def train(task: dict[str, Any], report: Report, should_stop: ShouldStop) -> dict[str, Any]:
    """Train the network, or go on with an interrupted training, and write the checkpoint.

    Returns:
        ``acc`` (percent of the test images), ``loss``, ``epochs``, ``images_per_s``.

    Raises:
        UserError, MachineError: as `models.pretrained.bring_weights`, `inputs.load_dataset`,
            `training.loop.train`, `models.file.save_model`.
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
    data = load_dataset(task, report, should_stop)
    classes = len(data.classes)
    network = build(
        model["arch"],
        num_classes=classes,
        stem=model["stem"],
        image_size=model["image_size"],
        seed=spec["seed"],
    )
    if weights is not None:
        start_from(weights, network, model["arch"], model["image_size"])
        # The published weights know no other images than such.
        mean, std = normalisation(model["arch"])
        data = replace(data, mean=mean, std=std)
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
        "model": {**model, "family": family(model["arch"]), "num_classes": classes},
        "dataset": {**spec["dataset"], "digest": data.digest},
        "classes": list(data.classes),
        "normalisation": {"mean": list(data.mean), "std": list(data.std)},
        "deterministic": result.deterministic,
        **({"weights": spec["weights"]} if "weights" in spec else {}),
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
