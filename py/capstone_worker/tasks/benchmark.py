"""The task `benchmark`: an original and its artifact, both read back from their files → rows."""

from __future__ import annotations

from itertools import product
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from .. import schema
from ..errors import UserError
from ..measure.accuracy import accuracy, correct
from ..measure.intervals import acc_drop_interval, mcnemar_exact
from ..models.file import LoadedModel
from ..report import Report, ShouldStop, phase
from ..runtimes.registry import find_runtime
from ..runtimes.source import Source
from .benchmark_dense import benchmark_dense
from .evaluation import evaluation
from .figures import (
    Columns,
    accuracies,
    best_original,
    deterministic,
    identity,
    latencies,
    load_of_original,
    provenance,
    sizes,
    timed_beside_eager,
)
from .inputs import load_dataset, load_input, load_original
from .original import Original
from .peak_memory import Load, peak_memory_mb


def benchmark(task: dict[str, Any], report: Report, should_stop: ShouldStop) -> dict[str, Any]:
    """Measure both models: accuracy on the same images, latencies in alternating blocks.

    A task without an artifact is that of a dense network, measured alone.

    Returns:
        ``rows``: as in schema/row.schema.json, one for each device, runtime and batch size.

    Raises:
        UserError: ``not_the_parent``, ``model_wrong_classes``; or as `inputs`.
        MachineError: ``runtime_missing``; a cache cannot be written.
        Stopped: nothing is kept but what was measured of the original.
    """
    if "artifact" not in task["paths"]:
        return benchmark_dense(task, report, should_stop)
    settings, image_size = task["spec"]["benchmark"], task["spec"]["model"]["image_size"]
    runtimes = [find_runtime(name) for name in settings["runtimes"]]
    phase(report, "load")
    original, artifact = _load_models(task)
    data = load_dataset(task, report, should_stop)
    images = evaluation(data, settings["max_eval_samples"], original, task["paths"]["original"])
    reference = Original(task, original, images, report, should_stop)
    compressed_source = Source(artifact.network, image_size)
    same_in_all = {
        **identity(task),
        **sizes("original", original, image_size),
        **sizes("compressed", artifact, image_size),
        "size_ratio": original.bytes / artifact.bytes,
        "eval_samples": len(images.labels),
        "deterministic": deterministic(original, artifact),
        "baseline": False,
        "original_sha256": original.sha256,
        "artifact_sha256": artifact.sha256,
        **provenance(task),
    }
    rows = []
    for device, runtime in product(settings["devices"], runtimes):
        before = reference.prepare(runtime)
        after = runtime.prepare(compressed_source, threads=task["threads"])
        said_after = images.logits(after.forward, report, should_stop, "evaluate compressed")
        said_before = reference.logits(runtime)
        same_in_runtime = {
            "device": device,
            "runtime": runtime.name,
            "original_dtype": before.dtype,
            "compressed_dtype": after.dtype,
            **accuracies("original", said_before, images.labels),
            **accuracies("compressed", said_after, images.labels),
            **_drop(said_before, said_after, images.labels),
        }
        for batch_size in settings["batch_sizes"]:
            batch = torch.randn(batch_size, 3, image_size, image_size)
            best = reference.best(batch)
            phase(report, "measure")
            models = {"original": before, "compressed": after}
            timed, eager_ms = timed_beside_eager(models, reference.eager, batch, should_stop)
            latency, speedup = timed.latency("compressed"), timed.ratio("original", "compressed")
            at_best = best_original(eager_ms, best)
            row = {
                **same_in_all,
                **same_in_runtime,
                "batch_size": batch_size,
                **latencies("original", timed.latency("original"), batch_size),
                **latencies("compressed", latency, batch_size),
                "speedup": speedup.point,
                "speedup_low": speedup.low,
                "speedup_high": speedup.high,
                "verdict": speedup.verdict,
                **at_best,
                "speedup_vs_eager": eager_ms / latency.p50_ms,
                "speedup_vs_best_original": at_best["best_original_latency_ms"] / latency.p50_ms,
                "noise": timed.noise,
            }
            if settings["peak_memory"]:
                phase(report, "peak memory")
                loads = [
                    load_of_original(task, runtime.name, batch_size),
                    _load_of_artifact(task, runtime.name, batch_size),
                ]
                memory = peak_memory_mb(loads, should_stop)
                row["original_peak_memory_mb"], row["compressed_peak_memory_mb"] = memory
            rows.append(schema.validate("row", row))
    return {"rows": rows}


def _load_models(task: dict[str, Any]) -> tuple[LoadedModel, LoadedModel]:
    spec, inputs, paths = task["spec"], task["inputs"], task["paths"]
    recipe = spec["recipe"]
    made_with = {"dataset": spec["dataset"]["name"], "seed": spec["seed"]}
    original = load_original(task, Path(paths["original"]), inputs["original"], **made_with)
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


def _drop(before: Tensor, after: Tensor, labels: Tensor) -> Columns:
    """What was lost on the same images, and what chance alone can have done to that."""
    right_before, right_after = correct(before, labels), correct(after, labels)
    low, high = acc_drop_interval(right_before, right_after)
    return {
        "acc_drop": accuracy(before, labels) - accuracy(after, labels),
        "acc_drop_low": low,
        "acc_drop_high": high,
        "mcnemar_p": mcnemar_exact(right_before, right_after),
    }


def _load_of_artifact(task: dict[str, Any], runtime: str, batch_size: int) -> Load:
    return Load(task["paths"]["artifact"], task["spec"]["model"], runtime, batch_size, task["threads"])
