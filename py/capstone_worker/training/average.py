"""The moving average of a network's weights, which is often better than the weights themselves."""

from __future__ import annotations

import copy
from itertools import chain

import torch
from torch import Tensor, nn


class MovingAverage(nn.Module):
    """Of all parameters, and of the statistics of batch norm, which belong to them; counters are copied.

    Exponential, as in Tarvainen and Valpola 2017 (arXiv 1703.01780): after each step, decay times itself plus
    1 - decay times the network's weights; the first step's weights are taken as they are. torch's own
    `AveragedModel` brings a number to the GPU and waits for it, twice a step, and starts four kernels for
    each counter.
    """

    steps: Tensor

    def __init__(self, network: nn.Module, decay: float) -> None:
        """Begin as a copy of the network; decay is above 0 and below 1."""
        super().__init__()
        self.module = copy.deepcopy(network)
        self.decay = decay
        self.register_buffer("steps", torch.tensor(0))  # on the CPU, where looking at it waits for nothing

    @torch.no_grad()
    def update(self, network: nn.Module) -> None:
        """After a step of the network."""
        (floats, counters), (new_floats, new_counters) = _tensors(self.module), _tensors(network)
        decay = self.decay if self.steps else 0.0
        torch._foreach_lerp_(floats, new_floats, 1 - decay)
        if counters:
            torch._foreach_copy_(counters, new_counters)
        self.steps += 1


def _tensors(network: nn.Module) -> tuple[list[Tensor], list[Tensor]]:
    """Weights with statistics, and counters."""
    tensors = list(chain(network.parameters(), network.buffers()))
    floats = [tensor for tensor in tensors if tensor.is_floating_point()]
    return floats, [tensor for tensor in tensors if not tensor.is_floating_point()]
