"""ShuffleNet-v2 (Ma et al. 2018, arXiv 1807.11164)."""

from __future__ import annotations

import torch
import torchvision
from torch import Tensor, nn
from torchvision.models.shufflenetv2 import InvertedResidual

from ..graph.channel_shuffle import ChannelShuffle
from .resnet import Stem


class Unit(InvertedResidual):
    """torchvision's, without its arithmetic on the map's sizes, which has no place in a model file."""

    def __init__(self, inp: int, oup: int, stride: int) -> None:
        super().__init__(inp, oup, stride)
        self.half = oup // 2
        self.shuffle = ChannelShuffle(2)

    def forward(self, x: Tensor) -> Tensor:
        """(N, C, H, W) -> (N, C', H', W'): halves of the channels, one of them changed, mixed."""
        if self.stride == 1:
            kept, changed = torch.narrow(x, 1, 0, self.half), torch.narrow(x, 1, self.half, self.half)
        else:
            kept, changed = self.branch1(x), x
        mixed: Tensor = self.shuffle(torch.cat([kept, self.branch2(changed)], dim=1))
        return mixed


class ShuffleNetV2(torchvision.models.ShuffleNetV2):
    """torchvision's, with its parameters and their names; the mean at its end is a module here."""

    def __init__(self, num_classes: int) -> None:
        super().__init__([4, 8, 4], [24, 116, 232, 464, 1024], num_classes, Unit)
        self.avgpool = nn.AdaptiveAvgPool2d(1)

    def forward(self, images: Tensor) -> Tensor:
        """images (N, 3, S, S) -> logits (N, classes)."""
        x = self.stage4(self.stage3(self.stage2(self.maxpool(self.conv1(images)))))
        logits: Tensor = self.fc(torch.flatten(self.avgpool(self.conv5(x)), 1))
        return logits


def shufflenet_v2_x1_0(num_classes: int, stem: Stem, image_size: int) -> nn.Module:
    """ShuffleNet-v2 of width 1."""
    return ShuffleNetV2(num_classes)
