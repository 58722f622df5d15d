"""The original of a benchmark: what is measured of it alone, once for all levels compared with it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from torch import Tensor

from .. import schema
from ..data.subset import SUBSET_SEED
from ..keys import installed_versions
from ..measure.accuracy import correct
from ..measure.best_original import EAGER, find_contenders, form, prepare_all
from ..measure.kept import kept
from ..measure.logits_cache import LogitsKey, cached_logits
from ..models.file import LoadedModel
from ..report import Report, ShouldStop
from ..runtimes.registry import RUNTIMES
from ..runtimes.runtime import Prepared, Runtime
from ..runtimes.source import Source
from .evaluation import Evaluation

LOSS = 0.001
"""Share of the test images, at least one, that may be lost to another order of summation: 0.1 points."""


@dataclass(frozen=True)
class _ContendersKey:
    """Everything that can change which forms may be the best, on one machine."""

    model_sha256: str
    record: Mapping[str, Any]
    dataset_digest: str
    eval_samples: int
    batch_size: int
    threads: int
    cpu: Mapping[str, Any]
    software: Mapping[str, str | None]
    version: int


class Original:
    """An original; its forms, each in a runtime and a dtype, are made when they are first needed."""

    def __init__(
        self,
        task: Mapping[str, Any],
        model: LoadedModel,
        evaluation: Evaluation,
        report: Report,
        should_stop: ShouldStop,
    ) -> None:
        """``task``: the benchmark; the rest as its name says."""
        self._threads: int = task["threads"]
        self._cpu = task["cpu"]
        self._model = model
        self._evaluation = evaluation
        self._report = report
        self._should_stop = should_stop
        self._source = Source(model.network, task["spec"]["model"]["image_size"])
        self._prepared: dict[str, Prepared] = {}

    def prepare(self, runtime: Runtime, dtype: str | None = None) -> Prepared:
        """Ready to run; None: in what the runtime executes it in unasked."""
        dtype = dtype or runtime.dtypes()[0]
        name = form(runtime, dtype)
        if name not in self._prepared:
            self._prepared[name] = runtime.prepare(self._source, threads=self._threads, dtype=dtype)
        return self._prepared[name]

    def logits(self, runtime: Runtime, dtype: str | None = None, phase: str = "evaluate original") -> Tensor:
        """What it says to the test images there, (N, classes) float32."""
        prepared = self.prepare(runtime, dtype)
        key = LogitsKey(
            model_sha256=self._model.sha256,
            record=self._model.record,
            dataset_digest=self._evaluation.dataset_digest,
            eval_samples=len(self._evaluation.labels),
            seed=SUBSET_SEED,
            runtime=runtime.name,
            dtype=prepared.dtype,
            software=installed_versions(),
            threads=self._threads,
        )
        return cached_logits(
            key,
            lambda: self._evaluation.logits(prepared.forward, self._report, self._should_stop, phase),
            self._report,
            self._should_stop,
        )

    def contenders(self, batch: Tensor) -> dict[str, Prepared]:
        """Torch eager float32, and the forms that may be faster without loss; kept by their names.

        Raises:
            Stopped: asked to stop.
        """
        key = _ContendersKey(
            model_sha256=self._model.sha256,
            record=self._model.record,
            dataset_digest=self._evaluation.dataset_digest,
            eval_samples=len(self._evaluation.labels),
            batch_size=len(batch),
            threads=self._threads,
            cpu=self._cpu,
            software=installed_versions(),
            version=schema.job_version("benchmark"),
        )
        names = kept(
            "best_originals",
            key,
            lambda: find_contenders(self._forms, batch, self.loses_nothing, self._report, self._should_stop),
            lambda found: json.dumps(found).encode(),
            _names_in,
            self._report,
            self._should_stop,
        )
        return {name: self.prepare(*_parts(name)) for name in names}

    @cached_property
    def _forms(self) -> dict[str, Prepared]:
        return prepare_all(self.prepare, self._report)

    def loses_nothing(self, name: str) -> bool:
        """Whether the form of that name is as accurate as torch eager float32."""
        if name == EAGER:
            return True
        labels = self._evaluation.labels
        eager = self.logits(RUNTIMES["torch"])
        other = self.logits(*_parts(name), "evaluate best original")
        return int(correct(eager, labels).sum() - correct(other, labels).sum()) <= max(1, LOSS * len(labels))


def _names_in(data: bytes) -> list[str]:
    names: list[str] = json.loads(data)
    if EAGER not in names or any(name.split()[0] not in RUNTIMES for name in names):
        raise ValueError("no names of forms")
    return names


def _parts(name: str) -> tuple[Runtime, str]:
    runtime, dtype = name.split()
    return RUNTIMES[runtime], dtype
