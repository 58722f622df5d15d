"""What a benchmark says of one model, as columns of a row: ``original_X`` or ``compressed_X``."""

from __future__ import annotations

from datetime import datetime, timezone
from typing import Any, Literal

from torch import Tensor

from ..keys import software_versions
from ..measure.accuracy import accuracy, correct
from ..measure.counts import parameter_counts
from ..measure.intervals import wilson_interval
from ..measure.latency import Latency
from ..measure.macs import macs
from ..models.file import LoadedModel
from ..models.own_code import code_of
from .peak_memory import Load

Columns = dict[str, Any]
"""A part of a row, by column."""

Place = Literal["original", "compressed"]
"""Where in a row a model stands."""


def identity(task: dict[str, Any]) -> Columns:
    """What the row is about, but for what the runtime and the test images add."""
    spec = task["spec"]
    return {
        "model": spec["model"]["name"],
        "dataset": spec["dataset"]["name"],
        "recipe": spec["recipe"]["name"],
        "level": spec["recipe"]["level"],
        "seed": spec["seed"],
        "image_size": spec["model"]["image_size"],
        "cpu": task["cpu"]["model"],
        "threads": task["threads"],
    }


def provenance(task: dict[str, Any]) -> Columns:
    """What measured the row, and when."""
    return {
        "run": task.get("run"),
        "task_key": task["key"],
        "torch": software_versions()["torch"],
        "timestamp": datetime.now(timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ"),
    }


def deterministic(*models: LoadedModel) -> bool | None:
    """Whether making all of them again gives the same bits; of a foreign file nobody knows."""
    said = [model.record.get("deterministic") for model in models]
    return None if None in said else all(said)


def sizes(place: Place, model: LoadedModel, image_size: int) -> Columns:
    """Parameters, multiply-accumulates of an image, bytes of the file."""
    counts = parameter_counts(model.network)
    return {
        f"{place}_params": counts.params,
        f"{place}_nonzero": counts.nonzero,
        f"{place}_sparsity": counts.sparsity,
        f"{place}_macs": macs(model.network, image_size),
        f"{place}_file_size": model.bytes,
    }


def accuracies(place: Place, said: Tensor, labels: Tensor) -> Columns:
    """Accuracy and its interval; ``said`` (N, classes), ``labels`` (N,)."""
    low, high = wilson_interval(int(correct(said, labels).sum()), len(labels))
    return {
        f"{place}_acc": accuracy(said, labels),
        f"{place}_acc_low": low,
        f"{place}_acc_high": high,
    }


def latencies(place: Place, latency: Latency, batch_size: int) -> Columns:
    """Of one call, and the images a second that it comes to."""
    return {
        f"{place}_latency_ms": latency.p50_ms,
        f"{place}_latency_p90_ms": latency.p90_ms,
        f"{place}_throughput": 1000 * batch_size / latency.mean_ms,
    }


def load_of_original(task: dict[str, Any], runtime: str, batch_size: int) -> Load:
    """What a fresh process runs to say how much memory the original takes."""
    code = code_of(task)
    told = {"code": code and code.as_json(), "num_classes": task["spec"].get("num_classes")}
    return Load(task["paths"]["original"], task["spec"]["model"], runtime, batch_size, task["threads"], told)
