"""The optimizer a configuration names."""

from __future__ import annotations

from torch import nn
from torch.optim import SGD, AdamW, Optimizer

from .config import TrainConfig


def make_optimizer(network: nn.Module, config: TrainConfig) -> Optimizer:
    """SGD or AdamW over all trainable parameters, one kernel call for many of them (foreach).

    Weight decay is for parameters of two dimensions and more: on the biases and scales of normalisation it
    only disturbs the effective learning rate. He et al. 2019, arXiv 1812.01187, section 3.1.
    """
    trainable = [parameter for parameter in network.parameters() if parameter.requires_grad]
    groups = [
        {"params": [p for p in trainable if p.dim() > 1], "weight_decay": config.weight_decay},
        {"params": [p for p in trainable if p.dim() <= 1], "weight_decay": 0.0},
    ]
    if config.optimizer == "adamw":
        return AdamW(groups, lr=config.lr, foreach=True)
    return SGD(groups, lr=config.lr, momentum=0.9, nesterov=True, foreach=True)  # type: ignore[call-arg]
