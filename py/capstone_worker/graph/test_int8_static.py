"""The parts of a statically quantised network: what they compute, judged by torch; how they are written."""

from __future__ import annotations

import json

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from ..errors import UserError
from .codec import from_json, to_json
from .int8_static import Int8Conv2d, QuantizeEdge, StaticInt8Linear, is_static
from .trace import trace


def filled(network: nn.Sequential) -> nn.Sequential:
    """With integers, scales and biases that are not trivial."""
    torch.manual_seed(0)
    for module in network.modules():
        if isinstance(module, Int8Conv2d | StaticInt8Linear):
            module.weight = torch.randint(-127, 128, module.weight.shape).to(torch.int8)
            module.scale = torch.rand(len(module.scale)) / 100 + 0.001
            if module.bias is not None:
                module.bias = torch.randn(len(module.bias))
        if isinstance(module, QuantizeEdge):
            module.scale.fill_(0.03)
            module.zero_point.fill_(50)
    return network.eval()


def small() -> nn.Sequential:
    return filled(
        nn.Sequential(
            QuantizeEdge(),
            Int8Conv2d(4, 6, (3, 1), stride=2, padding=(1, 0), dilation=2, groups=2),
            QuantizeEdge(),
            nn.Flatten(),
            StaticInt8Linear(6 * 3 * 4, 2, bias=False),
        )
    )


@pytest.mark.parametrize(("scale", "zero_point"), [(0.03, 0), (0.5, 127), (1 / 3, 255)])
def test_an_edge_rounds_as_torch_does(scale: float, zero_point: int) -> None:
    edge = QuantizeEdge()
    edge.scale.fill_(scale)
    edge.zero_point.fill_(zero_point)
    values = torch.linspace(-200, 200, 10_001)
    bytes_of = torch.quantize_per_tensor(values, scale, zero_point, torch.quint8)
    # torch multiplies with 1 / scale, so that what lies between two bytes may fall to the other side
    off = (edge(values) - bytes_of.dequantize()).abs() / scale
    assert off.max() < 1.001
    assert (off > 0.001).sum() < 5
    assert torch.equal(edge(edge(values)), edge(values))
    assert edge(torch.tensor([1e9, -1e9])).tolist() == pytest.approx(
        [(255 - zero_point) * scale, -zero_point * scale]
    )


def test_layers_compute_with_what_the_integers_stand_for() -> None:
    network = small()
    conv, linear = network[1], network[4]
    images = torch.randn(3, 4, 8, 4)
    weight = conv.weight.float() * conv.scale[:, None, None, None]
    expected = F.conv2d(images, weight, conv.bias, 2, (1, 0), 2, 2)
    torch.testing.assert_close(conv(images), expected)
    rows = torch.randn(3, 72)
    expected = rows @ (linear.weight.float() * linear.scale[:, None]).T
    torch.testing.assert_close(linear(rows), expected)
    assert is_static(network)
    assert not is_static(conv)


def test_round_trip() -> None:
    module = small()[:3]
    network = from_json(json.loads(json.dumps(to_json(trace(module)))))
    network.to_empty(device="cpu").load_state_dict(module.state_dict())
    images = torch.randn(3, 4, 8, 8)
    assert torch.equal(network(images), module(images))
    assert {name: (tensor.dtype, tensor.dim()) for name, tensor in network.state_dict().items()} == {
        "0.scale": (torch.float32, 0),
        "0.zero_point": (torch.int32, 0),
        "1.weight": (torch.int8, 4),
        "1.bias": (torch.float32, 1),
        "1.weight.scale": (torch.float32, 1),
        "2.scale": (torch.float32, 0),
        "2.zero_point": (torch.int32, 0),
    }


def test_the_json() -> None:
    network = nn.Sequential(QuantizeEdge(), Int8Conv2d(4, 6, 1, bias=False), StaticInt8Linear(3, 2))
    assert to_json(trace(network))["modules"] == {
        "0": {"type": "QuantizeEdge"},
        "1": {
            "type": "Conv2d",
            "weight_dtype": "int8",
            "execution": "static",
            "in_channels": 4,
            "out_channels": 6,
            "kernel_size": [1, 1],
            "stride": [1, 1],
            "padding": [0, 0],
            "dilation": [1, 1],
            "groups": 1,
            "bias": False,
        },
        "2": {
            "type": "Linear",
            "weight_dtype": "int8",
            "execution": "static",
            "in_features": 3,
            "out_features": 2,
            "bias": True,
        },
    }


def test_groups_that_do_not_divide() -> None:
    graph = to_json(trace(nn.Sequential(Int8Conv2d(4, 6, 1))))
    graph["modules"]["0"]["groups"] = 4
    with pytest.raises(UserError) as caught:
        from_json(graph)
    assert (caught.value.code, caught.value.message) == (
        "graph_invalid",
        "the network's graph, modules.0: no such Conv2d: "
        "in_channels and out_channels must be divisible by groups",
    )
