"""RegNets (Radosavovic et al. 2020, arXiv 2003.13678)."""

from __future__ import annotations

import torch
import torchvision
from torch import nn

from .resnet import Stem


def regnet_y_400mf(num_classes: int, stem: Stem, image_size: int) -> nn.Module:
    """torchvision's RegNetY-400MF.

    It computes its widths with tensors and reads them, which the meta device cannot: it is made on the CPU.
    """
    with torch.device("cpu"):
        network: nn.Module = torchvision.models.regnet_y_400mf(weights=None, num_classes=num_classes)
    return network.to(torch.empty(0).device)
