"""The test images of a benchmark, and what a model says to them."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor

from ..data.cache import Part
from ..measure.accuracy import logits
from ..report import Report, ShouldStop
from ..runtimes.runtime import Forward

_BATCH = 128


@dataclass(frozen=True)
class Evaluation:
    """Images, normalised as the networks expect them, and of which data set's content they are."""

    part: Part
    dataset_digest: str

    @property
    def labels(self) -> Tensor:
        """(N,) int64."""
        return self.part.labels

    def logits(self, forward: Forward, report: Report, should_stop: ShouldStop, phase: str) -> Tensor:
        """(N, classes) float32, as `measure.accuracy.logits`."""
        part = self.part
        return logits(
            forward, part.images, list(part.mean), list(part.std), _BATCH, should_stop, report, phase
        )
