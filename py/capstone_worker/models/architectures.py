"""The architectures a job can name, each with what only it knows about itself."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Literal

import torchvision
from torch import Tensor, nn

from ..errors import UserError

Stem = Literal["imagenet", "cifar"]


@dataclass(frozen=True)
class Architecture:
    """One architecture.

    Attributes:
        family: chooses a recipe's levels, for example ``resnet``.
        build: (num_classes, stem, image_size in pixels) -> the network, initialised from torch's generator.
        head: name of the last Linear layer, whose rows are the classes.
        stem_of: the stem that a foreign state_dict was trained with.
    """

    family: str
    build: Callable[[int, Stem, int], nn.Module]
    head: str
    stem_of: Callable[[Mapping[str, Tensor]], Stem]


def architecture(arch: str) -> Architecture:
    """The architecture of that name.

    Raises:
        UserError: ``arch_unknown``; the message lists the known ones and the nearest.
    """
    if arch in ARCHITECTURES:
        return ARCHITECTURES[arch]
    nearest = difflib.get_close_matches(arch, ARCHITECTURES, n=1)
    raise UserError(
        "arch_unknown",
        f"there is no architecture {arch!r}; known: {', '.join(ARCHITECTURES)}",
        f"Did you mean {nearest[0]}?" if nearest else "Name one of these",
    )


def _resnet18(num_classes: int, stem: Stem, image_size: int) -> nn.Module:
    """ResNet-18 (He et al. 2015, arXiv 1512.03385); the stem `cifar` is its section 4.2: 3x3, no pooling."""
    network: nn.Module = torchvision.models.resnet18(weights=None, num_classes=num_classes)
    if stem == "cifar":
        network.conv1 = nn.Conv2d(3, 64, kernel_size=3, stride=1, padding=1, bias=False)
        nn.init.kaiming_normal_(network.conv1.weight, mode="fan_out", nonlinearity="relu")
        network.maxpool = nn.Identity()
    return network


def _resnet_stem(tensors: Mapping[str, Tensor]) -> Stem:
    return "cifar" if "conv1.weight" in tensors and tensors["conv1.weight"].shape[-1] == 3 else "imagenet"


ARCHITECTURES: dict[str, Architecture] = {
    "resnet18": Architecture("resnet", _resnet18, "fc", _resnet_stem),
}
