"""A batch as one image against torch's own convolution, in float64: only the order of sums can differ."""

import pytest
import torch
from torch import nn

from capstone_worker.training.side_by_side import side_by_side_conv2d


@pytest.mark.parametrize("height, width", [(4, 4), (8, 8), (5, 7), (7, 5), (3, 1)])
@pytest.mark.parametrize("images", [1, 6])
@pytest.mark.parametrize(
    "kernel, stride, padding",
    [
        (3, 1, 1),
        (3, 2, 1),
        (3, 3, 1),
        (5, 1, 2),
        (5, 3, 2),
        ((1, 3), (2, 1), (0, 1)),
        ((4, 3), (1, 2), (1, 1)),
    ],
)
@pytest.mark.parametrize("bias", [False, True])
def test_function_and_gradients(
    height: int,
    width: int,
    images: int,
    kernel: int | tuple[int, int],
    stride: int | tuple[int, int],
    padding: int | tuple[int, int],
    bias: bool,
) -> None:
    torch.manual_seed(0)
    conv = nn.Conv2d(5, 6, kernel, stride, padding, bias=bias).double()
    inputs = torch.randn(images, 5, height, width, dtype=torch.float64, requires_grad=True)
    expected = conv(inputs)
    weights = torch.randn_like(expected)
    wanted = [inputs, *conv.parameters()]
    expected_gradients = torch.autograd.grad((expected * weights).sum(), wanted)
    strides, paddings = conv.stride, conv.padding
    found = side_by_side_conv2d(inputs, conv.weight, conv.bias, strides, paddings)  # type: ignore[arg-type]
    assert found.is_contiguous(memory_format=torch.channels_last)
    torch.testing.assert_close(found, expected, rtol=0, atol=1e-12)
    torch.testing.assert_close(
        torch.autograd.grad((found * weights).sum(), wanted), expected_gradients, rtol=0, atol=1e-12
    )
