"""A Linear layer with int8 weights, as it is kept in memory and in files."""

from __future__ import annotations

from torch import Tensor
from torch.nn import functional as F

from .int8_weight import Int8Weight


class Int8Linear(Int8Weight):
    """Linear with symmetric int8 weights and one scale per output channel; its forward is the reference.

    The float weight is ``weight * scale[:, None]``. A runtime replaces the layer by what its engine executes
    (activations quantised per batch); run as it is, it multiplies in float32, images (..., in) -> (..., out).
    Its weight is (out, in).
    """

    def __init__(self, in_features: int, out_features: int, bias: bool = True) -> None:
        """Zeros, to be filled or loaded."""
        super().__init__((out_features, in_features), bias)
        self.in_features = in_features
        self.out_features = out_features

    def forward(self, inputs: Tensor) -> Tensor:
        """Multiply with the dequantised weight."""
        return F.linear(inputs, self.float_weight(), self.bias)
