"""The runtime `torch` computes what the network's own forward says, and leaves the network alone."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from ..graph.trace import trace
from ..models import Int8Linear
from .lower_int8 import dynamic_linear
from .source import Source
from .torch_eager import TorchEager


def int8_linear() -> Int8Linear:
    layer = Int8Linear(64, 10)
    layer.weight = torch.randint(-127, 128, (10, 64)).to(torch.int8)
    layer.scale = torch.rand(10) / 100 + 0.001
    layer.bias = torch.randn(10)
    return layer


def test_lowered_int8_linear_is_close_to_the_reference() -> None:
    """The only difference is that torch rounds the inputs to 128 steps (7 bits) over their range.

    Each input is off by at most one step (half for rounding, half for a rounded zero point), so an output by
    at most a step times the sum of its weights' magnitudes; float32 sums add far less.
    """
    torch.manual_seed(0)
    layer, inputs = int8_linear(), torch.randn(16, 64)
    step = (inputs.max().clamp(min=0) - inputs.min().clamp(max=0)) / 127
    bound = step * (layer.weight * layer.scale[:, None]).abs().sum(dim=1)
    difference = (dynamic_linear(layer)(inputs) - layer(inputs)).abs()
    assert (difference <= bound).all()
    assert difference.max() > 0, "the activations were not quantised"


@pytest.mark.parametrize("channels_last", [False, True])
def test_prepare(channels_last: bool) -> None:
    torch.manual_seed(0)
    network = trace(nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.Dropout(0.5)))
    before = {name: tensor.clone() for name, tensor in network.state_dict().items()}
    images = torch.randn(2, 3, 8, 8)
    logits = TorchEager().prepare(Source(network, 8), threads=1, channels_last=channels_last).forward(images)
    assert network.training
    assert not logits.requires_grad
    assert all(torch.equal(tensor, before[name]) for name, tensor in network.state_dict().items())
    # a kernel for another memory format may add in another order
    torch.testing.assert_close(logits.contiguous(), network.eval()(images).detach())
