"""The moving average of a network's weights, which is often better than the weights themselves."""

from __future__ import annotations

from torch import nn
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn  # type: ignore[attr-defined]


def moving_average(network: nn.Module, decay: float) -> AveragedModel:
    """Of all parameters, and of the statistics of batch-norm, which belong to them.

    Exponential, as in Tarvainen and Valpola 2017 (arXiv 1703.01780): after each step, decay times itself plus
    1 - decay times the network's weights; the first step's weights are taken as they are.

    Args:
        network: whose copy the average begins as.
        decay: above 0, below 1.
    """
    average = get_ema_multi_avg_fn(decay)
    return AveragedModel(network, multi_avg_fn=average, use_buffers=True)  # type: ignore[call-arg]
