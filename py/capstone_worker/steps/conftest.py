"""What steps are given in a test."""

from dataclasses import replace
from functools import cache
from typing import Any, NoReturn

import torch
from torch import Tensor, fx, nn

from ..data.cache import Dataset
from ..data.conftest import first_of_fashion
from ..graph.trace import trace
from ..models.build import build
from ..training.batches import normalized
from .base import Context

FINETUNE: dict[str, Any] = {
    "epochs": 2,
    "lr": 0.05,
    "batch_size": 64,
    "weight_decay": 5e-4,
    "warmup_epochs": 0.0,
    "augment": "flip",
    "cutout": 0,
    "label_smoothing": 0.0,
    "ema_decay": 0.0,
    "precision": "fp32",
    "distill": None,
    "weight_bits": None,
    "max_train_samples": None,
}
"""Settings of the step `finetune`: short, by labels alone."""


def no_images() -> NoReturn:
    """For steps that may not ask for images."""
    raise AssertionError("this step asked for images")


def at(image_size: int) -> Context:
    """The context of a step that asks for neither images nor the original."""
    return Context(image_size, original=fx.symbolic_trace(nn.Identity()), load=no_images)


@cache
def images_of_fashion() -> Dataset:
    """The first 600 training and 200 test images of the bundled set, at 32x32."""
    return first_of_fashion(600, 200)


def with_images(image_size: int = 32) -> Context:
    """The context of a step that asks for images."""
    return replace(at(image_size), load=images_of_fashion)


def images_to_test(count: int) -> Tensor:
    """Test images as a network takes them, (count, 3, 32, 32) float32."""
    data = images_of_fashion()
    return normalized(data.test_images[:count], data.mean, data.std)


def adapted(arch: str, stem: str = "cifar") -> fx.GraphModule:
    """A network with fresh weights whose batch norms have seen images, in evaluation mode.

    Statistics, gains and biases differ from channel to channel, and values neither vanish nor explode.
    """
    network = build(arch, num_classes=10, stem=stem, image_size=32, seed=0)  # type: ignore[arg-type]
    torch.manual_seed(0)
    for module in network.modules():
        if isinstance(module, nn.BatchNorm2d):
            nn.init.uniform_(module.weight, 0.5, 1.5)
            nn.init.normal_(module.bias, 0, 0.1)
            module.momentum = None  # type: ignore[assignment] # the mean over all batches
    data = images_of_fashion()
    with torch.no_grad():
        for batch in data.train_images[:128].split(64):
            network(normalized(batch, data.mean, data.std))
    return trace(network.eval())
