"""A few real images, a network small enough to train in a test."""

from collections.abc import Callable, Iterator
from dataclasses import replace

import pytest
import torch
from torch import nn

from capstone_worker.data.cache import Dataset
from capstone_worker.data.conftest import first_of_fashion
from capstone_worker.training.config import TrainConfig


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    """Threads of a small computation wait for each other by spinning, which a busy machine makes slow."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="session")
def fashion() -> Dataset:
    """The first 1,200 training and 200 test images of the bundled set, at 32x32."""
    return first_of_fashion(1200, 200)


@pytest.fixture
def tiny(fashion: Dataset) -> Dataset:
    """110 training and 40 test images."""
    return replace(
        fashion,
        train_images=fashion.train_images[:110],
        train_labels=fashion.train_labels[:110],
        test_images=fashion.test_images[:40],
        test_labels=fashion.test_labels[:40],
    )


@pytest.fixture
def config() -> TrainConfig:
    return TrainConfig(
        epochs=3,
        batch_size=32,
        lr=0.05,
        weight_decay=5e-4,
        optimizer="sgd",
        schedule="one_cycle",
        warmup_epochs=0.0,
        augment="crop_flip",
        cutout=0,
        label_smoothing=0.1,
        ema_decay=0.0,
        precision="fp32",
        max_train_samples=None,
        eval_every=1,
    )


@pytest.fixture
def new_network() -> Callable[[], nn.Module]:
    """Makes networks with the same weights: normalisation, dropout, maps of 32, 8, 2 and 1."""

    def make() -> nn.Module:
        torch.manual_seed(0)
        return nn.Sequential(
            nn.Conv2d(3, 16, 5, stride=4, padding=2),
            nn.BatchNorm2d(16),
            nn.ReLU(),
            nn.Conv2d(16, 32, 3, stride=4, padding=1),
            nn.BatchNorm2d(32),
            nn.ReLU(),
            nn.Conv2d(32, 32, 3, stride=2, padding=1),
            nn.Flatten(),
            nn.Dropout(0.2),
            nn.Linear(32, 10),
        )

    return make
