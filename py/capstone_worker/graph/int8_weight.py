"""What layers with int8 weights share: the weight as integers and scales, in memory and in files."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

_STORED_SCALE = "weight.scale"  # no attribute can have this name; in a file it says whose scale it is


class Int8Weight(nn.Module):
    """A symmetric int8 weight with one scale per output channel, and a bias.

    Buffers: weight int8 (out, ...) in -127..127; scale float32 (out,), above 0; bias float32 (out,) or None.
    In a state_dict they are ``weight``, ``weight.scale`` and ``bias``.
    """

    weight: Tensor
    scale: Tensor
    bias: Tensor | None

    def __init__(self, shape: tuple[int, ...], bias: bool) -> None:
        """Zeros, to be filled or loaded; `shape` is the weight's, output channels first."""
        super().__init__()
        self.register_buffer("weight", torch.zeros(shape, dtype=torch.int8))
        self.register_buffer("scale", torch.ones(shape[0]))
        self.register_buffer("bias", torch.zeros(shape[0]) if bias else None)

    def float_weight(self) -> Tensor:
        """What the integers stand for, float32 of the weight's shape."""
        return self.weight * self.scale.view(-1, *[1] * (self.weight.dim() - 1))

    def _save_to_state_dict(self, destination: dict[str, Any], prefix: str, keep_vars: bool) -> None:
        super()._save_to_state_dict(destination, prefix, keep_vars)
        destination[prefix + _STORED_SCALE] = destination.pop(prefix + "scale")

    def _load_from_state_dict(self, state_dict: dict[str, Any], prefix: str, *rest: Any) -> None:  # noqa: ANN401 - torch's own
        if prefix + _STORED_SCALE in state_dict:
            state_dict[prefix + "scale"] = state_dict.pop(prefix + _STORED_SCALE)
        super()._load_from_state_dict(state_dict, prefix, *rest)
