"""The runtimes by name."""

from __future__ import annotations

from .runtime import Runtime
from .torch_eager import TorchEager

RUNTIMES: dict[str, Runtime] = {runtime.name: runtime for runtime in (TorchEager(),)}
