"""The task `benchmark`: an original and its artifact, both read back from their files → rows."""

from __future__ import annotations

from datetime import datetime, timezone
from functools import partial
from itertools import product
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from .. import schema
from ..errors import UserError
from ..keys import software_versions
from ..measure.accuracy import accuracy, correct
from ..measure.best_original import BestOriginal
from ..measure.counts import parameter_counts
from ..measure.idle import wait_until_idle
from ..measure.intervals import acc_drop_interval, mcnemar_exact, wilson_interval
from ..measure.latency import Timed, alternate, no_wait
from ..measure.macs import macs
from ..models.file import LoadedModel
from ..models.own_code import code_of
from ..report import Report, ShouldStop, phase
from ..runtimes.registry import find_runtime
from ..runtimes.runtime import Prepared
from ..runtimes.source import Source
from .evaluation import evaluation
from .inputs import load_dataset, load_input, load_original
from .original import Original
from .peak_memory import Load, peak_memory_mb

Columns = dict[str, Any]
"""A part of a row, by column."""


def benchmark(task: dict[str, Any], report: Report, should_stop: ShouldStop) -> dict[str, Any]:
    """Measure both models: accuracy on the same images, latencies in alternating blocks.

    Returns:
        ``rows``: as in schema/row.schema.json, one for each device, runtime and batch size.

    Raises:
        UserError: ``not_the_parent``, ``model_wrong_classes``; or as `inputs`.
        MachineError: ``runtime_missing``; a cache cannot be written.
        Stopped: nothing is kept but what was measured of the original.
    """
    settings, image_size = task["spec"]["benchmark"], task["spec"]["model"]["image_size"]
    runtimes = [find_runtime(name) for name in settings["runtimes"]]
    phase(report, "load")
    original, artifact = _load_models(task)
    data = load_dataset(task, report, should_stop)
    images = evaluation(data, settings["max_eval_samples"], original, task["paths"]["original"])
    reference = Original(task, original, images, report, should_stop)
    compressed_source = Source(artifact.network, image_size)
    same_in_all = {
        **_identity(task),
        **_sizes(original, artifact, image_size),
        **_provenance(task, original, artifact),
    }
    rows = []
    for device, runtime in product(settings["devices"], runtimes):
        before = reference.prepare(runtime)
        after = runtime.prepare(compressed_source, threads=task["threads"])
        said = images.logits(after.forward, report, should_stop, "evaluate compressed")
        same_in_runtime = {
            "device": device,
            "runtime": runtime.name,
            **_pair("dtype", before.dtype, after.dtype),
            **_accuracies(reference.logits(runtime), said, images.labels),
        }
        for batch_size in settings["batch_sizes"]:
            batch = torch.randn(batch_size, 3, image_size, image_size)
            best = reference.best(batch)
            phase(report, "measure")
            timed = _time(reference.eager, before, after, batch, should_stop)
            row = {**same_in_all, **same_in_runtime, **_latencies(timed, batch_size, best)}
            if settings["peak_memory"]:
                phase(report, "peak memory")
                row |= _pair("peak_memory_mb", *_peak_memory(task, runtime.name, batch_size, should_stop))
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


def _accuracies(before: Tensor, after: Tensor, labels: Tensor) -> Columns:
    """Both accuracies on the same images, and what chance alone can have done to them."""
    right_before, right_after = correct(before, labels), correct(after, labels)
    acc_before, acc_after = accuracy(before, labels), accuracy(after, labels)
    drop = acc_drop_interval(right_before, right_after)
    columns: Columns = {"eval_samples": len(labels), **_pair("acc", acc_before, acc_after)}
    for end, which in enumerate(("low", "high")):
        ends = (wilson_interval(int(right.sum()), len(labels))[end] for right in (right_before, right_after))
        columns |= _pair(f"acc_{which}", *ends)
        columns[f"acc_drop_{which}"] = drop[end]
    return {
        **columns,
        "acc_drop": acc_before - acc_after,
        "mcnemar_p": mcnemar_exact(right_before, right_after),
    }


def _time(
    eager: Prepared, original: Prepared, compressed: Prepared, batch: Tensor, should_stop: ShouldStop
) -> Timed:
    """Both models, and the original in torch eager float32 where that is another."""
    prepared = {"original": original, "compressed": compressed}
    if original is not eager:
        prepared["eager"] = eager
    calls = {name: partial(ready.forward, batch) for name, ready in prepared.items()}
    # One runtime has one pool; or two sessions, which rest when their call is over.
    settle = wait_until_idle if "eager" in prepared else no_wait
    return alternate(calls, should_stop=should_stop, settle=settle)


def _latencies(timed: Timed, batch_size: int, best: BestOriginal) -> Columns:
    before, after = timed.latency("original"), timed.latency("compressed")
    speedup = timed.ratio("original", "compressed")
    eager = "eager" if "eager" in timed.blocks else "original"
    eager_ms = timed.latency(eager).p50_ms
    best_ms = eager_ms / best.speedup
    return {
        "batch_size": batch_size,
        **_pair("latency_ms", before.p50_ms, after.p50_ms),
        **_pair("latency_p90_ms", before.p90_ms, after.p90_ms),
        **_pair("throughput", 1000 * batch_size / before.mean_ms, 1000 * batch_size / after.mean_ms),
        "speedup": speedup.point,
        "speedup_low": speedup.low,
        "speedup_high": speedup.high,
        "verdict": speedup.verdict,
        "eager_latency_ms": eager_ms,
        "speedup_vs_eager": eager_ms / after.p50_ms,
        "best_original_runtime": best.runtime,
        "best_original_latency_ms": best_ms,
        "speedup_vs_best_original": best_ms / after.p50_ms,
        "noise": timed.noise,
    }


def _peak_memory(task: dict[str, Any], runtime: str, batch_size: int, should_stop: ShouldStop) -> list[float]:
    model, threads = task["spec"]["model"], task["threads"]
    code = code_of(task)
    told = {"code": code and code.as_json(), "num_classes": task["spec"].get("num_classes")}
    loads = [
        Load(task["paths"]["original"], model, runtime, batch_size, threads, told),
        Load(task["paths"]["artifact"], model, runtime, batch_size, threads),
    ]
    return peak_memory_mb(loads, should_stop)


def _pair(name: str, original: object, compressed: object) -> Columns:
    return {f"original_{name}": original, f"compressed_{name}": compressed}
