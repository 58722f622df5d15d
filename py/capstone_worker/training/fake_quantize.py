"""Weights that are rounded whenever they are used, and trained as if they were not.

Quantisation-aware training of the weights alone: symmetric, one scale for each output channel, the gradient
passed straight through the rounding (Bengio et al. 2013, arXiv 1308.3432; Jacob et al. 2018, arXiv
1712.05877, section 3). What comes out lies on the grid that `pack` and `quantize_static` use, so that they
lose nothing more.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn.utils import parametrize


class _Rounded(nn.Module):
    """Of a weight (O, ...), what `bits` bits of each of its O channels can say."""

    def __init__(self, bits: int) -> None:
        super().__init__()
        self.largest = 2 ** (bits - 1) - 1

    def forward(self, weight: Tensor) -> Tensor:
        scale = weight.detach().abs().flatten(1).amax(1) / self.largest
        scale = torch.where(scale > 0, scale, torch.ones_like(scale))
        # Of whole zero points torch looks whether they are in range, and waits for the GPU.
        zero = torch.zeros_like(scale)
        return torch.fake_quantize_per_channel_affine(weight, scale, zero, 0, -self.largest, self.largest)


def round_weights(network: nn.Module, bits: int) -> None:
    """From now on, in place, convolutions and Linears compute with weights of 2 to 8 bits."""
    for module in list(network.modules()):
        if isinstance(module, nn.Conv2d | nn.Linear):
            parametrize.register_parametrization(module, "weight", _Rounded(bits))


def settle(network: nn.Module) -> None:
    """What parametrized weights come to becomes, in place, the weights of plain layers."""
    for module in list(network.modules()):
        for name in list(getattr(module, "parametrizations", {})):
            parametrize.remove_parametrizations(module, name, leave_parametrized=True)
