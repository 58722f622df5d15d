"""What steps are given in a test."""

from pathlib import Path
from typing import NoReturn

import numpy as np
import pytest
import torch
from torch import Tensor, fx, nn

from ..data.cache import Dataset
from ..data.decode import open_split
from ..data.source import resolve
from .base import Context


def no_images() -> NoReturn:
    """For steps that may not ask for images."""
    raise AssertionError("this step asked for images")


def at(image_size: int) -> Context:
    """The context of a step that asks for neither images nor the original."""
    return Context(image_size, original=fx.symbolic_trace(nn.Identity()), load=no_images)


@pytest.fixture(scope="session")
def few_images() -> Dataset:
    """The first 500 training and 100 test images of the bundled set, at 32x32."""
    source = resolve("fashion_mnist_mini", data_root=Path("nowhere"))

    def first(split: str, count: int) -> tuple[Tensor, Tensor]:
        reader = open_split(source, split, 32)
        images = np.stack([reader.decode(index) for index in range(count)])
        return torch.from_numpy(images), torch.from_numpy(reader.labels[:count])

    return Dataset(
        *first("train", 500),
        *first("test", 100),
        classes=source.classes,
        mean=(0.22,) * 3,
        std=(0.33,) * 3,
        digest="of a part",
    )
