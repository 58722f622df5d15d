"""How much a network multiplies."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

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
    # torch does not count inside its fused attention: asking for a gradient, which is never computed, keeps
    # nn.MultiheadAttention from its own, and the switch keeps what it calls then from another.
    image = torch.zeros(1, _CHANNELS, image_size, image_size, requires_grad=True)
    counter = FlopCounterMode(display=False)
    with torch.enable_grad(), _without_flash_attention(), counter:
        network(image)
    return int(counter.get_total_flops()) // 2


@contextmanager
def _without_flash_attention() -> Iterator[None]:
    """Despite its name the switch is the CPU's too, which torch after 2.2 takes even with gradients."""
    enabled = torch.backends.cuda.flash_sdp_enabled()
    torch.backends.cuda.enable_flash_sdp(False)
    try:
        yield
    finally:
        torch.backends.cuda.enable_flash_sdp(enabled)
