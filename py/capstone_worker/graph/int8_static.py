"""The parts of a statically quantised network, as it is kept in memory and in files.

Its graph says where values are integers: a `QuantizeEdge` stands behind the input, behind a convolution and
its ReLU, and so on. Everything computes in float32 what the integers mean, so the network runs as it is; a
runtime replaces a layer and the edge behind it by one kernel that computes in integers.
Jacob et al. 2018, arXiv 1712.05877, section 2.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from .int8_weight import Int8Weight

LARGEST = 255
"""Of an unsigned byte."""


class QuantizeEdge(nn.Module):
    """Round values to ``scale * (n - zero_point)``, n in 0..255; float32 of any shape in and out.

    torch's kernels for x86 without VNNI add two products of bytes in 16 bits, which overflow when activations
    use all 8. So a calibrated range may be laid out over 0..127 alone (torch's reduce_range). What is beyond
    the range is still a byte then, and every engine keeps it as one: values are cut off at 255, as they do.

    Buffers: scale float32 (), above 0; zero_point int32 (), in 0..255.
    """

    scale: Tensor
    zero_point: Tensor

    def __init__(self) -> None:
        """Scale 1 and zero point 0, to be filled or loaded."""
        super().__init__()
        self.register_buffer("scale", torch.ones(()))
        self.register_buffer("zero_point", torch.zeros((), dtype=torch.int32))

    def forward(self, inputs: Tensor) -> Tensor:
        """To the nearest, halves to even."""
        # torch.fake_quantize_per_tensor_affine does the same, but not on shapes alone (meta tensors).
        steps = (inputs / self.scale).round() + self.zero_point
        return (steps.clamp(0, LARGEST) - self.zero_point) * self.scale


class StaticInt8Linear(Int8Weight):
    """Linear with int8 weights whose inputs come over a `QuantizeEdge`. Weight (out, in).

    Run as it is, it multiplies in float32, (..., in) -> (..., out).
    """

    def __init__(self, in_features: int, out_features: int, bias: bool = True) -> None:
        """Zeros, to be filled or loaded."""
        super().__init__((out_features, in_features), bias)
        self.in_features = in_features
        self.out_features = out_features

    def forward(self, inputs: Tensor) -> Tensor:
        """Multiply with the dequantised weight."""
        return F.linear(inputs, self.float_weight(), self.bias)


class Int8Conv2d(Int8Weight):
    """Conv2d, padded with zeros, with int8 weights whose inputs come over a `QuantizeEdge`.

    Weight (out, in / groups, kH, kW). Run as it is, it multiplies in float32.
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: int | tuple[int, int],
        stride: int | tuple[int, int] = 1,
        padding: int | tuple[int, int] = 0,
        dilation: int | tuple[int, int] = 1,
        groups: int = 1,
        bias: bool = True,
    ) -> None:
        """Zeros, to be filled or loaded.

        Raises:
            ValueError: `groups` does not divide the channels.
        """
        if in_channels % groups or out_channels % groups:
            raise ValueError("in_channels and out_channels must be divisible by groups")
        kernel = _pair(kernel_size)
        super().__init__((out_channels, in_channels // groups, *kernel), bias)
        self.in_channels = in_channels
        self.out_channels = out_channels
        self.kernel_size = kernel
        self.stride = _pair(stride)
        self.padding = _pair(padding)
        self.dilation = _pair(dilation)
        self.groups = groups

    def forward(self, inputs: Tensor) -> Tensor:
        """(N, in, H, W) -> (N, out, oH, oW), with the dequantised weight."""
        return F.conv2d(
            inputs, self.float_weight(), self.bias, self.stride, self.padding, self.dilation, self.groups
        )


def is_static(network: nn.Module) -> bool:
    """Whether a network is statically quantised."""
    return any(isinstance(module, QuantizeEdge) for module in network.modules())


def _pair(value: int | tuple[int, int]) -> tuple[int, int]:
    return (value, value) if isinstance(value, int) else value
