"""Idle channels: what is removed, what has to stay, and that the function does."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, fx, nn

from ..graph.trace import trace
from .conftest import adapted, at, images_to_test
from .idle_channels import remove_idle_channels
from .prune_magnitude import PruneMagnitude
from .specialize import Specialize
from .test_specialize import ignore


def conv(inputs: int, outputs: int, kernel: int = 3, padding: int = 0, groups: int = 1) -> nn.Conv2d:
    return nn.Conv2d(inputs, outputs, kernel, padding=padding, groups=groups)


def silence(layer: nn.Conv2d | nn.Linear, channel: int, bias: float) -> None:
    """Make a channel of a layer's outputs the constant ``bias``."""
    assert layer.bias is not None
    with torch.no_grad():
        layer.weight[channel] = 0
        layer.bias[channel] = bias


def removed_from(*layers: nn.Module) -> tuple[int, fx.GraphModule]:
    """How many channels, and the network, whose function is held to that of before."""
    network = trace(nn.Sequential(*layers).eval())
    images = torch.randn(4, 3, 8, 8)
    with torch.inference_mode():
        before = network(images)
        count = remove_idle_channels(network)
        torch.testing.assert_close(network(images), before, rtol=1e-4, atol=1e-5)
    return count, network


def shapes(network: nn.Module) -> list[tuple[int, ...]]:
    return [tuple(parameter.shape) for name, parameter in network.named_parameters() if "weight" in name]


@pytest.mark.parametrize("activation", [nn.ReLU(inplace=True), nn.Hardswish(), nn.SiLU()])
@pytest.mark.parametrize(
    ("bias", "padding", "expected"),
    [(0.0, 1, 1), (0.5, 0, 1), (0.5, 1, 0)],
)
def test_a_constant(activation: nn.Module, bias: float, padding: int, expected: int) -> None:
    first, second = conv(3, 4), conv(4, 5, padding=padding)
    silence(first, 2, bias)
    count, network = removed_from(first, activation, second)
    assert count == expected
    assert shapes(network) == [(4 - expected, 3, 3, 3), (5, 4 - expected, 3, 3)]


def test_below_zero_a_relu_makes_it_zero_which_padding_is_too() -> None:
    first = conv(3, 4)
    silence(first, 0, -0.5)
    assert removed_from(first, nn.ReLU(), conv(4, 5, padding=1))[0] == 1
    first = conv(3, 4)
    silence(first, 0, -0.5)
    assert removed_from(first, nn.SiLU(), conv(4, 5, padding=1))[0] == 0


def test_a_channel_that_is_not_read() -> None:
    second = conv(4, 5, padding=1)
    second.weight.data[:, 1] = 0
    count, network = removed_from(conv(3, 4), nn.ReLU(), second)
    assert (count, shapes(network)) == (1, [(3, 3, 3, 3), (5, 3, 3, 3)])


def test_what_one_layer_no_longer_makes_another_no_longer_has_to() -> None:
    first, second, third = conv(3, 4), conv(4, 5), conv(5, 6)
    second.weight.data[:4, 0] = 0  # its channel 0 is read for channel 4 alone,
    third.weight.data[:, 4] = 0  # which is not read
    count, network = removed_from(first, nn.ReLU(), second, nn.ReLU(), third)
    assert (count, shapes(network)) == (2, [(3, 3, 3, 3), (4, 3, 3, 3), (6, 4, 3, 3)])


@pytest.mark.parametrize("padding", [0, 1])
def test_through_a_depthwise_convolution(padding: int) -> None:
    first, depthwise = conv(3, 4), conv(4, 4, padding=padding, groups=4)
    silence(first, 0, 0.0)
    silence(first, 1, 0.5)  # with padding not constant behind the depthwise convolution
    silence(depthwise, 3, 0.25)
    count, network = removed_from(first, nn.ReLU(), depthwise, nn.ReLU(), conv(4, 5, kernel=1))
    left = 1 if padding == 0 else 2
    assert count == 4 - left
    assert shapes(network) == [(left, 3, 3, 3), (left, 1, 3, 3), (5, left, 1, 1)]
    assert network.get_submodule("2").groups == left


@pytest.mark.parametrize(
    ("pool", "expected"),
    [
        (nn.MaxPool2d(3, padding=1), 1),
        (nn.AvgPool2d(2), 1),
        (nn.AvgPool2d(3, padding=1), 0),
        (nn.AvgPool2d(3, padding=1, count_include_pad=False), 1),
        (nn.AvgPool2d(2, divisor_override=3), 0),
        (nn.AdaptiveAvgPool2d(2), 1),
    ],
)
def test_pools_keep_a_constant_where_they_see_no_zeros(pool: nn.Module, expected: int) -> None:
    first = conv(3, 4)
    silence(first, 0, 0.5)
    assert removed_from(first, pool, conv(4, 5, kernel=1))[0] == expected


def test_a_linear_behind_a_map_reads_each_channel_several_times() -> None:
    first, last = conv(3, 4), nn.Linear(4 * 9, 5)
    silence(first, 1, 0.5)
    last.weight.data[:, 3 * 9 :] = 0
    last.weight.data[:, : 9 - 1] = 0  # but for one position, channel 0 is not read
    count, network = removed_from(first, nn.MaxPool2d(2), nn.Flatten(), last)
    assert (count, shapes(network)) == (2, [(2, 3, 3, 3), (5, 2 * 9)])


def test_between_linears() -> None:
    first, second = nn.Linear(3 * 64, 6), nn.Linear(6, 5, bias=False)
    silence(first, 0, 0.5)
    second.weight.data[:, 5] = 0
    count, network = removed_from(nn.Flatten(), first, nn.GELU(), nn.Dropout(), second)
    assert (count, shapes(network)) == (2, [(4, 192), (5, 4)])
    assert network.get_submodule("4").bias is not None


def test_one_channel_is_left_of_a_layer_that_is_idle() -> None:
    second = conv(4, 5)
    nn.init.zeros_(second.weight)
    count, network = removed_from(conv(3, 4), nn.ReLU(), second)
    assert (count, shapes(network)) == (3, [(1, 3, 3, 3), (5, 1, 3, 3)])


class Residual(nn.Module):
    """A sum, of which one side has an idle channel."""

    def __init__(self) -> None:
        super().__init__()
        self.stem, self.inner, self.last = conv(3, 4), conv(4, 4, padding=1), conv(4, 5)

    def forward(self, images: Tensor) -> Tensor:
        stem = self.stem(images)
        return self.last(stem + self.inner(stem))  # type: ignore[no-any-return]


def test_a_sum_keeps_its_channels() -> None:
    network = Residual()
    silence(network.stem, 0, 0.0)
    silence(network.inner, 0, 0.0)
    assert remove_idle_channels(trace(network.eval())) == 0


def test_magnitude_pruning_leaves_some_and_the_function_stays() -> None:
    pruned = PruneMagnitude(0.97, "global").apply(adapted("resnet20"), at(32), ignore).network
    found = Specialize().apply(pruned, at(32), ignore)
    images = images_to_test(8)
    with torch.inference_mode():
        torch.testing.assert_close(found.network(images), pruned(images), rtol=1e-3, atol=1e-4)
    assert found.record["channels"] > 0
