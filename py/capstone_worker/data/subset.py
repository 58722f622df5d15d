"""A part of a data set that looks like the whole: the same number of images of each class."""

from __future__ import annotations

import torch
from torch import Tensor

SUBSET_SEED = 0
"""Of images to train on or to test with: the same for all seeds and models, which stay comparable."""


def balanced_subset(labels: Tensor, count: int | None, seed: int) -> Tensor:
    """Indices of a class-balanced random subset, sorted, int64.

    Depends on its arguments alone, and a smaller subset lies within every larger one of the same seed. The
    classes' counts differ by at most 1, except that a class with too few images gives all it has.

    Args:
        labels: (N,) int64, each at least 0.
        count: size of the subset; None, or N and more: everything.
        seed: at least 0.
    """
    if count is None or count >= len(labels):
        return torch.arange(len(labels))
    generator = torch.Generator().manual_seed(seed)
    shuffled = torch.randperm(len(labels), generator=generator)
    per_class = torch.bincount(labels)
    by_class, order = labels[shuffled].sort(stable=True)
    turn = torch.arange(len(labels)) - (per_class.cumsum(0) - per_class)[by_class]
    # Classes give one image each, in an order of their own, turn after turn.
    place = torch.randperm(len(per_class), generator=generator)[by_class]
    chosen = (turn * len(per_class) + place).argsort()[:count]
    return shuffled[order[chosen]].sort().values
