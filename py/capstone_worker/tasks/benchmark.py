"""The task `benchmark`: an original and its artifact, both read back from their files → rows."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timezone
from functools import partial
from itertools import product
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from .. import schema
from ..data.cache import Dataset
from ..data.subset import balanced_subset
from ..errors import UserError
from ..keys import software_versions
from ..measure.accuracy import accuracy, correct, logits
from ..measure.counts import parameter_counts
from ..measure.intervals import acc_drop_interval, mcnemar_exact
from ..measure.latency import Timed, alternate
from ..measure.logits_cache import LogitsKey, cached_logits
from ..measure.macs import macs
from ..models.file import LoadedModel
from ..report import Report, ShouldStop, phase
from ..runtimes.registry import RUNTIMES
from ..runtimes.runtime import Forward
from .inputs import load_dataset, load_input

SUBSET_SEED = 0
"""One subset for all rows, whatever the model's seed: their accuracies stay comparable."""

_EVAL_BATCH = 128

Columns = dict[str, Any]
"""A part of a row, by column."""


@dataclass(frozen=True)
class _TestImages:
    """images (N, 3, S, S) uint8, labels (N,) int64; mean and std of each channel that the networks expect."""

    images: Tensor
    labels: Tensor
    mean: list[float]
    std: list[float]


def benchmark(task: dict[str, Any], report: Report, should_stop: ShouldStop) -> dict[str, Any]:
    """Measure both models: accuracy on the same images, latencies in alternating blocks.

    Returns:
        ``rows``: as in schema/row.schema.json, one for each device, runtime and batch size.

    Raises:
        UserError: ``not_the_parent``, ``model_wrong_classes``; or as `inputs`.
        MachineError: a cache cannot be written.
        Stopped: nothing is kept but the original's logits.
    """
    settings, image_size = task["spec"]["benchmark"], task["spec"]["model"]["image_size"]
    phase(report, "load")
    original, artifact = _load_models(task)
    data = load_dataset(task, report, should_stop)
    test = _test_images(data, settings["max_eval_samples"], original, task["paths"]["original"])
    same_in_all = {
        **_identity(task),
        **_sizes(original, artifact, image_size),
        **_provenance(task, original, artifact),
    }
    rows = []
    for device, name in product(settings["devices"], settings["runtimes"]):
        runtime = RUNTIMES[name]
        forwards = runtime.prepare(original.network), runtime.prepare(artifact.network)
        key = LogitsKey(
            model_sha256=original.sha256,
            dataset_digest=data.digest,
            eval_samples=len(test.labels),
            seed=SUBSET_SEED,
            runtime=name,
            torch=software_versions()["torch"],
            threads=task["threads"],
        )
        same_in_runtime = {
            "device": device,
            "runtime": name,
            **_pair("dtype", runtime.dtype(original.network), runtime.dtype(artifact.network)),
            **_accuracies(forwards, test, key, report, should_stop),
        }
        phase(report, "measure")
        for batch_size in settings["batch_sizes"]:
            batch = torch.randn(batch_size, 3, image_size, image_size)
            calls = {
                name: partial(forward, batch)
                for name, forward in zip(("original", "compressed"), forwards, strict=True)
            }
            timed = alternate(calls, should_stop=should_stop)
            row = {**same_in_all, **same_in_runtime, **_latencies(timed, batch_size)}
            rows.append(schema.validate("row", row))
    return {"rows": rows}


def _load_models(task: dict[str, Any]) -> tuple[LoadedModel, LoadedModel]:
    spec, inputs, paths = task["spec"], task["inputs"], task["paths"]
    recipe = spec["recipe"]
    made_with = {"dataset": spec["dataset"]["name"], "seed": spec["seed"]}
    original = load_input(Path(paths["original"]), inputs["original"], spec["model"], **made_with)
    artifact = load_input(
        Path(paths["artifact"]),
        inputs["artifact"],
        spec["model"],
        **made_with,
        recipe=recipe["name"],
        level=recipe["level"],
    )
    parents = artifact.record.get("parents", {})
    if parents.get("checkpoint", {}).get("sha256") != original.sha256:
        raise UserError(
            "not_the_parent",
            f"{paths['artifact']} was not made from {paths['original']}",
            "Compress this original again, or put the original back that the artifact was made from",
        )
    return original, artifact


def _test_images(data: Dataset, count: int | None, original: LoadedModel, path: str) -> _TestImages:
    classes = original.record["model"]["num_classes"]
    if classes != len(data.classes):
        raise UserError(
            "model_wrong_classes",
            f"{path}: expected {len(data.classes)} classes, as the data set has, the file has {classes}",
            "Name the data set that the model was trained on",
        )
    # A foreign file does not say; what is usual is the mean and deviation of its training images.
    normalisation = original.record.get("normalisation", {"mean": data.mean, "std": data.std})
    chosen = balanced_subset(data.test_labels, count, SUBSET_SEED)
    return _TestImages(
        data.test_images[chosen],
        data.test_labels[chosen],
        list(normalisation["mean"]),
        list(normalisation["std"]),
    )


def _identity(task: dict[str, Any]) -> Columns:
    """What the row is about, but for what the runtime adds."""
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


def _sizes(original: LoadedModel, artifact: LoadedModel, image_size: int) -> Columns:
    before, after = parameter_counts(original.network), parameter_counts(artifact.network)
    return {
        **_pair("params", before.params, after.params),
        **_pair("nonzero", before.nonzero, after.nonzero),
        **_pair("sparsity", before.sparsity, after.sparsity),
        **_pair("macs", macs(original.network, image_size), macs(artifact.network, image_size)),
        **_pair("file_size", original.bytes, artifact.bytes),
        "size_ratio": original.bytes / artifact.bytes,
    }


def _provenance(task: dict[str, Any], original: LoadedModel, artifact: LoadedModel) -> Columns:
    """Where the row comes from."""
    # Of a foreign original nobody knows how it was trained.
    known = "deterministic" in original.record
    return {
        "deterministic": original.record["deterministic"] and artifact.record["deterministic"]
        if known
        else None,
        "baseline": False,
        "original_sha256": original.sha256,
        "artifact_sha256": artifact.sha256,
        "run": task.get("run"),
        "task_key": task["key"],
        "torch": software_versions()["torch"],
        "timestamp": datetime.now(timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ"),
    }


def _accuracies(
    forwards: tuple[Forward, Forward],
    test: _TestImages,
    key: LogitsKey,
    report: Report,
    should_stop: ShouldStop,
) -> Columns:
    """Both accuracies on the same images, and what chance alone can have done to their difference."""

    def evaluate(forward: Forward, name: str) -> Tensor:
        return logits(
            forward, test.images, test.mean, test.std, _EVAL_BATCH, should_stop, report, f"evaluate {name}"
        )

    before = cached_logits(key, lambda: evaluate(forwards[0], "original"))
    after = evaluate(forwards[1], "compressed")
    right_before, right_after = correct(before, test.labels), correct(after, test.labels)
    acc_before, acc_after = accuracy(before, test.labels), accuracy(after, test.labels)
    low, high = acc_drop_interval(right_before, right_after)
    return {
        "eval_samples": len(test.labels),
        **_pair("acc", acc_before, acc_after),
        "acc_drop": acc_before - acc_after,
        "acc_drop_low": low,
        "acc_drop_high": high,
        "mcnemar_p": mcnemar_exact(right_before, right_after),
    }


def _latencies(timed: Timed, batch_size: int) -> Columns:
    before, after = timed.latency("original"), timed.latency("compressed")
    speedup = timed.ratio("original", "compressed")
    return {
        "batch_size": batch_size,
        **_pair("latency_ms", before.p50_ms, after.p50_ms),
        **_pair("latency_p90_ms", before.p90_ms, after.p90_ms),
        **_pair("throughput", 1000 * batch_size / before.mean_ms, 1000 * batch_size / after.mean_ms),
        "speedup": speedup.point,
        "speedup_low": speedup.low,
        "speedup_high": speedup.high,
        "verdict": speedup.verdict,
        # The one runtime there is executes the original in torch eager fp32.
        "eager_latency_ms": before.p50_ms,
        "speedup_vs_eager": speedup.point,
        "noise": timed.noise,
    }


def _pair(name: str, original: object, compressed: object) -> Columns:
    return {f"original_{name}": original, f"compressed_{name}": compressed}
