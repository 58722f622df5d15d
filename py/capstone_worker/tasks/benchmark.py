"""The task `benchmark`: an original and its artifacts, all read back from their files → rows.

Artifacts that are asked for together take turns in one rotation with their original: what disturbs one of
them disturbs all, and the original is read, prepared and timed once.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import product
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from .. import schema
from ..errors import UserError
from ..measure.accuracy import accuracy, correct
from ..measure.cpu import int8_backend
from ..measure.intervals import acc_drop_interval, mcnemar_exact
from ..models.file import LoadedModel
from ..report import Event, Report, ShouldStop, log, phase
from ..runtimes.registry import find_runtime
from ..runtimes.runtime import Runtime
from ..runtimes.source import Source
from ..steps.quantize_static import LARGEST
from .evaluation import Evaluation
from .figures import (
    Columns,
    accuracies,
    deterministic,
    identity,
    latencies,
    load_of_original,
    provenance,
    sizes,
)
from .inputs import load_input, load_original, load_test_images
from .original import Original
from .peak_memory import Load, peak_memory_mb
from .rotation import timed_beside

Task = dict[str, Any]


@dataclass(frozen=True)
class _Artifact:
    """One of those that take turns: what is asked of it, what it is, the rows so far."""

    task: Task
    report: Report
    model: LoadedModel
    source: Source
    same_in_all: Columns
    rows: list[Columns] = field(default_factory=list)


def benchmark(tasks: Sequence[Task], reports: Sequence[Report], should_stop: ShouldStop) -> list[Columns]:
    """Measure an original and its artifacts: accuracy on the same images, latencies in alternating blocks.

    Args:
        tasks: of one original; they differ in their artifact alone.
        reports: one for each task.
        should_stop: asked at safe points.

    Returns:
        For each task ``rows``: as in schema/row.schema.json, one for each device, runtime and batch size.

    Raises:
        UserError: ``not_the_parent``, ``model_wrong_classes``; or as `inputs`.
        MachineError: ``runtime_missing``; a cache cannot be written.
        Stopped: nothing is kept but what was measured of the original.
    """

    def report(event: Event) -> None:
        for tell in reports:
            tell(event)

    task = tasks[0]
    settings, image_size = task["spec"]["benchmark"], task["spec"]["model"]["image_size"]
    runtimes = [find_runtime(name) for name in settings["runtimes"]]
    phase(report, "load")
    original = _load_original(task)
    images = load_test_images(
        task, original, task["paths"]["original"], settings["max_eval_samples"], report, should_stop
    )
    reference = Original(task, original, images, report, should_stop)
    of_original = sizes("original", original, image_size)
    artifacts = [
        _load_artifact(task, tell, original, of_original, images)
        for task, tell in zip(tasks, reports, strict=True)
    ]
    for device, runtime in product(settings["devices"], runtimes):
        _measure(artifacts, reference, images, device, runtime, report, should_stop)
    return [{"rows": artifact.rows} for artifact in artifacts]


def _measure(
    artifacts: Sequence[_Artifact],
    reference: Original,
    images: Evaluation,
    device: str,
    runtime: Runtime,
    report: Report,
    should_stop: ShouldStop,
) -> None:
    """Add to each artifact its rows on one device in one runtime."""
    settings = artifacts[0].task["spec"]["benchmark"]
    threads, image_size = artifacts[0].task["threads"], artifacts[0].source.image_size
    before = reference.prepare(runtime)
    after = [runtime.prepare(artifact.source, threads=threads) for artifact in artifacts]
    said_after = [
        images.logits(ready.forward, artifact.report, should_stop, "evaluate compressed")
        for artifact, ready in zip(artifacts, after, strict=True)
    ]
    said_before = reference.logits(runtime)
    for batch_size in settings["batch_sizes"]:
        batch = torch.randn(batch_size, 3, image_size, image_size)
        forms = reference.contenders(batch)
        phase(report, "measure")
        models = {"original": before, **{f"artifact {place}": ready for place, ready in enumerate(after)}}
        rotation = timed_beside(models, forms, batch, should_stop)
        timed, best = rotation.timed, rotation.best(reference.loses_nothing)
        memory: list[Columns] = [{}] * len(artifacts)
        if settings["peak_memory"]:
            phase(report, "peak memory")
            memory = _peak_memory(artifacts, runtime.name, batch_size, should_stop)
        for place, (artifact, ready, said) in enumerate(zip(artifacts, after, said_after, strict=True)):
            here = f"artifact {place}"
            speedup = timed.ratio("original", here)
            row = {
                **artifact.same_in_all,
                "device": device,
                "runtime": runtime.name,
                "batch_size": batch_size,
                "original_dtype": before.dtype,
                "compressed_dtype": ready.dtype,
                **accuracies("original", said_before, images.labels),
                **accuracies("compressed", said, images.labels),
                **_drop(said_before, said, images.labels),
                **latencies("original", timed.latency("original"), batch_size),
                **latencies("compressed", timed.latency(here), batch_size),
                "speedup": speedup.point,
                "speedup_low": speedup.low,
                "speedup_high": speedup.high,
                "verdict": speedup.verdict,
                **rotation.original(best),
                "speedup_vs_eager": timed.ratio(rotation.eager, here).point,
                "speedup_vs_best_original": timed.ratio(rotation.forms[best], here).point,
                "noise": rotation.noise(best, original="original", compressed=here),
                **memory[place],
            }
            artifact.rows.append(schema.validate("row", row))


def _load_original(task: Task) -> LoadedModel:
    path = Path(task["paths"]["original"])
    return load_original(task, path, task["inputs"]["original"], **_made_with(task))


def _load_artifact(
    task: Task, report: Report, original: LoadedModel, of_original: Columns, images: Evaluation
) -> _Artifact:
    paths, spec = task["paths"], task["spec"]
    recipe = {"recipe": spec["recipe"]["name"], "level": spec["recipe"]["level"]}
    key = task["inputs"]["artifact"]
    model = load_input(Path(paths["artifact"]), key, spec["model"], **_made_with(task), **recipe)
    if model.record.get("parents", {}).get("checkpoint", {}).get("sha256") != original.sha256:
        raise UserError(
            "not_the_parent",
            f"{paths['artifact']} was not made from {paths['original']}",
            "Compress this original again, or put the original back that the artifact was made from",
        )
    _warn_of_overflow(model, paths["artifact"], report)
    image_size = spec["model"]["image_size"]
    same_in_all = {
        **identity(task),
        **of_original,
        **sizes("compressed", model, image_size),
        "size_ratio": original.bytes / model.bytes,
        "eval_samples": len(images.labels),
        "deterministic": deterministic(original, model),
        "baseline": False,
        "original_sha256": original.sha256,
        "artifact_sha256": model.sha256,
        **provenance(task),
    }
    return _Artifact(task, report, model, Source(model.network, image_size), same_in_all)


def _warn_of_overflow(model: LoadedModel, path: str, report: Report) -> None:
    """Two products of 8-bit activations fit into 16 bits where weights have fewer than 8."""
    here = int8_backend()
    for step in model.record.get("recipe", {}).get("steps", []):
        made_for = step.get("backend")
        if made_for in LARGEST and LARGEST[made_for] > LARGEST[here] and step.get("weight_bits", 8) == 8:
            log(
                report,
                "warning",
                f"{path} was quantised for {made_for}, with 8 bits in its activations: on this CPU, {here}, "
                "int8 kernels may add beyond 16 bits, which costs accuracy. Compress it here, or for x86",
            )


def _made_with(task: Task) -> Columns:
    return {"dataset": task["spec"]["dataset"]["name"], "seed": task["spec"]["seed"]}


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


def _peak_memory(
    artifacts: Sequence[_Artifact], runtime: str, batch_size: int, should_stop: ShouldStop
) -> list[Columns]:
    """Of the original and each artifact."""
    loads = [load_of_original(artifacts[0].task, runtime, batch_size)]
    for artifact in artifacts:
        task = artifact.task
        loads.append(
            Load(task["paths"]["artifact"], task["spec"]["model"], runtime, batch_size, task["threads"])
        )
    of_original, *of_artifacts = peak_memory_mb(loads, should_stop)
    return [
        {"original_peak_memory_mb": of_original, "compressed_peak_memory_mb": megabytes}
        for megabytes in of_artifacts
    ]
