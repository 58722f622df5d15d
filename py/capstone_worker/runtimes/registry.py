"""The runtimes by name, and whether this interpreter has what they need."""

from __future__ import annotations

import importlib.util
import sys

from ..errors import MachineError
from .onnx_runtime import OnnxRuntime
from .open_vino import OpenVino
from .runtime import Runtime
from .torch_eager import TorchEager
from .torch_frozen import TorchFrozen

RUNTIMES: dict[str, Runtime] = {
    runtime.name: runtime for runtime in (TorchEager(), TorchFrozen(), OnnxRuntime(), OpenVino())
}


def available() -> list[Runtime]:
    """Those whose packages are installed."""
    return [runtime for runtime in RUNTIMES.values() if not _missing(runtime)]


def find_runtime(name: str) -> Runtime:
    """The runtime of that name.

    Raises:
        MachineError: ``runtime_missing``: this interpreter lacks its packages.
    """
    runtime = RUNTIMES[name]
    missing = _missing(runtime)
    if missing:
        raise MachineError(
            "runtime_missing",
            f"runtime {name}: {sys.executable} lacks {', '.join(missing)}",
            f"Install them there: {sys.executable} -m pip install {' '.join(missing)}",
        )
    return runtime


def _missing(runtime: Runtime) -> list[str]:
    return [package for package in runtime.packages if importlib.util.find_spec(package) is None]
