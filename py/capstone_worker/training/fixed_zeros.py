"""Weights that are zero and stay so while the others are trained: what a pruning has decided.

As in Han et al. 2015 (arXiv 1506.02626): the gradients of what was pruned are zero.
"""

from __future__ import annotations

from torch import Tensor, nn
from torch.nn.utils import parametrize


class _Fixed(nn.Module):
    """Of a weight, all but the zeros that it has now."""

    kept: Tensor

    def __init__(self, weight: Tensor) -> None:
        super().__init__()
        self.register_buffer("kept", weight != 0)

    def forward(self, weight: Tensor) -> Tensor:
        return weight * self.kept


def fix_zeros(network: nn.Module) -> None:
    """From now on, in place, zeros in the kernels and matrices of the network stay zero.

    Those of Conv2d, Linear and MultiheadAttention. `fake_quantize.settle` makes them plain weights again.
    """
    for module in list(network.modules()):
        if isinstance(module, nn.Conv2d | nn.Linear):
            parametrize.register_parametrization(module, "weight", _Fixed(module.weight.detach()))
        elif isinstance(module, nn.MultiheadAttention) and module.in_proj_weight is not None:
            fixed = _Fixed(module.in_proj_weight.detach())
            parametrize.register_parametrization(module, "in_proj_weight", fixed)
