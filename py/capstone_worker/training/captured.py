"""On a GPU: forward and backward of a step as one CUDA graph, started by one call.

A small network waits for its kernels to be started one by one, not for the GPU. The graph holds the same
kernels, so what comes out keeps its bits: benchmarks/gpu_step.py shows it, and what it is worth.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor, nn

WARM_UP = 3
"""Steps before a capture, in which libraries choose their algorithms and get their memory."""

Compute = Callable[[Tensor, Tensor], None]
"""compute(images, labels): (B, 3, S, S) float32 and (B,) int64 -> the gradients, in each `parameter.grad`."""


@dataclass(frozen=True)
class _Graph:
    graph: torch.cuda.CUDAGraph
    inputs: tuple[Tensor, Tensor]
    gradients: list[Tensor | None]
    """Of each parameter: memory of the graph's own, which each replay fills anew."""


class Captured:
    """`compute`, replayed for batches of a size that it has seen before.

    It stays as it is where it waits for the GPU, which no graph can, and where it draws random numbers: older
    torch would draw the same ones in every replay.
    """

    def __init__(self, compute: Compute, network: nn.Module) -> None:
        """Of a network on a GPU whose parameters stay where they are."""
        self._compute = compute
        self._parameters = [parameter for parameter in network.parameters() if parameter.requires_grad]
        self._device = self._parameters[0].device
        # One for all that is not replayed: autograd works where forward did, and a capture allows no other.
        self._stream = torch.cuda.Stream(self._device)
        self._memory = torch.cuda.graph_pool_handle()
        self._seen: Counter[torch.Size] = Counter()
        self._graphs: dict[torch.Size, _Graph] = {}
        self.is_possible = True

    def __call__(self, images: Tensor, labels: Tensor) -> None:
        """As `compute`."""
        size = images.shape
        if self.is_possible and self._seen[size] == WARM_UP and size not in self._graphs:
            self._capture(images, labels)
        if size in self._graphs:
            self._replay(self._graphs[size], images, labels)
        else:
            self._compute_now(images, labels)
            self._seen[size] += 1

    def _compute_now(self, images: Tensor, labels: Tensor) -> None:
        before = torch.cuda.get_rng_state(self._device)
        current = torch.cuda.current_stream(self._device)
        self._stream.wait_stream(current)
        with torch.cuda.stream(self._stream):
            self._compute(images, labels)
        current.wait_stream(self._stream)
        if not torch.equal(before, torch.cuda.get_rng_state(self._device)):
            self.is_possible = False

    def _capture(self, images: Tensor, labels: Tensor) -> None:
        inputs = images.clone(), labels.clone()
        graph = torch.cuda.CUDAGraph()
        try:
            with torch.cuda.graph(graph, pool=self._memory, stream=self._stream):
                self._compute(*inputs)
        except RuntimeError:  # something in it waits for the GPU; nothing has been computed
            self.is_possible = False
            return
        gradients = [parameter.grad for parameter in self._parameters]
        self._graphs[images.shape] = _Graph(graph, inputs, gradients)

    def _replay(self, captured: _Graph, images: Tensor, labels: Tensor) -> None:
        for own, given in zip(captured.inputs, (images, labels), strict=True):
            own.copy_(given)
        captured.graph.replay()
        for parameter, gradient in zip(self._parameters, captured.gradients, strict=True):
            parameter.grad = gradient
