"""Where edges are put, and that putting them changes nothing but rounding."""

from __future__ import annotations

import copy
from collections.abc import Callable

import pytest
import torch
from torch import Tensor, fx, nn

from ..graph.trace import trace
from .conftest import adapted
from .fold_batch_norm import fold_batch_norms
from .place_edges import layers_to_quantize, place_edges


class WritesOver(nn.Module):
    """Values that are read before and after something else was written over them."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 3, 1)
        self.relu = nn.ReLU(inplace=True)
        self.pool = nn.AdaptiveAvgPool2d(1)

    def forward(self, images: Tensor) -> Tensor:
        x = self.conv(images)
        before = self.conv(x)
        self.relu(x)
        after = self.conv(x)
        after += before
        return torch.flatten(self.pool(self.conv(after) + x), 1)


class Branches(nn.Module):
    """Layers beside operations in float32: a mean, GELU, a normalisation."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Conv2d(3, 8, 3)
        self.pool = nn.MaxPool2d(2)
        self.left = nn.Conv2d(8, 8, 1)
        self.right = nn.Conv2d(8, 8, 1)
        self.act = nn.GELU()
        self.mean = nn.AdaptiveAvgPool2d(1)
        self.one = nn.Linear(8, 8)
        self.relu = nn.ReLU()
        self.drop = nn.Dropout()
        self.two = nn.Linear(8, 8)
        self.norm = nn.LayerNorm(8)
        self.edges = nn.Linear(8, 2)

    def forward(self, images: Tensor) -> Tensor:
        x = self.act(self.pool(self.stem(images)))
        x = torch.flatten(self.mean(self.left(x) + self.right(x)), 1)
        logits: Tensor = self.edges(self.norm(self.two(self.drop(self.relu(self.one(x))))))
        return logits


def unfolded(network: nn.Module) -> fx.GraphModule:
    return trace(network.eval())


def folded_resnet20() -> fx.GraphModule:
    network = copy.deepcopy(adapted("resnet20"))
    fold_batch_norms(network)
    return network


@pytest.mark.parametrize(
    "make", [lambda: unfolded(WritesOver()), lambda: unfolded(Branches()), folded_resnet20]
)
def test_edges_that_round_nothing_change_nothing(make: Callable[[], fx.GraphModule]) -> None:
    torch.manual_seed(0)
    network = make()
    images = torch.randn(4, 3, 32, 32)
    with torch.inference_mode():
        expected = copy.deepcopy(network)(images)
        edges = place_edges(network, nn.Identity)
        assert torch.equal(network(images), expected)
    assert edges
    assert not any(getattr(module, "inplace", False) for module in network.modules())


def test_where_they_stand() -> None:
    """Behind values that layers read and convolutions give; not behind what is read in float32 alone."""
    network = unfolded(Branches())
    edges = place_edges(network, nn.Identity)
    assert list(edges) == [
        "edges_.images",
        "edges_.stem",
        "edges_.act",  # one for both branches
        "edges_.left",
        "edges_.right",
        "edges_.add",
        "edges_.flatten",
        "edges_.relu",  # of a Linear and its ReLU
        "edges_.norm",
    ]
    readers = {
        str(node.target): sorted(user.name for user in node.users)
        for node in network.graph.nodes
        if node.op == "call_module" and str(node.target) in edges
    }
    assert readers["edges_.act"] == ["left", "right"]
    assert readers["edges_.stem"] == ["pool"]
    assert readers["edges_.relu"] == ["drop"]


def test_layers_with_a_kernel() -> None:
    network = unfolded(
        nn.Sequential(
            nn.Conv2d(3, 4, 3, padding=1, padding_mode="reflect"),
            nn.Conv2d(4, 4, 3, padding="same"),
            nn.Conv2d(4, 4, 3),
            nn.Flatten(),
            nn.Linear(144, 2),
        )
    )
    assert list(layers_to_quantize(network)) == ["2", "4"]
