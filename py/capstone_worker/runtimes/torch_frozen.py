"""The runtime `torch_frozen`: a TorchScript graph with its weights as constants, in oneDNN's own layouts.

Batch norm is folded into convolutions, and neither Python nor the module tree is asked any more. ResNet-18
at 32x32, batch 1 and 64, 2 cores with AVX-512, one run: eager 3.5 and 17.8 ms, frozen 3.0 and 16.5, with
`optimize_for_inference` 1.0 and 10.3. That works in place, and only before the graph runs for the first time.
"""

from __future__ import annotations

import warnings
from typing import Any

import torch
from torch import Tensor

from .runtime import Prepared
from .source import Source
from .torch_eager import POOL, dtype_of, lowered


class TorchFrozen:
    """`torch.jit.freeze` and `optimize_for_inference` of the traced network."""

    name = "torch_frozen"
    packages = ()

    def dtypes(self) -> tuple[str, ...]:
        """As eager."""
        return ("float32",)

    def prepare(self, source: Source, *, threads: int, dtype: str | None = None) -> Prepared:
        """Traced on one image; takes any number."""
        graph = optimized(source)

        @torch.inference_mode()
        def forward(images: Tensor) -> Tensor:
            logits: Tensor = graph(images)
            return logits

        return Prepared(forward, dtype_of(source.network), POOL)


def optimized(source: Source) -> Any:  # noqa: ANN401 - torch says of the result that it is anything
    """The network as a script module that has not run yet."""
    ready = lowered(source.network)
    image = torch.zeros(1, 3, source.image_size, source.image_size)
    with torch.no_grad(), warnings.catch_warnings():
        # Deprecated in newer torch, and shape checks of a ViT that are constants here.
        warnings.simplefilter("ignore")
        traced = torch.jit.trace(ready, image, check_trace=False)
        return torch.jit.optimize_for_inference(torch.jit.freeze(traced))
