"""The step `specialize`; what can matter is asked of autograd, what it computes of the network before."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, fx, nn

from ..graph.trace import trace
from ..models.build import build
from ..report import Event
from .conftest import at
from .specialize import Specialize


def ignore(event: Event) -> None:
    pass


def trained(arch: str, stem: str, image_size: int) -> fx.GraphModule:
    """With statistics of batch norm that are not those of a fresh network."""
    network = build(arch, num_classes=10, stem=stem, image_size=image_size, seed=0)  # type: ignore[arg-type]
    torch.manual_seed(0)
    for module in network.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.running_mean = torch.randn(module.num_features) / 10
            module.running_var = torch.rand(module.num_features) + 0.5
            nn.init.uniform_(module.weight, 0.5, 1.5)
            nn.init.normal_(module.bias, 0, 0.1)
    return trace(network.eval())


def taps_with_a_gradient(network: nn.Module, image_size: int) -> dict[str, Tensor]:
    """Of each convolution (kH, kW) bool: whether any weight there can change any logit."""
    network(torch.randn(2, 3, image_size, image_size)).square().sum().backward()
    return {
        name: (module.weight.grad != 0).flatten(0, 1).any(0)
        for name, module in network.named_modules()
        if isinstance(module, nn.Conv2d) and module.weight.grad is not None
    }


@pytest.mark.parametrize(
    ("arch", "stem", "image_size"),
    [
        ("resnet18", "imagenet", 32),
        ("resnet18", "imagenet", 33),
        ("resnet18", "imagenet", 8),
        ("resnet18", "cifar", 8),
        ("resnet20", "cifar", 8),
    ],
)
def test_the_same_function_without_what_cannot_matter(arch: str, stem: str, image_size: int) -> None:
    network = trained(arch, stem, image_size)
    found = Specialize().apply(network, at(image_size), ignore)
    images = torch.randn(4, 3, image_size, image_size)
    with torch.inference_mode():
        torch.testing.assert_close(found.network(images), network(images), rtol=1e-4, atol=1e-4)
    for name, matters in taps_with_a_gradient(network, image_size).items():
        kept = found.network.get_submodule(name).weight.shape[2:]
        assert tuple(kept) == (int(matters.any(1).sum()), int(matters.any(0).sum())), name
    assert not any(isinstance(module, nn.BatchNorm2d) for module in found.network.modules())


def test_the_stock_resnet18_at_32_pixels_loses_three_fifths() -> None:
    network = trained("resnet18", "imagenet", 32)
    found = Specialize().apply(network, at(32), ignore)
    before, after = (sum(p.numel() for p in it.parameters()) for it in (network, found.network))
    assert found.record == {
        "step": "specialize",
        "folded": 20,
        "cut": 4,
        "channels": 0,
        "weights_removed": before - after,
    }
    assert 0.6 < (before - after) / before < 0.63


class Twice(nn.Module):
    """One convolution on two maps, one of them with a batch norm behind it."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 3, 3, padding=1)
        self.norm = nn.BatchNorm2d(3)
        self.pool = nn.AdaptiveAvgPool2d(1)

    def forward(self, images: Tensor) -> Tensor:
        return torch.flatten(self.conv(self.pool(self.norm(self.conv(images)))), 1)


def test_a_convolution_that_is_called_twice_is_left_alone() -> None:
    network = trace(Twice().eval())
    found = Specialize().apply(network, at(8), ignore)
    assert found.record == {"step": "specialize", "folded": 0, "cut": 0, "channels": 0, "weights_removed": 0}
    images = torch.randn(2, 3, 8, 8)
    assert torch.equal(found.network(images), network(images))
