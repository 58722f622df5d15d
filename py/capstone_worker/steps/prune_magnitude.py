"""The step `prune_magnitude`: the smallest weights become zero.

Unstructured: shapes stay, and so does the time a dense kernel takes. Han et al. 2015, arXiv 1506.02626;
one shot, without their retraining.
"""

from __future__ import annotations

import copy
from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar, Literal

import torch
from torch import Tensor, fx, nn

from ..errors import UserError
from ..report import Report
from .base import Applied, Context


@dataclass(frozen=True)
class PruneMagnitude:
    """Zero the share `amount` (0 <= amount < 1) of the weights that `matrices` finds; biases and norms stay.

    Over all layers together (scope ``global``) or in each by itself (``layer``).
    """

    amount: float
    scope: Literal["global", "layer"]
    name: ClassVar[str] = "prune_magnitude"

    def __post_init__(self) -> None:
        """Refuse settings out of range, by UserError ``step_invalid``."""
        if not 0 <= self.amount < 1:
            raise UserError(
                "step_invalid",
                f"prune_magnitude, amount: expected a number from 0 to below 1, found {self.amount}",
                "Give the share of weights to zero, for example 0.5",
            )
        if self.scope not in ("global", "layer"):
            raise UserError(
                "step_invalid",
                f"prune_magnitude, scope: expected global or layer, found {self.scope!r}",
                "Choose one of these",
            )

    def apply(self, network: fx.GraphModule, context: Context, report: Report) -> Applied:
        """The pruned network; the record tells `weights` (how many it chose from) and `zeroed`."""
        pruned = copy.deepcopy(network)
        weights = matrices(pruned)
        groups = [weights] if self.scope == "global" else [{name: weights[name]} for name in weights]
        zeroed = 0
        for group in groups:
            for name, kept in magnitude_masks(group, self.amount).items():
                weights[name].masked_fill_(~kept, 0.0)
                zeroed += int((~kept).sum())
        return Applied(
            pruned,
            {
                "step": self.name,
                "amount": self.amount,
                "scope": self.scope,
                "weights": sum(weight.numel() for weight in weights.values()),
                "zeroed": zeroed,
            },
        )


def matrices(network: nn.Module) -> dict[str, Tensor]:
    """The kernels and matrices that images are multiplied with, by name, sharing the network's memory.

    Of Conv2d, Linear and MultiheadAttention, whose output projection is a Linear; its other three make
    up one matrix. A class token and a position embedding are added, not multiplied with.
    """
    found = {}
    for name, module in network.named_modules():
        if isinstance(module, nn.MultiheadAttention):
            found[f"{name}.in_proj"] = module.in_proj_weight.detach()
        elif isinstance(module, nn.Conv2d | nn.Linear):
            found[name] = module.weight.detach()
    return found


def magnitude_masks(weights: Mapping[str, Tensor], amount: float) -> dict[str, Tensor]:
    """Which weights stay: by name, bool of the weight's shape, False for the smallest by absolute value.

    Exactly round(amount * n) of the n weights are False. Among equals those that come first go first, in the
    order of `weights` and row-major inside one, so that the result never depends on a sorting algorithm.

    Args:
        weights: by name, float, of any shapes; compared with each other.
        amount: from 0 to below 1.
    """
    if not weights:
        return {}
    magnitudes = torch.cat([weight.abs().flatten() for weight in weights.values()])
    count = round(amount * len(magnitudes))
    kept = torch.ones_like(magnitudes, dtype=torch.bool)
    if count:
        threshold = magnitudes.kthvalue(count).values
        kept = magnitudes >= threshold
        equals = (magnitudes == threshold).nonzero().flatten()
        kept[equals[: count - int((~kept).sum())]] = False
    parts = kept.split([weight.numel() for weight in weights.values()])
    return {
        name: part.view(weight.shape) for (name, weight), part in zip(weights.items(), parts, strict=True)
    }
