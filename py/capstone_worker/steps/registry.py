"""The steps by name, and a recipe's list of them applied."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from torch import fx

from ..errors import UserError
from ..report import Report, phase
from .base import Context, Step
from .prune_magnitude import PruneMagnitude
from .quantize_dynamic import QuantizeDynamic
from .specialize import Specialize

STEPS: dict[str, type[Step]] = {step.name: step for step in (Specialize, PruneMagnitude, QuantizeDynamic)}


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
    records = []
    for step in [_make(spec) for spec in steps]:
        phase(report, step.name)
        applied = step.apply(network, context, report)
        network = applied.network
        records.append(applied.record)
    return network, records


def _make(spec: Mapping[str, Any]) -> Step:
    settings = dict(spec)
    name = settings.pop("step")
    if name not in STEPS:
        raise UserError(
            "step_unknown", f"there is no step {name!r}; known: {', '.join(STEPS)}", "Name one of these"
        )
    return STEPS[name](**settings)
