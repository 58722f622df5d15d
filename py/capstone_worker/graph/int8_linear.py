"""A Linear layer with int8 weights, as it is kept in memory and in files."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

_STORED_SCALE = "weight.scale"  # no attribute can have this name; in a file it says whose scale it is


class Int8Linear(nn.Module):
    """Linear with symmetric int8 weights and one scale per output channel; its forward is the reference.

    The float weight is ``weight * scale[:, None]``. A runtime replaces the layer by what its engine executes
    (activations quantised per batch); run as it is, it multiplies in float32, images (..., in) -> (..., out).

    Buffers: weight int8 (out, in) in -127..127; scale float32 (out,), above 0; bias float32 (out,) or None.
    In a state_dict they are ``weight``, ``weight.scale`` and ``bias``.
    """

    weight: Tensor
    scale: Tensor
    bias: Tensor | None

    def __init__(self, in_features: int, out_features: int, bias: bool = True) -> None:
        """Zeros, to be filled or loaded."""
        super().__init__()
        self.in_features = in_features
        self.out_features = out_features
        self.register_buffer("weight", torch.zeros(out_features, in_features, dtype=torch.int8))
        self.register_buffer("scale", torch.ones(out_features))
        self.register_buffer("bias", torch.zeros(out_features) if bias else None)

    def forward(self, inputs: Tensor) -> Tensor:
        """Multiply with the dequantised weight."""
        return F.linear(inputs, self.weight * self.scale[:, None], self.bias)

    def _save_to_state_dict(self, destination: dict[str, Any], prefix: str, keep_vars: bool) -> None:
        super()._save_to_state_dict(destination, prefix, keep_vars)
        destination[prefix + _STORED_SCALE] = destination.pop(prefix + "scale")

    def _load_from_state_dict(self, state_dict: dict[str, Any], prefix: str, *rest: Any) -> None:  # noqa: ANN401 - torch's own
        if prefix + _STORED_SCALE in state_dict:
            state_dict[prefix + "scale"] = state_dict.pop(prefix + _STORED_SCALE)
        super()._load_from_state_dict(state_dict, prefix, *rest)
