"""What executes a network: one small interface for all engines."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from torch import Tensor

from .source import Source

Forward = Callable[[Tensor], Tensor]
"""Normalised images float32 (N, 3, H, W) -> logits float32 (N, classes)."""


@dataclass(frozen=True)
class Prepared:
    """A network ready to run in one engine, everything slow done.

    Attributes:
        forward: takes any number of images; the first call with another number may be slow.
        dtype: what most of the arithmetic is executed in: ``float32``, ``bfloat16`` or ``int8``.
        pool: name of the threads that compute it, which it shares with all that name them too; None: its own.
    """

    forward: Forward
    dtype: str
    pool: str | None = None


class Runtime(Protocol):
    """An engine. It never changes the network it is given."""

    @property
    def name(self) -> str:
        """As in a spec and a row."""
        ...

    @property
    def packages(self) -> tuple[str, ...]:
        """What has to be installed besides torch."""
        ...

    def dtypes(self) -> tuple[str, ...]:
        """What it can execute float32 weights in on this CPU; first what it chooses unasked."""
        ...

    def prepare(self, source: Source, *, threads: int, dtype: str | None = None) -> Prepared:
        """The network ready to run.

        Args:
            source: the network; its int8 layers run in int8 where the engine has a kernel for them.
            threads: that compute one call. torch's own runtimes follow `torch.set_num_threads` instead.
            dtype: of `dtypes`; None: the first.
        """
        ...
