"""The steps by name, and a recipe's list of them applied."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from torch import fx

from ..errors import UserError
from ..models.file import load_model, save_model
from ..report import Report, phase
from .base import Applied, Context, Step
from .finetune import Finetune
from .pack import Pack
from .prune_depth import PruneDepth
from .prune_magnitude import PruneMagnitude
from .prune_structured import PruneStructured
from .quantize_dynamic import QuantizeDynamic
from .quantize_static import QuantizeStatic
from .specialize import Specialize

_STEPS: tuple[type[Step], ...] = (
    Specialize,
    PruneMagnitude,
    PruneStructured,
    PruneDepth,
    Finetune,
    QuantizeDynamic,
    QuantizeStatic,
    Pack,
)
STEPS = {step.name: step for step in _STEPS}

_KEPT = "applied.pt"


def apply_steps(
    network: fx.GraphModule, steps: Sequence[Mapping[str, Any]], context: Context, report: Report
) -> tuple[fx.GraphModule, list[dict[str, Any]]]:
    """Apply the steps in order to a network, which stays as it is.

    Args:
        network: traced.
        steps: resolved by the schema, defaults filled in: ``{"step": name, ...settings}``.
        context: of all of them.
        report: told each step as a phase.

    Returns:
        The last step's network (the given one where there are no steps), and each step's record.

    Raises:
        UserError: ``step_unknown`` or ``step_invalid``, before any work; or what a step refuses.
    """
    records: list[dict[str, Any]] = []
    for index, step in enumerate([_make(spec) for spec in steps]):
        phase(report, step.name)
        partial = context.partial / f"{index}-{step.name}" if context.partial else None
        applied = (partial and _kept(partial)) or step.apply(
            network,
            replace(context, partial=partial, before=tuple(record["step"] for record in records)),
            report,
        )
        if partial and not applied.record.get("deterministic", True):
            _keep(partial, applied, context.image_size)
        network = applied.network
        records.append(applied.record)
    return network, records


def _keep(partial: Path, applied: Applied, image_size: int) -> None:
    """What applied again would come out otherwise: what an interrupted step behind it goes on from."""
    (_, classes) = applied.network(torch.zeros(1, 3, image_size, image_size)).shape
    model = {"arch": partial.name, "num_classes": classes, "image_size": image_size}
    save_model(partial / _KEPT, applied.network, {"model": model, "applied": applied.record})


def _kept(partial: Path) -> Applied | None:
    try:
        loaded = load_model(partial / _KEPT)
    except UserError:  # not there, or damaged
        return None
    return Applied(loaded.network, loaded.record["applied"])


def _make(spec: Mapping[str, Any]) -> Step:
    settings = dict(spec)
    name = settings.pop("step")
    if name not in STEPS:
        raise UserError(
            "step_unknown", f"there is no step {name!r}; known: {', '.join(STEPS)}", "Name one of these"
        )
    return STEPS[name](**settings)
