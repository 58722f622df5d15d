"""The step `specialize`: what costs nothing, at the one image size that the model is for.

Batch norm is folded into the convolution before it (Jacob et al. 2017, arXiv 1712.05877, section 3.2). Taps
of kernels that only ever meet padding are cut away: on a map of 1x1 a 3x3 kernel multiplies with its centre
alone. Channels that are constant or not read are removed. The function stays, up to the order of summation.
"""

from __future__ import annotations

import copy
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import fx, nn

from ..measure.counts import parameter_counts
from ..report import Report
from ..training.small_maps import covered
from .base import Applied, Context
from .fold_batch_norm import count_calls, fold_batch_norms
from .idle_channels import remove_idle_channels


@dataclass(frozen=True)
class Specialize:
    """Has no settings."""

    name: ClassVar[str] = "specialize"

    def apply(self, network: fx.GraphModule, context: Context, report: Report) -> Applied:
        """The same function in fewer weights; the record tells how many of what it found.

        ``folded``: batch norms; ``cut``: convolutions with fewer taps; ``channels``: removed;
        ``weights_removed``: by all of it.
        """
        special = copy.deepcopy(network).eval()
        before = parameter_counts(special).params
        folded = fold_batch_norms(special)
        cut = _cut_taps(special, context.image_size)
        channels = remove_idle_channels(special)  # of a layer without padding any constant can go
        record = {
            "step": self.name,
            "folded": folded,
            "cut": cut,
            "channels": channels,
            "weights_removed": before - parameter_counts(special).params,
        }
        return Applied(special, record)


@dataclass(frozen=True)
class Side:
    """Of a convolution along the rows or the columns.

    Attributes:
        taps: that are kept, first and past the last.
        padding: zeros that are left on each end.
    """

    taps: tuple[int, int]
    padding: int


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


def _cut_taps(network: fx.GraphModule, image_size: int) -> int:
    """Cut, in place, the taps that meet padding alone; of how many convolutions."""
    maps: dict[str, tuple[int, int]] = {}
    calls = count_calls(network)
    convolutions = {
        name: module
        for name, module in network.named_modules()
        if isinstance(module, nn.Conv2d) and calls[name] == 1 and module.dilation == (1, 1)
    }
    hooks = [
        module.register_forward_pre_hook(
            lambda _, inputs, name=name: maps.__setitem__(name, tuple(inputs[0].shape[2:]))
        )
        for name, module in convolutions.items()
    ]
    with torch.inference_mode():
        network(torch.zeros(1, 3, image_size, image_size))
    for hook in hooks:
        hook.remove()
    cut = 0
    for name, module in convolutions.items():
        rows, columns = (
            taps_that_meet_the_map(
                maps[name][side], module.kernel_size[side], module.stride[side], int(module.padding[side])
            )
            for side in (0, 1)
        )
        weight = module.weight[:, :, slice(*rows.taps), slice(*columns.taps)].detach()
        if weight.shape != module.weight.shape:
            module.weight = nn.Parameter(weight.clone(memory_format=torch.contiguous_format))
            module.kernel_size = (weight.shape[2], weight.shape[3])
            module.padding = (rows.padding, columns.padding)
            cut += 1
    return cut
