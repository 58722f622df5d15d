"""DenseNets (Huang et al. 2016, arXiv 1608.06993)."""

from __future__ import annotations

import re
from collections.abc import Mapping

import torch
import torchvision
from torch import Tensor, nn

from .resnet import Stem

_OLD_NAME = re.compile(r"(.*denselayer\d+\.(?:norm|conv))\.([12]\..*)")
"""Before torchvision 0.3, and in its published weights: ``denselayer1.norm.1.weight``."""


class DenseNet(torchvision.models.DenseNet):
    """torchvision's, with its parameters and their names; the functions at its end are modules here."""

    def __init__(self, num_classes: int) -> None:
        super().__init__(num_classes=num_classes)  # its defaults are those of DenseNet-121
        self.relu = nn.ReLU(inplace=True)
        self.avgpool = nn.AdaptiveAvgPool2d(1)

    def forward(self, images: Tensor) -> Tensor:
        """images (N, 3, S, S) -> logits (N, classes)."""
        pooled = self.avgpool(self.relu(self.features(images)))
        logits: Tensor = self.classifier(torch.flatten(pooled, 1))
        return logits


def densenet121(num_classes: int, stem: Stem, image_size: int) -> nn.Module:
    """DenseNet-121: blocks of 6, 12, 24 and 16 layers that add 32 channels each."""
    return DenseNet(num_classes)


def renamed(tensors: Mapping[str, Tensor], image_size: int) -> Mapping[str, Tensor]:
    """A state_dict with torchvision's older names renamed; it is the same at every image size."""
    return {_OLD_NAME.sub(r"\1\2", name): tensor for name, tensor in tensors.items()}
