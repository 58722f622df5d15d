"""The test images of a benchmark, and what a model says to them."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor

from ..data.cache import Dataset
from ..data.subset import balanced_subset
from ..measure.accuracy import logits
from ..report import Report, ShouldStop
from ..runtimes.runtime import Forward

SUBSET_SEED = 0
"""One subset for all rows, whatever the model's seed: their accuracies stay comparable."""

_BATCH = 128


@dataclass(frozen=True)
class Evaluation:
    """Images and how the networks expect them.

    Attributes:
        images: (N, 3, S, S) uint8.
        labels: (N,) int64.
        mean: of each channel, 0 to 1.
        std: of each channel, above 0.
        dataset_digest: of the set they are from.
    """

    images: Tensor
    labels: Tensor
    mean: list[float]
    std: list[float]
    dataset_digest: str

    def logits(self, forward: Forward, report: Report, should_stop: ShouldStop, phase: str) -> Tensor:
        """(N, classes) float32, as `measure.accuracy.logits`."""
        return logits(forward, self.images, self.mean, self.std, _BATCH, should_stop, report, phase)


def evaluation(data: Dataset, count: int | None) -> Evaluation:
    """``count`` of the test images, or all, balanced over the classes."""
    chosen = balanced_subset(data.test_labels, count, SUBSET_SEED)
    return Evaluation(
        data.test_images[chosen],
        data.test_labels[chosen],
        list(data.mean),
        list(data.std),
        data.digest,
    )
