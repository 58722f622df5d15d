"""The test images of a benchmark, and what a model says to them."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor

from ..data.cache import Dataset
from ..data.subset import balanced_subset
from ..errors import UserError
from ..measure.accuracy import logits
from ..models.file import LoadedModel
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


def evaluation(data: Dataset, count: int | None, original: LoadedModel, path: str) -> Evaluation:
    """``count`` of the test images, or all, normalised as the original expects them.

    Raises:
        UserError: ``model_wrong_classes``.
    """
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
    return Evaluation(
        data.test_images[chosen],
        data.test_labels[chosen],
        list(normalisation["mean"]),
        list(normalisation["std"]),
        data.digest,
    )
