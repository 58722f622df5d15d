"""While a network trains on a CPU: its convolutions computed the way that is fastest, the function kept.

Which way is the rule of `_conv2d`; the ways are `small_maps` and `side_by_side`, which say what they gain.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F
from torch.overrides import TorchFunctionMode

from ..measure.cpu import isa
from .side_by_side import WIDEST_OUTPUT, side_by_side_conv2d
from .small_maps import LARGEST_MAP, small_map_conv2d


class FastConvolutions(TorchFunctionMode):
    """While this is entered, convolutions on small maps are computed otherwise, and no mean of one.

    It takes the place of functions in calls, not of modules: the network, its parameters and their
    gradients stay what they are, and sizes are those of each call. Grouped, dilated and string-padded
    convolutions, and those on larger maps, are left to torch.

    Args:
        has_tiles: the CPU multiplies tiles of matrices (AMX).
    """

    def __init__(self, *, has_tiles: bool | None = None) -> None:
        super().__init__()
        self._has_tiles = isa() == "amx" if has_tiles is None else has_tiles

    def __torch_function__(
        self,
        func: Callable[..., Any],
        types: Sequence[type],
        args: tuple[Any, ...] = (),
        kwargs: dict[str, Any] | None = None,
    ) -> Any:  # noqa: ANN401 - as torch declares it
        """Called by torch for each of its functions, with this mode switched off inside."""
        if func is torch.conv2d:
            return _conv2d(self._has_tiles, *args, **(kwargs or {}))
        if func is F.adaptive_avg_pool2d:
            return _adaptive_avg_pool2d(*args, **(kwargs or {}))
        return func(*args, **(kwargs or {}))


def _conv2d(
    has_tiles: bool,
    input: Tensor,
    weight: Tensor,
    bias: Tensor | None = None,
    stride: int | Sequence[int] = 1,
    padding: str | int | Sequence[int] = 0,
    dilation: int | Sequence[int] = 1,
    groups: int = 1,
) -> Tensor:
    """`torch.conv2d`, by another way where the map is small enough for it."""
    is_dilated = _pair(dilation) != (1, 1) and weight.shape[2:] != (1, 1)
    if input.dim() != 4 or groups != 1 or isinstance(padding, str) or is_dilated:
        return torch.conv2d(input, weight, bias, stride, padding, dilation, groups)
    strides, paddings = _pair(stride), _pair(padding)
    if strides != (1, 1) and _is_unsafe(input, weight, paddings):
        input = input[:, :, :: strides[0], :: strides[1]].contiguous(memory_format=torch.channels_last)
        strides = (1, 1)
    if input.shape[2] * input.shape[3] <= LARGEST_MAP:
        return small_map_conv2d(input, weight, bias, strides, paddings)
    # An input in bfloat16 is how autocast's convolutions but the first look from here.
    if has_tiles and input.dtype is torch.bfloat16 and _fills_more_tiles(input, weight, strides, paddings):
        return side_by_side_conv2d(input, weight, bias, strides, paddings)
    return torch.conv2d(input, weight, bias, strides, paddings)


def _is_unsafe(input: Tensor, weight: Tensor, padding: tuple[int, int]) -> bool:
    """Whether oneDNN's backward pass in bfloat16 writes behind its memory, if the convolution is strided.

    Kernels of 1x1 on fewer than 16 channels; found with torch 2.2.2 on a CPU with AVX-512 bf16 by glibc's
    checks (malloc.check=3): 11 of the 12 such cases tried, with 3 and 8 channels, on maps of 16 and 32 (on
    8 none), and none of 324 others. Leaving out first what the stride leaves out is the same function.
    """
    return input.shape[1] < 16 and weight.shape[2:] == (1, 1) and padding == (0, 0)


def _fills_more_tiles(
    input: Tensor, weight: Tensor, stride: tuple[int, int], padding: tuple[int, int]
) -> bool:
    """Whether images side by side are faster: the kernel is padded by half, and the output narrow."""
    kernel = weight.shape[3]
    return kernel > 1 and kernel == 2 * padding[1] + 1 and input.shape[3] <= WIDEST_OUTPUT * stride[1]


def _adaptive_avg_pool2d(input: Tensor, output_size: Any) -> Tensor:  # noqa: ANN401 - as torch declares it
    """`F.adaptive_avg_pool2d`, without two things that torch is slow at.

    The mean of one number is that number, for which it takes 6 % of a step. A mean in bfloat16 is summed in
    float32 all the same, but takes 6 to 14 ms where float32 takes 0.2 to 1.8 (ResNet-18's maps, batch 128).
    """
    if input.shape[2:] == (1, 1) and output_size in (1, (1, 1), [1, 1]):
        return input.clone()  # of which nothing else is changed by what comes next, in place
    if input.dtype is torch.bfloat16:
        return F.adaptive_avg_pool2d(input.float(), output_size).to(input.dtype)
    return F.adaptive_avg_pool2d(input, output_size)


def _pair(value: int | Sequence[int]) -> tuple[int, int]:
    return (value, value) if isinstance(value, int) else (value[0], value[1])
