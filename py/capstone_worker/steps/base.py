"""What a compression step is."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar, Protocol

import torch
from torch import fx

from ..data.cache import Dataset
from ..report import Report, ShouldStop, never_stop


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
        original: the network before the first step.
        load: the images, with the normalisation that the model is for; slow the first time. Only steps that
            say so in the schema (`x-needs`: `dataset`) may ask for them.
        seed: of everything that a step draws at random.
        partial: folder for the state of an interrupted training; None: keep none.
        should_stop: asked where a long step can stop.
        device: that networks are trained on.
        before: names of the steps that were applied before this one.
    """

    image_size: int
    original: fx.GraphModule
    load: Callable[[], Dataset]
    seed: int = 0
    partial: Path | None = None
    should_stop: ShouldStop = never_stop
    device: torch.device = field(default_factory=lambda: torch.device("cpu"))
    before: tuple[str, ...] = ()


class Step(Protocol):
    """A step with its settings, which are its fields and were checked when it was made.

    Which step may follow which is data in the recipe schema (x-never-after), not code here.
    """

    name: ClassVar[str]

    def apply(self, network: fx.GraphModule, context: Context, report: Report) -> Applied:
        """A new network in evaluation mode; the given one stays as it is.

        Raises:
            Stopped: asked to stop.
        """
        ...
