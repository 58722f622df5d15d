"""What weight decay pulls at."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, Literal

import pytest
import torch
import torchvision
from torch import nn

from ..models.vit import VisionTransformer
from .config import TrainConfig
from .optimizer import make_optimizer


def names(network: nn.Module, config: TrainConfig) -> tuple[list[str], list[str]]:
    """Of the parameters with decay and of those without, in the optimizer's order."""
    known = {id(parameter): name for name, parameter in network.named_parameters()}
    with_decay, without = make_optimizer(network, config).param_groups
    key = "l2" if config.optimizer == "sgd" else "weight_decay"
    assert (with_decay[key], without[key]) == (config.weight_decay, 0.0)
    return [known[id(p)] for p in with_decay["params"]], [known[id(p)] for p in without["params"]]


@pytest.mark.parametrize("optimizer", ["sgd", "adamw"])
def test_resnet(config: TrainConfig, optimizer: Literal["sgd", "adamw"]) -> None:
    """All kernels and matrices, in the network's order."""
    with torch.device("meta"):
        network = torchvision.models.resnet18()
    decayed, kept = names(network, replace(config, optimizer=optimizer))
    assert decayed == [name for name, parameter in network.named_parameters() if parameter.dim() > 1]
    assert kept == [name for name, parameter in network.named_parameters() if parameter.dim() == 1]


def test_vit(config: TrainConfig) -> None:
    network = VisionTransformer(
        image_size=32, patch_size=16, num_layers=1, num_heads=2, hidden_dim=8, mlp_dim=16, num_classes=3
    )
    decayed, kept = names(network, config)
    layer = "encoder.layers.encoder_layer_0"
    assert decayed == [
        "conv_proj.weight",
        f"{layer}.self_attention.in_proj_weight",
        f"{layer}.self_attention.out_proj.weight",
        f"{layer}.mlp.0.weight",
        f"{layer}.mlp.3.weight",
        "heads.head.weight",
    ]
    assert {"class_token", "encoder.pos_embedding"} < set(kept)


def test_sgd_decays_with_the_bits_of_torchs_own(config: TrainConfig) -> None:
    torch.manual_seed(0)
    ours, torchs = nn.Linear(9, 5), nn.Linear(9, 5)
    torchs.load_state_dict(ours.state_dict())
    kernel, bias = torchs.weight, torchs.bias
    groups: list[dict[str, Any]] = [
        {"params": [kernel], "weight_decay": config.weight_decay},
        {"params": [bias]},
    ]
    optimizers = (
        make_optimizer(ours, config),
        torch.optim.SGD(groups, lr=config.lr, momentum=0.9, nesterov=True),
    )
    for _ in range(3):
        images = torch.randn(4, 9)
        for network, optimizer in zip((ours, torchs), optimizers, strict=True):
            optimizer.zero_grad()
            network(images).square().sum().backward()
            optimizer.step()
    assert torch.equal(ours.weight, torchs.weight)
    assert torch.equal(ours.bias, torchs.bias)
