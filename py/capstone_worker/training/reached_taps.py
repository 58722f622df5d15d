"""Which taps of a network's kernels ever lie on a map, at one image size; the others only meet padding."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn.utils import parametrize

from .any_layout import AnyLayout
from .small_maps import covered


class Side(NamedTuple):
    """Of a convolution along the rows or the columns.

    Attributes:
        taps: that are kept, first and past the last.
        padding: zeros that are left on each end.
    """

    taps: tuple[int, int]
    padding: int


@dataclass(frozen=True)
class Reached:
    """Of a convolution's kernel that has more taps than these."""

    rows: Side
    columns: Side

    def of(self, kernel: Tensor) -> Tensor:
        """The reached part of (O, I, kH, kW), sharing its memory."""
        return kernel[:, :, slice(*self.rows.taps), slice(*self.columns.taps)]


def reached_taps(network: nn.Module, image_size: int) -> dict[str, Reached]:
    """Of each convolution that could do with fewer taps, by its name.

    Only where it is called once in a forward pass, is no subclass of torch's and has a weight of its own.

    Args:
        network: on any device; its mode stays.
        image_size: side of the images in pixels.
    """
    maps: dict[str, tuple[int, int]] = {}
    calls: Counter[str] = Counter()

    def note(name: str, inputs: tuple[Tensor, ...]) -> None:
        calls[name] += 1
        maps[name] = (inputs[0].shape[2], inputs[0].shape[3])

    owners = Counter(id(parameter) for module in network.modules() for parameter in module.parameters(False))
    convolutions = {
        name: module
        for name, module in network.named_modules()
        if type(module) is nn.Conv2d
        and not isinstance(module.padding, str)
        and module.padding_mode == "zeros"
        and module.dilation == (1, 1)
        and not parametrize.is_parametrized(module)
        and owners[id(module.weight)] == 1
    }
    hooks = [
        module.register_forward_pre_hook(lambda _, inputs, name=name: note(name, inputs))
        for name, module in convolutions.items()
    ]
    was_training = {module: module.training for module in network.modules()}
    try:
        with torch.inference_mode(), AnyLayout():
            device = next(network.parameters()).device
            network.eval()(torch.zeros(1, 3, image_size, image_size, device=device))
    finally:
        for hook in hooks:
            hook.remove()
        for module, mode in was_training.items():
            module.training = mode
    found = {}
    for name, module in convolutions.items():
        if calls[name] != 1:
            continue
        rows, columns = (
            taps_that_meet_the_map(
                maps[name][side], module.kernel_size[side], module.stride[side], int(module.padding[side])
            )
            for side in (0, 1)
        )
        reached = Reached(rows, columns)
        if reached.of(module.weight).shape != module.weight.shape:
            found[name] = reached
    return found


def cut_to(module: nn.Conv2d, reached: Reached) -> None:
    """Leave a convolution, in place, the taps that are reached: on maps of that size the same function."""
    kernel = reached.of(module.weight.detach())
    set_kernel(module, kernel, (reached.rows.padding, reached.columns.padding))


def set_kernel(module: nn.Conv2d, kernel: Tensor, padding: tuple[int, int]) -> None:
    """Give a convolution, in place, another kernel (O, I, kH, kW), which is copied, and its padding."""
    layout = torch.contiguous_format if module.weight.is_contiguous() else torch.channels_last
    module.weight = nn.Parameter(kernel.clone(memory_format=layout), module.weight.requires_grad)
    module.kernel_size = (kernel.shape[2], kernel.shape[3])
    module.padding = padding


def taps_that_meet_the_map(size: int, kernel: int, stride: int, padding: int) -> Side:
    """Which taps of a kernel ever lie on the map, and the padding of a convolution with these alone.

    Where a convolution pads both ends alike, and so could not do with these alone, all taps are kept.

    Args:
        size: of the map, from 1.
        kernel: taps, from 1.
        stride: from 1.
        padding: zeros on each end, from 0.
    """
    outputs = covered(size, kernel, stride, padding)
    used = [output.taps for output in outputs if output.taps.start < output.taps.stop]
    if used:
        first, last = min(taps.start for taps in used), max(taps.stop for taps in used)
        rest = padding - first
        if rest >= 0 and len(covered(size, last - first, stride, rest)) == len(outputs):
            return Side((first, last), rest)
    return Side((0, kernel), padding)
