"""How much a network multiplies."""

from __future__ import annotations

import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

_CHANNELS = 3


def macs(network: nn.Module, image_size: int) -> int:
    """Multiply-accumulates of convolutions and matrix products for one image.

    torch counts them below the modules, so that attention is included and no module type has to be known.
    Zeros are multiplied like all else; normalisation and activations are not counted, as is usual.

    Args:
        network: on the CPU, in eval mode, executing in float32: (1, 3, S, S) in.
        image_size: S in pixels.
    """
    # The gradient is never computed; without it attention would take a fused path that torch does not count.
    image = torch.zeros(1, _CHANNELS, image_size, image_size, requires_grad=True)
    counter = FlopCounterMode(display=False)
    with torch.enable_grad(), counter:
        network(image)
    return int(counter.get_total_flops()) // 2
