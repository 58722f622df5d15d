"""The optimizer a configuration names."""

from __future__ import annotations

from typing import Any

import torch
from torch import nn
from torch.optim import SGD, AdamW, Optimizer

from .config import TrainConfig

MOMENTUM = 0.9
"""Of SGD, by Nesterov's rule."""


def make_optimizer(network: nn.Module, config: TrainConfig) -> Optimizer:
    """SGD or AdamW over all trainable parameters, one kernel call for many of them (foreach).

    Weight decay is for the weights of layers: on the biases and scales of normalisation it only disturbs the
    effective learning rate (He et al. 2019, arXiv 1812.01187, section 3.1), and a class token or a position
    embedding is an input, not a weight that multiplies one (Touvron et al. 2020, arXiv 2012.12877).
    """
    trainable = [
        (name, parameter) for name, parameter in network.named_parameters() if parameter.requires_grad
    ]
    groups: list[dict[str, Any]] = [
        {"params": [p for name, p in trainable if _decays(name, p)], "weight_decay": config.weight_decay},
        {"params": [p for name, p in trainable if not _decays(name, p)], "weight_decay": 0.0},
    ]
    if config.optimizer == "adamw":
        return AdamW(groups, lr=config.lr, foreach=True)
    for group in groups:
        group["l2"] = group.pop("weight_decay")
    optimizer = SGD(groups, lr=config.lr, momentum=MOMENTUM, nesterov=True, foreach=True)  # type: ignore[call-arg]
    optimizer.register_step_pre_hook(_add_weight_decay)
    return optimizer


def _add_weight_decay(optimizer: Optimizer, *_: object) -> None:
    """g += l2 * p. SGD does the same, but with new memory for all gradients: 5 % of a ResNet-18 step."""
    for group in optimizer.param_groups:
        if group["l2"]:
            parameters = [parameter for parameter in group["params"] if parameter.grad is not None]
            gradients = [parameter.grad for parameter in parameters]
            with torch.no_grad():
                torch._foreach_add_(gradients, parameters, alpha=group["l2"])


def _decays(name: str, parameter: nn.Parameter) -> bool:
    """Whether it is a matrix or a kernel: `weight` in torch's layers, `in_proj_weight` in its attention.

    Where a weight is quantised while it is trained, torch's parametrization calls it `weight.original`.
    """
    return parameter.dim() > 1 and name.removesuffix(".original").endswith("weight")
