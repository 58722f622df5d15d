"""Idle taps: which they are, and that leaving them out of a training changes no bit of the others."""

from __future__ import annotations

from dataclasses import replace
from itertools import product
from typing import Literal

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ..data.cache import Dataset
from ..models.build import build
from . import loop
from .config import TrainConfig
from .idle_taps import IdleTaps, decayed
from .reached_taps import reached_taps, taps_that_meet_the_map
from .schedule import learning_rate
from .test_loop import NewNetwork, run

SIDES = [
    (size, kernel, stride, padding)
    for size, kernel, stride, padding in product((1, 2, 3, 4, 7), (1, 2, 3, 5, 7), (1, 2, 3), range(4))
    if size + 2 * padding >= kernel
]


@pytest.mark.parametrize(("size", "kernel", "stride", "padding"), SIDES)
def test_sides_against_torch(size: int, kernel: int, stride: int, padding: int) -> None:
    line, taps = torch.randn(1, 1, size), torch.randn(1, 1, kernel)
    side = taps_that_meet_the_map(size, kernel, stride, padding)
    few = taps[:, :, slice(*side.taps)]
    torch.testing.assert_close(
        F.conv1d(line, few, stride=stride, padding=side.padding),
        F.conv1d(line, taps, stride=stride, padding=padding),
    )


class NothingIsIdle(IdleTaps):
    """Trains every tap, as torch would."""

    def __init__(self, network: nn.Module, image_size: int) -> None:
        self._cut = {}


@pytest.mark.parametrize(
    ("optimizer", "ema_decay"), [("sgd", 0.0), ("sgd", 0.9), ("adamw", 0.0), ("adamw", 0.9)]
)
def test_a_training_without_them_is_the_same(
    optimizer: Literal["sgd", "adamw"],
    ema_decay: float,
    new_network: NewNetwork,
    tiny: Dataset,
    config: TrainConfig,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    config = replace(config, optimizer=optimizer, ema_decay=ema_decay, weight_decay=0.5, lr=0.01)
    network, reference = new_network(), new_network()
    result = run(network, tiny, config)
    monkeypatch.setattr(loop, "IdleTaps", NothingIsIdle)
    expected = run(reference, tiny, config)
    left_out, whole = network.state_dict(), reference.state_dict()
    assert replace(result, images_per_s=0) == replace(expected, images_per_s=0)
    assert left_out.keys() == whole.keys()
    reached = reached_taps(new_network(), 32)
    assert reached.keys() == {"6"}  # from 2x2 to 1x1
    for name, tensor in whole.items():
        if name == "6.weight":
            assert torch.equal(reached["6"].of(left_out[name]), reached["6"].of(tensor))
            torch.testing.assert_close(left_out[name], tensor, rtol=1e-5, atol=1e-8)
            assert not torch.allclose(tensor, new_network().state_dict()[name], rtol=1e-3)
        else:
            assert torch.equal(left_out[name], tensor), name


def test_most_of_the_stock_resnet18_is_idle_at_32_pixels() -> None:
    network = build("resnet18", num_classes=10, stem="imagenet", image_size=32, seed=0)
    kernels = {name: tensor.clone() for name, tensor in network.state_dict().items()}
    before = sum(parameter.numel() for parameter in network.parameters())
    idle = IdleTaps(network, 32)
    left = sum(parameter.numel() for parameter in network.parameters())
    assert 0.6 < (before - left) / before < 0.63
    idle.put_back(network, 1.0)
    assert all(torch.equal(tensor, kernels[name]) for name, tensor in network.state_dict().items())


def test_what_is_not_trained_is_left_alone() -> None:
    network = build("resnet18", num_classes=10, stem="imagenet", image_size=32, seed=0).requires_grad_(False)
    IdleTaps(network, 32)
    assert network.get_submodule("layer4.1.conv1").weight.shape == (512, 512, 3, 3)


class SharedKernel(nn.Module):
    """One kernel of two convolutions, and a convolution that is called twice, on maps of 1x1."""

    def __init__(self) -> None:
        super().__init__()
        self.one, self.two, self.twice = (nn.Conv2d(3, 3, 3, padding=1) for _ in range(3))
        self.two.weight = self.one.weight
        self.pool, self.head = nn.AdaptiveAvgPool2d(1), nn.Linear(3, 10)

    def forward(self, images: Tensor) -> Tensor:
        maps = self.two(self.one(self.pool(images)))
        logits: Tensor = self.head(self.twice(self.twice(maps)).flatten(1))
        return logits


def test_kernels_with_several_places_are_left_alone() -> None:
    network = SharedKernel().train()
    assert reached_taps(network, 8) == {}
    assert all(module.training for module in network.modules())


def test_decay_of_a_weight_without_gradient(config: TrainConfig) -> None:
    steps = 7
    weight = nn.Parameter(torch.ones(1, 1, dtype=torch.float64))
    optimizer = torch.optim.SGD([weight], lr=1, momentum=0.9, nesterov=True, weight_decay=0.5)
    config = replace(config, weight_decay=0.5)
    for step in range(steps):
        optimizer.param_groups[0]["lr"] = learning_rate(config, step, 5)
        weight.grad = torch.zeros_like(weight)
        optimizer.step()
    assert decayed(config, steps, 5) == pytest.approx(weight.item(), rel=1e-12)
