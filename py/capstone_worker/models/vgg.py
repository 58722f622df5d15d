"""VGGs (Simonyan and Zisserman 2014, arXiv 1409.1556), with batch norm."""

from __future__ import annotations

from collections.abc import Callable

import torchvision
from torch import Tensor, nn

from .resnet import Stem

_SHRINKS = 32
"""Five poolings halve the map."""

_POOLED = 7
"""Side of the map that the classifier takes."""


class Spread(nn.Module):
    """A map of 1x1 as one of 7x7, as adaptive pooling makes it, which not every runtime can enlarge with."""

    def forward(self, pixel: Tensor) -> Tensor:
        """(N, C, 1, 1) -> (N, C, 7, 7)."""
        return pixel.expand(-1, -1, _POOLED, _POOLED)


def vgg(arch: str) -> Callable[[int, Stem, int], nn.Module]:
    """Builds torchvision's VGG `arch`, for images of any size from 32 pixels."""

    def build(num_classes: int, stem: Stem, image_size: int) -> nn.Module:
        network: nn.Module = torchvision.models.get_model(arch, weights=None, num_classes=num_classes)
        if image_size < 2 * _SHRINKS:
            network.avgpool = Spread()
        return network

    return build
