"""The ResNets for small images (He et al. 2015, arXiv 1512.03385, section 4.2)."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torchvision.models.resnet import BasicBlock

_STAGES = ((16, 1), (32, 2), (64, 2))
"""Channels and stride of the first block of each stage."""


class CifarResNet(nn.Module):
    """ResNet-20, 32, 44, 56: a 3x3 convolution, three stages of blocks, one Linear layer.

    A shortcut that changes the shape is a 1x1 convolution (their option B). Theirs for CIFAR pads with zeros
    (option A), which has 1 % fewer weights in a ResNet-20, but ties each stage's channels to those of the
    one before, so that no stage could be narrowed alone. Layers are called as in torchvision's ResNets.
    """

    def __init__(self, blocks_in_stage: int, num_classes: int) -> None:
        """``blocks_in_stage``: n of 6 n + 2 layers."""
        super().__init__()
        self.conv1 = nn.Conv2d(3, _STAGES[0][0], kernel_size=3, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(_STAGES[0][0])
        self.relu = nn.ReLU(inplace=True)
        channels = _STAGES[0][0]
        stages = []
        for width, stride in _STAGES:
            stages.append(_stage(channels, width, stride, blocks_in_stage))
            channels = width
        self.layer1, self.layer2, self.layer3 = stages
        self.avgpool = nn.AdaptiveAvgPool2d(1)
        self.fc = nn.Linear(channels, num_classes)
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")

    def forward(self, images: Tensor) -> Tensor:
        """(N, 3, S, S) -> logits (N, classes)."""
        x = self.relu(self.bn1(self.conv1(images)))
        x = self.layer3(self.layer2(self.layer1(x)))
        logits: Tensor = self.fc(torch.flatten(self.avgpool(x), 1))
        return logits


def cifar_resnet(depth: int, num_classes: int) -> nn.Module:
    """ResNet of that many layers, 6 n + 2.

    Raises:
        ValueError: there is none of that depth.
    """
    blocks, rest = divmod(depth - 2, 6)
    if rest or blocks < 1:
        raise ValueError(f"a CIFAR ResNet has 6 n + 2 layers, not {depth}")
    return CifarResNet(blocks, num_classes)


def _stage(channels: int, width: int, stride: int, blocks: int) -> nn.Sequential:
    shortcut = None
    if stride != 1 or channels != width:
        shortcut = nn.Sequential(
            nn.Conv2d(channels, width, kernel_size=1, stride=stride, bias=False), nn.BatchNorm2d(width)
        )
    first = BasicBlock(channels, width, stride, shortcut)
    return nn.Sequential(first, *(BasicBlock(width, width) for _ in range(blocks - 1)))
