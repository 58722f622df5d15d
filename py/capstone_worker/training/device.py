"""Where a network is trained."""

from __future__ import annotations

import torch

from ..errors import MachineError


def find_device(name: str) -> torch.device:
    """``cpu``, or ``cuda``: the first GPU.

    Raises:
        MachineError: ``gpu_missing``: torch sees none.
    """
    if name == "cuda" and not torch.cuda.is_available():
        raise MachineError(
            "gpu_missing",
            "device cuda: torch sees no GPU here",
            "Leave device out to train on the CPU; `capstone doctor` says what the machine and torch have",
        )
    return torch.device(name)
