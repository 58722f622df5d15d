"""Convolutions with the images of a batch side by side: the same function, for CPUs with tiles (AMX).

oneDNN multiplies the positions of one row of a map at a time, at most 16 of them in a tile. Of a map 4 wide
that is a quarter of a tile, and the gradient of the kernel fares worse. Here the batch becomes one image
whose rows are the rows of all images after one another, with the zeros of the padding between them.

ResNet-18 with the CIFAR stem at 32x32, batch 128, bfloat16, torch 2.2.2, 2 threads of an Intel Xeon (Emerald
Rapids, virtual): 82 -> 117 images/s, medians of 4 steps of each kind in 4 turns (1.40 to 1.44 x). Single 3x3
layers, forward and backward in ms (oneDNN / here): 512 -> 512 on 4x4 117 / 51; 256 -> 512 on 8x8 with stride
2 99 / 37; 256 -> 256 on 8x8 71 / 54; 128 -> 256 on 16x16 with stride 2 51 / 40; but 128 -> 128 on 16x16
47 / 59. It loses in float32 (256 -> 256 on 8x8: 166 / 203), and in bfloat16 without AMX (174 / 212).
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

WIDEST_OUTPUT = 8
"""Output columns up to which this is faster."""


def side_by_side_conv2d(
    input: Tensor, weight: Tensor, bias: Tensor | None, stride: tuple[int, int], padding: tuple[int, int]
) -> Tensor:
    """A convolution of one image that holds the whole batch.

    Args:
        input: (N, I, H, W); fastest in channels_last.
        weight: (O, I, kH, kW), where kW is twice the padding of the columns and one.
        bias: (O,) or None.
        stride: of the rows and of the columns.
        padding: zeros on each side, of the rows and of the columns.

    Returns:
        (N, O, oH, oW) in channels_last, with torch's own bits where it sums each output in one order.
    """
    images, channels, height, width = input.shape
    # The zeros right of an image are those left of the next; each image begins at a multiple of the stride.
    columns = -(-(width + padding[1]) // stride[1])
    pitch = columns * stride[1]
    rows = F.pad(input.permute(2, 0, 3, 1), (0, 0, 0, pitch - width))
    wide = rows.reshape(1, height, images * pitch, channels).permute(0, 3, 1, 2)
    outputs = torch.conv2d(wide, weight, bias, stride, padding)
    used = (width - 1) // stride[1] + 1
    by_image = outputs.permute(2, 3, 1, 0).reshape(outputs.shape[2], images, columns, -1)[:, :, :used]
    return by_image.permute(1, 3, 0, 2).contiguous(memory_format=torch.channels_last)
