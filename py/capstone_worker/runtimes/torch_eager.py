"""The runtime `torch`: eager execution, layer by layer."""

from __future__ import annotations

import copy

import torch
from torch import Tensor, fx
from torch.ao.nn.quantized import dynamic

from ..models import Int8Linear
from .runtime import Forward


class TorchEager:
    """torch as it is, in evaluation mode and without autograd."""

    name = "torch"

    def dtype(self, network: fx.GraphModule) -> str:
        """``int8`` where a Linear is dynamically quantised, else ``float32``."""
        return "int8" if any(isinstance(module, Int8Linear) for module in network.modules()) else "float32"

    def prepare(self, network: fx.GraphModule, *, channels_last: bool = False) -> Forward:
        """A copy of the network with its int8 layers lowered; images may come in either memory format."""
        ready = copy.deepcopy(network).eval()
        for name, module in list(ready.named_modules()):
            if isinstance(module, Int8Linear):
                ready.add_submodule(name, lower(module))
        layout = torch.channels_last if channels_last else torch.contiguous_format
        ready.to(memory_format=layout)  # type: ignore[call-overload] # missing from torch's stub

        @torch.inference_mode()
        def forward(images: Tensor) -> Tensor:
            logits: Tensor = ready(images.contiguous(memory_format=layout))
            return logits

        return forward


def lower(linear: Int8Linear) -> dynamic.Linear:
    """The layer as torch executes it: int8 weights, activations quantised per batch.

    torch keeps activations to 7 bits on x86 (reduce_range), so that sums of products cannot overflow 16 bits.
    """
    lowered = dynamic.Linear(linear.in_features, linear.out_features, bias_=linear.bias is not None)
    zeros = torch.zeros(linear.out_features, dtype=torch.int64)
    weight = torch._make_per_channel_quantized_tensor(linear.weight, linear.scale, zeros, axis=0)
    lowered.set_weight_bias(weight, linear.bias)
    return lowered
