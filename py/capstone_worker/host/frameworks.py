"""torch and torchvision, imported once so that each forked task has them at no cost, and without a thread.

A process that forks must have one thread only: what OpenMP or CUDA set up before a fork hangs the child. Two
imports would start one: numpy's OpenBLAS (unless told to use a single thread), and onnxruntime, which
torchvision imports by way of torch.onnx wherever it is installed.
"""

from __future__ import annotations

import importlib
import os
import platform
import sys
from contextlib import contextmanager
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator


def import_frameworks() -> None:
    """Import torch and torchvision; nothing of them may have been imported before."""
    os.environ["OPENBLAS_NUM_THREADS"] = "1"
    with _absent("onnxruntime"):
        importlib.import_module("torch")
        importlib.import_module("torchvision")


def versions() -> dict[str, str]:
    """What `hello` says: ``python, torch, torchvision, numpy``, as installed."""
    return {
        "python": platform.python_version(),
        **{name: version(name) for name in ("torch", "torchvision", "numpy")},
    }


def thread_count() -> int | None:
    """Threads of this process, those of C libraries included; None where the system does not tell (macOS)."""
    try:
        return sum(1 for _ in Path("/proc/self/task").iterdir())
    except FileNotFoundError:
        return None


@contextmanager
def _absent(module: str) -> Iterator[None]:
    """As if ``module`` were not installed. The tasks, which may need it, find it again."""
    sys.modules[module] = None  # type: ignore[assignment]  # how Python spells it
    try:
        yield
    finally:
        del sys.modules[module]
