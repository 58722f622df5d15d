"""What a compression step is."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar, Protocol

from torch import fx

from ..report import Report


@dataclass(frozen=True)
class Applied:
    """What a step made: the new network, and what the file's record keeps about it."""

    network: fx.GraphModule
    record: dict[str, Any]


@dataclass(frozen=True)
class Context:
    """What a step may know besides the network.

    Attributes:
        image_size: side of the square images in pixels that the model is for.
    """

    image_size: int


class Step(Protocol):
    """A step with its settings, which are its fields and were checked when it was made.

    Which step may follow which is data in the recipe schema (x-never-after), not code here.
    """

    name: ClassVar[str]

    def apply(self, network: fx.GraphModule, context: Context, report: Report) -> Applied:
        """A new network; the given one stays as it is."""
        ...
