"""How many parameters a network has, and how many of them do something."""

from __future__ import annotations

from itertools import chain
from typing import NamedTuple

from torch import nn


class ParameterCounts(NamedTuple):
    """Weights and biases of a network; ``nonzero`` of the ``params`` are not zero."""

    params: int
    nonzero: int

    @property
    def sparsity(self) -> float:
        """Share of the parameters that are zero, 0 to 1."""
        return 1 - self.nonzero / self.params


def parameter_counts(network: nn.Module) -> ParameterCounts:
    """Count a network's weights and biases, each once where modules share it.

    Parameters, and of the buffers those named ``weight`` or ``bias``: integer weights are no parameters to
    torch, but stand in their place. Scales, zero points and running statistics are not counted.
    """
    quantised = (
        buffer for name, buffer in network.named_buffers() if name.rpartition(".")[2] in ("weight", "bias")
    )
    counted = list(chain(network.parameters(), quantised))
    return ParameterCounts(
        params=sum(tensor.numel() for tensor in counted),
        nonzero=sum(int(tensor.count_nonzero()) for tensor in counted),
    )
