"""MobileNet-v2 (Sandler et al. 2018, arXiv 1801.04381)."""

from __future__ import annotations

import torch
import torchvision
from torch import Tensor, nn

from .resnet import Stem


class MobileNetV2(torchvision.models.MobileNetV2):
    """torchvision's, with its parameters and their names; the pooling at its end is a module here."""

    def __init__(self, num_classes: int) -> None:
        super().__init__(num_classes=num_classes)
        self.avgpool = nn.AdaptiveAvgPool2d(1)

    def forward(self, images: Tensor) -> Tensor:
        """images (N, 3, S, S) -> logits (N, classes)."""
        logits: Tensor = self.classifier(torch.flatten(self.avgpool(self.features(images)), 1))
        return logits


def mobilenet_v2(num_classes: int, stem: Stem, image_size: int) -> nn.Module:
    """MobileNet-v2 of width 1."""
    return MobileNetV2(num_classes)
