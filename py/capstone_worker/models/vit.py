"""Vision Transformers (Dosovitskiy et al. 2020, arXiv 2010.11929)."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping
from math import isqrt
from typing import Any

import torch
import torchvision
from torch import Tensor, nn
from torchvision.models.vision_transformer import interpolate_embeddings

from .resnet import Stem

_PATCH = 16
_HEAD_STD = 0.02
_POSITIONS = "encoder.pos_embedding"
_RENAMED = ((".mlp.linear_1.", ".mlp.0."), (".mlp.linear_2.", ".mlp.3."))  # in torchvision 0.13


class VisionTransformer(torchvision.models.VisionTransformer):
    """torchvision's, with its parameters and their names.

    The head starts at random, as in Touvron et al. 2020 (arXiv 2012.12877), and not at zero: a network whose
    logits are all zero cannot be told from a broken copy of itself, and its first step trains the head alone.

    The forward takes the number of patches from the convolution's output. torchvision's computes it from the
    image's size, and arithmetic on numbers has no place in a model file.
    """

    def __init__(self, **settings: Any) -> None:  # noqa: ANN401 - torchvision's own arguments
        super().__init__(**settings)
        nn.init.trunc_normal_(self.heads.head.weight, std=_HEAD_STD)

    def forward(self, images: Tensor) -> Tensor:
        """images (N, 3, S, S) -> logits (N, classes)."""
        patches = torch.flatten(self.conv_proj(images), 2).permute(0, 2, 1)
        token = self.class_token.expand(patches.size(0), -1, -1)
        encoded = self.encoder(torch.cat([token, patches], dim=1))
        logits: Tensor = self.heads(torch.select(encoded, 1, 0))
        return logits


def vit_b_16(num_classes: int, stem: Stem, image_size: int) -> nn.Module:
    """ViT-B/16: patches of 16x16, 12 layers of 12 heads, 768 wide. `image_size` is a multiple of 16."""
    return VisionTransformer(
        image_size=image_size,
        patch_size=_PATCH,
        num_layers=12,
        num_heads=12,
        hidden_dim=768,
        mlp_dim=3072,
        num_classes=num_classes,
    )


def at_image_size(tensors: Mapping[str, Tensor], image_size: int) -> Mapping[str, Tensor]:
    """A state_dict of vit_b_16, torchvision's older names renamed, for images of another size.

    The position embeddings, one for each patch of a square image, are interpolated as a picture (bicubic,
    corners on corners). What is no such embedding is left as it is, for others to refuse.
    """
    renamed = OrderedDict((_renamed(name), tensor) for name, tensor in tensors.items())
    positions = renamed.get(_POSITIONS)
    if positions is None or positions.ndim != 3 or len(positions) != 1:
        return renamed
    patches = positions.shape[1] - 1
    if patches < 1 or isqrt(patches) ** 2 != patches:
        return renamed
    interpolated: OrderedDict[str, Tensor] = interpolate_embeddings(image_size, _PATCH, renamed)
    return interpolated


def _renamed(name: str) -> str:
    for old, new in _RENAMED:
        name = name.replace(old, new)
    return name
