"""A network with fresh weights."""

from __future__ import annotations

import torch
from torch import nn

from .architectures import architecture, check_settings
from .resnet import Stem


def build(arch: str, *, num_classes: int, stem: Stem, image_size: int, seed: int) -> nn.Module:
    """The network `arch` in training mode; the same seed gives the same weights.

    torch's own generator is as it was afterwards. The forward takes normalised images float32
    (N, 3, image_size, image_size) and gives logits (N, num_classes).

    Args:
        arch: a key of ARCHITECTURES.
        num_classes: from 1.
        stem: of a ResNet ``imagenet``, as torchvision has it, or ``cifar``: a 3x3 convolution and no pooling.
        image_size: height and width in pixels.
        seed: of the initial weights.

    Raises:
        UserError: ``arch_unknown``, ``stem_unfit``, ``image_size_unfit``.
    """
    check_settings(arch, stem=stem, image_size=image_size)
    make = architecture(arch).build
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(seed)
        return make(num_classes, stem, image_size)
