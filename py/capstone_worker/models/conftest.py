"""What a model says, in few words."""

import hashlib
from collections.abc import Callable

import torch
from torch import Tensor

IMAGES = torch.linspace(-1, 1, 2 * 3 * 32 * 32).view(2, 3, 32, 32)
"""Those of py/fixtures/fresh_logits.py."""

Fresh = Callable[..., list[str]]
"""Of the fixture `said_in_a_fresh_process`: a file, forwards by name -> digests."""


def digest(logits: Tensor) -> str:
    return hashlib.sha256(logits.detach().numpy().tobytes()).hexdigest()
