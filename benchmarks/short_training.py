"""Short trainings by the program's own loop, for benchmarks of its speed."""

from __future__ import annotations

import sys
from pathlib import Path

import torch
from torch import nn

# Behind what a script put first: textbook/ has a train.py too.
sys.path.append(str(Path(__file__).resolve().parents[1] / "py"))

from capstone_worker.data.cache import Dataset
from capstone_worker.report import never_stop
from capstone_worker.training.config import TrainConfig
from capstone_worker.training.loop import Objective, train
from capstone_worker.training.precision import Precision

CLASSES = 10


def images_per_s(
    network: nn.Module, data: Dataset, config: TrainConfig, objective: Objective | None = None
) -> float:
    """Of a training from seed 0 that nobody listens to and that leaves no state."""
    return train(
        network,
        data,
        config,
        seed=0,
        partial=None,
        report=lambda event: None,
        should_stop=never_stop,
        objective=objective,
    ).images_per_s


def random_dataset(count: int, image_size: int) -> Dataset:
    """As many random training images, and two to test."""
    images = torch.randint(0, 256, (count, 3, image_size, image_size), dtype=torch.uint8)
    labels = torch.arange(count) % CLASSES
    classes = tuple(str(label) for label in range(CLASSES))
    return Dataset(images, labels, images[:2], labels[:2], classes, (0.5,) * 3, (0.25,) * 3, digest="random")


def short_training(batch_size: int, precision: Precision) -> TrainConfig:
    """One epoch with the usual extras; the rate is low enough that nothing diverges on random labels."""
    return TrainConfig(
        epochs=1,
        batch_size=batch_size,
        lr=1e-3,
        weight_decay=5e-4,
        optimizer="sgd",
        schedule="one_cycle",
        warmup_epochs=0.0,
        augment="crop_flip",
        label_smoothing=0.0,
        cutout=0,
        ema_decay=0.0,
        precision=precision,
        max_train_samples=None,
        eval_every=1,
    )
