"""The task `benchmark` of a dense network: measured alone, for comparison → rows that hold no comparison.

It stands where an artifact would (``compressed_X``), so that both lie on one frontier. Whatever says
something of an artifact beside its original stays empty: nothing is compared with itself.
"""

from __future__ import annotations

from itertools import product
from pathlib import Path
from typing import Any

import torch

from .. import schema
from ..errors import UserError
from ..models.file import LoadedModel
from ..report import Report, ShouldStop, phase
from ..runtimes.registry import find_runtime
from .figures import (
    accuracies,
    deterministic,
    identity,
    latencies,
    load_of_original,
    provenance,
    sizes,
)
from .inputs import load_original, load_test_images
from .original import Original
from .peak_memory import peak_memory_mb
from .rotation import timed_beside


def benchmark_dense(task: dict[str, Any], report: Report, should_stop: ShouldStop) -> dict[str, Any]:
    """Measure one network: its accuracy, its latency beside its own where it may be the fastest.

    Returns:
        ``rows``: as in schema/row.schema.json, one for each device, runtime and batch size.

    Raises:
        UserError: ``not_dense``, ``model_wrong_classes``; or as `inputs`.
        MachineError: ``runtime_missing``; a cache cannot be written.
        Stopped: nothing is kept but what was measured of the network in any case.
    """
    settings, image_size = task["spec"]["benchmark"], task["spec"]["model"]["image_size"]
    runtimes = [find_runtime(name) for name in settings["runtimes"]]
    phase(report, "load")
    network = _load(task)
    images = load_test_images(
        task, network, task["paths"]["original"], settings["max_eval_samples"], report, should_stop
    )
    dense = Original(task, network, images, report, should_stop)
    same_in_all = {
        **identity(task),
        **sizes("compressed", network, image_size),
        "eval_samples": len(images.labels),
        "deterministic": deterministic(network),
        "baseline": True,
        "original_sha256": network.sha256,
        **provenance(task),
    }
    rows = []
    for device, runtime in product(settings["devices"], runtimes):
        ready = dense.prepare(runtime)
        same_in_runtime = {
            "device": device,
            "runtime": runtime.name,
            "compressed_dtype": ready.dtype,
            **accuracies("compressed", dense.logits(runtime), images.labels),
        }
        for batch_size in settings["batch_sizes"]:
            batch = torch.randn(batch_size, 3, image_size, image_size)
            forms = dense.contenders(batch)
            phase(report, "measure")
            rotation = timed_beside({"dense": ready}, forms, batch, should_stop)
            best = rotation.best(dense.loses_nothing)
            row = {
                **same_in_all,
                **same_in_runtime,
                "batch_size": batch_size,
                **latencies("compressed", rotation.timed.latency("dense"), batch_size),
                **rotation.original(best),
                "noise": rotation.noise(best, dense="dense"),
            }
            if settings["peak_memory"]:
                phase(report, "peak memory")
                load = load_of_original(task, runtime.name, batch_size)
                (row["compressed_peak_memory_mb"],) = peak_memory_mb([load], should_stop)
            rows.append(schema.validate("row", row))
    return {"rows": rows}


def _load(task: dict[str, Any]) -> LoadedModel:
    spec, path = task["spec"], task["paths"]["original"]
    made_with = {"dataset": spec["dataset"]["name"], "seed": spec["seed"]}
    network = load_original(task, Path(path), task["inputs"]["original"], **made_with)
    recipe = network.record.get("recipe")
    if recipe is not None:
        raise UserError(
            "not_dense",
            f"{path}: expected a network that was never compressed, "
            f"the file was made with {recipe['name']} level {recipe['level']}",
            'Leave out "baseline", or name the checkpoint that it was made from',
        )
    return network
