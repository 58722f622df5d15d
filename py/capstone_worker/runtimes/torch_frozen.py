"""The runtime `torch_frozen`: a TorchScript graph with its weights as constants.

Batch norm is folded into convolutions, and neither Python nor the module tree is asked any more. ResNet-18
at 32x32, batch 1 and 64, 2 cores with AVX-512, one run: eager 3.2 and 17.7 ms, frozen 0.90 and 9.9,
`optimize_for_inference` after that 0.89 and 9.8: not worth its longer list of conditions.
"""

from __future__ import annotations

import warnings

import torch
from torch import Tensor

from .runtime import Prepared
from .source import Source
from .torch_eager import dtype_of, lowered


class TorchFrozen:
    """`torch.jit.freeze` of the traced network."""

    name = "torch_frozen"
    packages = ()

    def dtypes(self) -> tuple[str, ...]:
        """As eager."""
        return ("float32",)

    def prepare(self, source: Source, *, threads: int, dtype: str | None = None) -> Prepared:
        """Traced on one image; torch optimises the graph in the second call with another number of them."""
        ready = lowered(source.network)
        image = torch.zeros(1, 3, source.image_size, source.image_size)
        with torch.no_grad(), warnings.catch_warnings():
            # Deprecated in newer torch, and shape checks of a ViT that are constants here.
            warnings.simplefilter("ignore")
            frozen = torch.jit.freeze(torch.jit.trace(ready, image, check_trace=False))

        @torch.inference_mode()
        def forward(images: Tensor) -> Tensor:
            logits: Tensor = frozen(images)
            return logits

        return Prepared(forward, dtype_of(source.network))
