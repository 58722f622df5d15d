"""What executes a network: one small interface for all engines."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from torch import Tensor, fx

Forward = Callable[[Tensor], Tensor]
"""Normalised images float32 (N, 3, H, W) -> logits float32 (N, classes)."""


class Runtime(Protocol):
    """An engine. It never changes the network it is given."""

    @property
    def name(self) -> str:
        """As in a spec and a row."""
        ...

    def dtype(self, network: fx.GraphModule) -> str:
        """What it would execute the network in: ``float32``, or ``int8`` where layers are quantised."""
        ...

    def prepare(self, network: fx.GraphModule) -> Forward:
        """The network ready to run, everything slow done: copied, lowered, laid out."""
        ...
