"""What the textbook's scripts share: the network, its int8 form, the images, the five levels."""

from __future__ import annotations

from pathlib import Path

import torch
import torchvision
from torch import nn
from torchvision import transforms

AMOUNTS = {1: 0.35, 2: 0.5, 3: 0.6, 4: 0.7, 5: 0.75}
"""Of recipes/classic.json, so that both do the same work."""

INT8_FROM = 3
PLAIN = [
    transforms.ToTensor(),
    transforms.Normalize((0.4914, 0.4822, 0.4465), (0.2470, 0.2435, 0.2616)),
]


def resnet18() -> nn.Module:
    """torchvision's, with random weights, for ten classes."""
    network: nn.Module = torchvision.models.resnet18(num_classes=10)
    return network


def quantized(network: nn.Module) -> nn.Module:
    """Linear layers in dynamic int8."""
    converted: nn.Module = torch.ao.quantization.quantize_dynamic(network, {nn.Linear}, dtype=torch.qint8)
    return converted


def training_images(root: Path) -> torchvision.datasets.ImageFolder:
    """The training split of a folder ``{train,test}/<class>/*``, cropped and flipped at random."""
    varied = [transforms.RandomCrop(32, padding=4), transforms.RandomHorizontalFlip()]
    return torchvision.datasets.ImageFolder(str(root / "train"), transforms.Compose([*varied, *PLAIN]))


def test_images(root: Path) -> torchvision.datasets.ImageFolder:
    """The test split."""
    return torchvision.datasets.ImageFolder(str(root / "test"), transforms.Compose(PLAIN))
