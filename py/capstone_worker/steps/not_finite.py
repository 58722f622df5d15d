"""What no step can round: weights that are no numbers."""

from __future__ import annotations

from torch import Tensor

from ..errors import UserError


def refuse_not_finite(step: str, name: str, weight: Tensor) -> None:
    """Raise UserError ``weights_not_finite`` where the weight of that name holds NaN or infinity."""
    if not weight.isfinite().all():
        raise UserError(
            "weights_not_finite",
            f"{step}: {name} holds NaN or infinity",
            "The training diverged: train again with a smaller learning rate",
        )
