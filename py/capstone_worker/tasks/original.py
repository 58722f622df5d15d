"""The original of a benchmark: what is measured of it alone, once for all levels compared with it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from torch import Tensor

from .. import schema
from ..data.subset import SUBSET_SEED
from ..keys import installed_versions
from ..measure.accuracy import correct
from ..measure.best_original import BestOriginal, find_best_original, prepare_all
from ..measure.kept import kept
from ..measure.logits_cache import LogitsKey, cached_logits
from ..models.file import LoadedModel
from ..report import Report, ShouldStop
from ..runtimes.registry import RUNTIMES
from ..runtimes.runtime import Forward, Prepared, Runtime
from ..runtimes.source import Source
from .evaluation import Evaluation

LOSS = 0.001
"""Share of the test images, at least one, that may be lost to another order of summation: 0.1 points."""


@dataclass(frozen=True)
class _BestKey:
    """Everything that can change which runtime is the best and by how much, on one machine."""

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
    """An original, its forms in the runtimes made when they are first needed."""

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
        self._candidates: dict[str, Prepared] | None = None

    def prepare(self, runtime: Runtime) -> Prepared:
        """Ready to run in what the runtime executes it in unasked."""
        if runtime.name not in self._prepared:
            self._prepared[runtime.name] = runtime.prepare(self._source, threads=self._threads)
        return self._prepared[runtime.name]

    @property
    def eager(self) -> Prepared:
        """In torch eager float32."""
        return self.prepare(RUNTIMES["torch"])

    def logits(self, runtime: Runtime) -> Tensor:
        """What it says to the test images there, (N, classes) float32."""
        prepared = self.prepare(runtime)
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
            lambda: self._said(prepared.forward, "evaluate original"),
            self._report,
            self._should_stop,
        )

    def best(self, batch: Tensor) -> BestOriginal:
        """Where it is fastest without loss; kept where the measurement was steady.

        Raises:
            Stopped: asked to stop.
        """
        key = _BestKey(
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

        def find() -> BestOriginal:
            if self._candidates is None:
                self._candidates = prepare_all(self._source, self._threads, self._report)
            return find_best_original(
                self._candidates, batch, self._loses_nothing, self._report, self._should_stop
            )

        def encode(best: BestOriginal) -> bytes | None:
            return json.dumps(asdict(best)).encode() if best.noise is None else None

        return kept(
            "best_originals",
            key,
            find,
            encode,
            lambda data: BestOriginal(**json.loads(data)),
            self._report,
            self._should_stop,
        )

    def _loses_nothing(self, forward: Forward) -> bool:
        labels = self._evaluation.labels
        eager = int(correct(self.logits(RUNTIMES["torch"]), labels).sum())
        other = int(correct(self._said(forward, "evaluate best original"), labels).sum())
        return eager - other <= max(1, LOSS * len(labels))

    def _said(self, forward: Forward, phase: str) -> Tensor:
        return self._evaluation.logits(forward, self._report, self._should_stop, phase)
