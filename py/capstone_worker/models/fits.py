"""Whether the tensors in a file are those that a network has."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from torch import Tensor

from ..errors import UserError

_SHOWN_MISMATCHES = 3


def check_fits(
    path: Path,
    tensors: Mapping[str, Tensor],
    expected: Mapping[str, Tensor],
    what: str,
    hint: str = "Name the architecture and stem that the weights belong to",
) -> None:
    """Refuse tensors unless all fit, name for name, in shape and type.

    Args:
        path: the file they come from, for the message.
        tensors: by name.
        expected: the network's own.
        what: what they should fit, for the message.
        hint: what to do where they do not.

    Raises:
        UserError: ``model_does_not_fit``.
    """
    problems = [f"{name} is missing" for name in expected if name not in tensors]
    problems += [f"{name} is not part of it" for name in tensors if name not in expected]
    problems += [
        f"{name} is {_shape(tensors[name])}, expected {_shape(tensor)}"
        for name, tensor in expected.items()
        if name in tensors and _shape(tensors[name]) != _shape(tensor)
    ]
    if problems:
        more = len(problems) - _SHOWN_MISMATCHES
        shown = "; ".join(problems[:_SHOWN_MISMATCHES]) + (f"; and {more} more" if more > 0 else "")
        raise UserError(
            "model_does_not_fit",
            f"{path}: its weights do not fit {what}: {shown}",
            hint,
        )


def check_classes(path: Path, found: object, expected: int | None) -> None:
    """Refuse a file with another number of classes than expected; None: any will do.

    Raises:
        UserError: ``model_wrong_classes``.
    """
    if expected is not None and found != expected:
        raise UserError(
            "model_wrong_classes",
            f"{path}: expected {expected} classes, the file has {found}",
            f"Use --num-classes {found} with its data set, or name another file",
        )


def _shape(tensor: Tensor) -> str:
    kind = str(tensor.dtype).removeprefix("torch.")
    return f"{kind} {'x'.join(map(str, tensor.shape)) or 'scalar'}"
