"""ResNets (He et al. 2015, arXiv 1512.03385)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Literal

import torchvision
from torch import Tensor, nn

Stem = Literal["imagenet", "cifar"]
"""The first layers: torchvision's 7x7 with stride 2 and pooling, or 3x3 for small images."""


def resnet(arch: str) -> Callable[[int, Stem, int], nn.Module]:
    """Builds torchvision's ResNet `arch`; the stem `cifar` is that of section 4.2: 3x3, no pooling."""

    def build(num_classes: int, stem: Stem, image_size: int) -> nn.Module:
        network: nn.Module = torchvision.models.get_model(arch, weights=None, num_classes=num_classes)
        if stem == "cifar":
            network.conv1 = nn.Conv2d(3, 64, kernel_size=3, stride=1, padding=1, bias=False)
            nn.init.kaiming_normal_(network.conv1.weight, mode="fan_out", nonlinearity="relu")
            network.maxpool = nn.Identity()
        return network

    return build


def stem_of(tensors: Mapping[str, Tensor]) -> Stem:
    """Which first layers a state_dict of a ResNet was trained with."""
    return "cifar" if "conv1.weight" in tensors and tensors["conv1.weight"].shape[-1] == 3 else "imagenet"
