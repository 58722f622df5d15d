"""The step `quantize_dynamic`: Linear layers keep int8 weights; activations are quantised as they come."""

from __future__ import annotations

import copy
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor, fx, nn

from ..models import Int8Linear
from ..report import Report
from .base import Applied, Context
from .not_finite import refuse_not_finite


@dataclass(frozen=True)
class QuantizeDynamic:
    """Quantise every Linear of the network. It has no settings.

    Not an attention's projections: torch's attention reads their float weights itself and calls no layer
    (torch.ao.quantization.quantize_dynamic leaves them too), so about half of a ViT's file stays.
    """

    name: ClassVar[str] = "quantize_dynamic"

    def apply(self, network: fx.GraphModule, context: Context, report: Report) -> Applied:
        """The quantised network; the record tells `layers`, how many Linears there were.

        Raises:
            UserError: ``weights_not_finite``, a weight is NaN or infinite.
        """
        quantized = copy.deepcopy(network)
        linears = {
            name: module
            for name, module in quantized.named_modules()
            if type(module) is nn.Linear  # the output projection of an attention is of a subclass
        }
        for name, linear in linears.items():
            refuse_not_finite(self.name, f"{name}.weight", linear.weight)
            quantized.add_submodule(name, _int8(linear))
        return Applied(quantized, {"step": self.name, "layers": len(linears)})


def _int8(linear: nn.Linear) -> Int8Linear:
    layer = Int8Linear(linear.in_features, linear.out_features, bias=linear.bias is not None)
    layer.weight, layer.scale = quantize_rows(linear.weight.detach())
    if linear.bias is not None:
        layer.bias = linear.bias.detach().clone()
    return layer.train(linear.training)


def quantize_rows(weight: Tensor, bits: int = 8, least_scale: Tensor | None = None) -> tuple[Tensor, Tensor]:
    """Symmetric integers, one scale per row: weight float32 (out, in) -> int8 (out, in), float32 (out,).

    scale = max|row| / m, values in -m..m with m = 2**(bits - 1) - 1 (of 8 bits 127, never -128), so
    ``values * scale`` is within half a scale of `weight`. A row of zeros, or one so small that its scale
    underflows, has scale 1 and values 0.
    Jacob et al. 2018, arXiv 1712.05877, section 2, with zero point 0.

    Args:
        weight: finite.
        bits: from 2 to 8; fewer are stored in int8 all the same.
        least_scale: float32 (out,); no scale is smaller, whatever it costs the row.
    """
    largest = 2 ** (bits - 1) - 1
    scale = weight.abs().amax(dim=1) / largest
    if least_scale is not None:
        scale = torch.maximum(scale, least_scale)
    scale = torch.where(scale > 0, scale, torch.ones_like(scale))
    values = (weight / scale[:, None]).round().clamp(-largest, largest).to(torch.int8)
    return values, scale
