"""The runtime `torch` computes what the network's own forward says, and leaves the network alone."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from ..graph.trace import trace
from ..models import Int8Linear
from .registry import RUNTIMES
from .torch_eager import TorchEager, lower


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
    difference = (lower(layer)(inputs) - layer(inputs)).abs()
    assert (difference <= bound).all()
    assert difference.max() > 0, "the activations were not quantised"


@pytest.mark.parametrize("channels_last", [False, True])
def test_prepare(channels_last: bool) -> None:
    torch.manual_seed(0)
    network = trace(nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.Dropout(0.5)))
    before = {name: tensor.clone() for name, tensor in network.state_dict().items()}
    images = torch.randn(2, 3, 8, 8)
    forward = TorchEager().prepare(network, channels_last=channels_last)
    logits = forward(images)
    assert network.training
    assert not logits.requires_grad
    assert all(torch.equal(tensor, before[name]) for name, tensor in network.state_dict().items())
    # a kernel for another memory format may add in another order
    torch.testing.assert_close(logits.contiguous(), network.eval()(images).detach())


def test_dtype_and_lowering() -> None:
    runtime = RUNTIMES["torch"]
    network = trace(nn.Sequential(nn.Flatten(), int8_linear()))
    assert runtime.dtype(network) == "int8"
    assert runtime.dtype(trace(nn.Sequential(nn.Linear(2, 2)))) == "float32"
    inputs = torch.randn(4, 64)
    assert torch.equal(runtime.prepare(network)(inputs), lower(network.get_submodule("1"))(inputs))  # type: ignore[arg-type]
    assert isinstance(network.get_submodule("1"), Int8Linear)
