"""The shuffle of ShuffleNets as a layer (Zhang et al. 2017, arXiv 1707.01083, figure 1)."""

from __future__ import annotations

from torch import Tensor, nn


class ChannelShuffle(nn.Module):
    """The first channel of each of `groups` equal groups, then the second of each, and so on.

    What nn.ChannelShuffle computes, which torch cannot run on shapes alone, as a file's graph is when it is
    opened. (N, C, H, W) -> the same shape; C is a multiple of `groups`.
    """

    def __init__(self, groups: int) -> None:
        super().__init__()
        self.groups = groups

    def forward(self, images: Tensor) -> Tensor:
        """Raises RuntimeError where the channels are no multiple of the groups."""
        shuffled: Tensor = images.unflatten(1, (self.groups, -1)).transpose(1, 2).flatten(1, 2)
        return shuffled
