"""A model file in another process."""

import hashlib
import subprocess
import sys
from pathlib import Path

import torch
from torch import Tensor

IMAGES = torch.linspace(-1, 1, 2 * 3 * 32 * 32).view(2, 3, 32, 32)
"""Those of py/fixtures/fresh_logits.py."""

_SCRIPT = Path(__file__).parents[2] / "fixtures" / "fresh_logits.py"


def said_in_a_fresh_process(file: Path, *forwards: str) -> list[str]:
    """The `digest` of what the file says to IMAGES there, for ``reference`` or runtimes by name."""
    return subprocess.run(
        [sys.executable, _SCRIPT, file, str(torch.get_num_threads()), *forwards],
        capture_output=True,
        text=True,
        check=True,
    ).stdout.split()


def digest(logits: Tensor) -> str:
    return hashlib.sha256(logits.detach().numpy().tobytes()).hexdigest()
