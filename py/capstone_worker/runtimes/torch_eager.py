"""The runtime `torch`: eager execution, layer by layer."""

from __future__ import annotations

import copy

import torch
from torch import Tensor, fx, nn

from ..models import Int8Linear, Int8Weight, is_static
from .lower_int8 import dynamic_linear, lower_static
from .runtime import Prepared
from .source import Source

POOL = "torch"
"""The threads of everything that torch computes, eager or not."""


class TorchEager:
    """torch as it is, in evaluation mode and without autograd."""

    name = "torch"
    packages = ()

    def dtypes(self) -> tuple[str, ...]:
        """float32 alone: what autocast gains here it loses on small batches."""
        return ("float32",)

    def prepare(
        self, source: Source, *, threads: int, dtype: str | None = None, channels_last: bool = False
    ) -> Prepared:
        """A copy of the network with its int8 layers lowered; images may come in either memory format."""
        ready = lowered(source.network)
        layout = torch.channels_last if channels_last else torch.contiguous_format
        ready.to(memory_format=layout)  # type: ignore[call-overload] # missing from torch's stub

        @torch.inference_mode()
        def forward(images: Tensor) -> Tensor:
            logits: Tensor = ready(images.contiguous(memory_format=layout))
            return logits

        return Prepared(forward, dtype_of(source.network), POOL)


def dtype_of(network: nn.Module) -> str:
    """``int8`` where layers have int8 weights, dynamically or statically quantised, else ``float32``."""
    return "int8" if any(isinstance(module, Int8Weight) for module in network.modules()) else "float32"


def lowered(network: fx.GraphModule) -> fx.GraphModule:
    """A copy in evaluation mode in which torch's own layers and kernels stand for our int8 ones."""
    ready = lower_static(network) if is_static(network) else copy.deepcopy(network).eval()
    for name, module in list(ready.named_modules()):
        if isinstance(module, Int8Linear):
            ready.add_submodule(name, dynamic_linear(module))
    return ready
