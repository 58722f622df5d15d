"""What a benchmark says of one model, as columns of a row: ``original_X`` or ``compressed_X``."""

from __future__ import annotations

from datetime import datetime, timezone
from functools import partial
from typing import Any, Literal

from torch import Tensor

from ..keys import software_versions
from ..measure.accuracy import accuracy, correct
from ..measure.best_original import BestOriginal
from ..measure.counts import parameter_counts
from ..measure.idle import wait_until_idle
from ..measure.intervals import wilson_interval
from ..measure.latency import Latency, Timed, alternate, no_wait
from ..measure.macs import macs
from ..models.file import LoadedModel
from ..models.own_code import code_of
from ..report import ShouldStop
from ..runtimes.runtime import Prepared
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


def best_original(eager_ms: float, best: BestOriginal) -> Columns:
    """Where the original is fastest, applied to its eager latency of this rotation."""
    return {
        "eager_latency_ms": eager_ms,
        "best_original_runtime": best.runtime,
        "best_original_latency_ms": eager_ms / best.speedup,
    }


def noise(timed: Timed, best: BestOriginal) -> str | None:
    """What disturbed either measurement, in words; None where nothing was seen."""
    return "; ".join(filter(None, [timed.noise, best.noise])) or None


def timed_beside_eager(
    models: dict[str, Prepared], eager: Prepared, batch: Tensor, should_stop: ShouldStop
) -> tuple[Timed, str]:
    """The models' times, and the name in there of torch eager float32: timed too where none of them is it.

    Raises:
        Stopped: asked to stop.
    """
    at_eager = next((name for name, ready in models.items() if ready is eager), "eager")
    prepared = models if at_eager in models else {**models, at_eager: eager}
    calls = {name: partial(ready.forward, batch) for name, ready in prepared.items()}
    # One runtime has one pool; or sessions of their own, which rest when their call is over.
    settle = no_wait if at_eager in models else wait_until_idle
    pairs = [("original", name) for name in models if "original" in models and name != "original"]
    return alternate(calls, pairs=pairs, should_stop=should_stop, settle=settle), at_eager


def load_of_original(task: dict[str, Any], runtime: str, batch_size: int) -> Load:
    """What a fresh process runs to say how much memory the original takes."""
    code = code_of(task)
    told = {"code": code and code.as_json(), "num_classes": task["spec"].get("num_classes")}
    return Load(task["paths"]["original"], task["spec"]["model"], runtime, batch_size, task["threads"], told)
